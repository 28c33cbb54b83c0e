"""The hours of a study's searches and trainings: done, and left, by what those took that are done."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from nasperf360.files import remembered
from nasperf360.study.paths import Key, cost_path, costly
from nasperf360.study.running import job_folders, lock_folder
from nasperf360.study.runs import Study

Cell = tuple[str, str, str]
"""Stage, task and method."""

ENOUGH = 3  # cells, to tell by how much the estimate is off


class Hours(NamedTuple):
    """Of all searches and trainings, one after the other.

    Args:
        done: of those that ended, and what those under way or killed have taken so far.
        left: of the others.
        unknown: how many others nothing is known of; they are not among ``left``.
    """

    done: float
    left: float
    unknown: int


def study_hours(folder: Path, study: Study, estimated: Callable[[], Mapping[Cell, float]]) -> Hours:
    """Hours done and left.

    A job that is left takes as long as those of other seeds did. Where no seed is done yet it is the estimate's, times
    by how much those done differ from theirs: of the same stage and method, else of the stage, else of all, whichever
    has enough to tell by. One alone may have taken a thousand times its estimate for all that a job's start takes.

    Args:
        folder: ``results/<run>``.
        study: what it was asked for.
        estimated: gives hours of one job by cell; called where it is needed.
    """
    jobs = costly(study.experiments, study.searches)
    taken: dict[Cell, list[float]] = {}
    left: list[tuple[Cell, float]] = []  # and the hours that an open job has taken so far
    for stage, key in jobs:
        cell = (stage, key[0], key[1])
        seconds = remembered(cost_path(folder, stage, key)).get("wall_seconds")
        if seconds is None:
            left.append((cell, _spent(folder, stage, key)))
        else:
            taken.setdefault(cell, []).append(seconds / 3600)
    done = sum(map(sum, taken.values())) + sum(spent for _, spent in left)
    means = {cell: sum(hours) / len(hours) for cell, hours in taken.items()}
    known = means | _scaled(means, {cell for cell, _ in left}, estimated)
    remaining = sum(max(0.0, known[cell] - spent) for cell, spent in left if cell in known)
    return Hours(done, remaining, sum(cell not in known for cell, _ in left))


def _spent(folder: Path, stage: str, key: Key) -> float:
    """Hours of the attempts so far at a job that is not done."""
    spent = [remembered(place / "spent.json") for place in job_folders(lock_folder(folder, stage, key))]
    return sum(float(found.get("seconds", 0.0)) for found in spent) / 3600


def _scaled(
    means: Mapping[Cell, float], asked: set[Cell], estimated: Callable[[], Mapping[Cell, float]]
) -> dict[Cell, float]:
    """Hours of the cells that no seed is done of, from their estimates; none before enough jobs are done."""
    new = asked - means.keys()
    if not new or not means:
        return {}
    estimates = estimated()
    compared = [cell for cell in means if estimates.get(cell)]
    found = {}
    for stage, task, method in new & estimates.keys():
        kinds = (
            [cell for cell in compared if (cell[0], cell[2]) == (stage, method)],
            [cell for cell in compared if cell[0] == stage],
            compared,
        )
        if alike := next((cells for cells in kinds if len(cells) >= ENOUGH), None):
            relation = sum(means[cell] for cell in alike) / sum(estimates[cell] for cell in alike)
            found[stage, task, method] = relation * estimates[stage, task, method]
    return found
