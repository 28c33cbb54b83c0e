"""How long a whole study takes on so many GPUs, each of which runs one job at a time.

A list schedule: whenever a GPU is free, of the jobs that may start it takes the one with the longest work behind it. No
such schedule is twice as long as the best one (Graham, 1966). Data sets, evaluations and waits of a queue are left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import pandas as pd

from nasperf360.estimate.estimate import Cell

GPUS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Chain:
    """A search and the trainings that start when it is done; hours of each. So many workers share the search.

    One of them does its longest part, of ``longest`` hours.
    """

    search: float
    trainings: tuple[float, ...]
    workers: int = 1
    longest: float = 0.0

    @property
    def shares(self) -> list[float]:
        """Hours of each worker, as even as can be."""
        first = max(self.search / self.workers, self.longest)
        others = self.workers - 1
        return [first, *[(self.search - first) / others] * others] if others else [self.search]


@dataclass(frozen=True)
class Makespan:
    """A study on so many GPUs.

    Args:
        gpus: how many.
        hours: from its start to its end.
        busy: hours of all jobs.
    """

    gpus: int
    hours: float
    busy: float


def chains(cells: Iterable[Cell]) -> list[Chain]:
    """The searches and trainings of a study, seed by seed: training s starts from search s mod the number of searches.

    Args:
        cells: as ``estimate`` gives them; those of which nothing is known are left out.
    """
    of_pair: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in cells:
        of_pair.setdefault((cell.task, cell.method), {})[cell.stage] = cell
    found = []
    for stages in of_pair.values():
        (searches, search), (trainings, training) = (_jobs(stages.get(stage)) for stage in ("search", "retrain"))
        count = searches or trainings
        shared = (stages["search"].workers, stages["search"].longest) if "search" in stages else (1, 0.0)
        found += [Chain(search, (training,) * len(range(first, trainings, count)), *shared) for first in range(count)]
    return found


def _jobs(cell: Cell | None) -> tuple[int, float]:
    """How many jobs, and hours of one."""
    return (cell.jobs, cell.hours) if cell and cell.hours is not None else (0, 0.0)


def makespan(study: Sequence[Chain], gpus: int) -> Makespan:
    """Run a study on so many GPUs, 1 or more."""
    ready: list[tuple[float, int, float, int | None]] = []  # minus the work behind it, order, hours, whose search it is
    number = 0
    for chain_number, chain in enumerate(study):
        for hours in chain.shares:
            heappush(ready, (-hours - max(chain.trainings, default=0.0), number, hours, chain_number))
            number += 1
    searching = [chain.workers for chain in study]
    running: list[tuple[float, int, int | None]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < gpus:
            _, order, hours, searched = heappop(ready)
            heappush(running, (now + hours, order, searched))
        now, _, searched = heappop(running)
        if searched is None:
            continue
        searching[searched] -= 1
        for hours in study[searched].trainings if not searching[searched] else ():
            heappush(ready, (-hours, number, hours, None))
            number += 1
    return Makespan(gpus, now, sum(chain.search + sum(chain.trainings) for chain in study))


def makespans(study: Sequence[Chain], numbers: Iterable[int] = GPUS) -> pd.DataFrame:
    """A row per number of GPUs: ``gpus``, ``days``, ``gpu_hours`` if all are held, ``busy_hours`` of jobs."""
    found = [makespan(study, gpus) for gpus in numbers]
    return pd.DataFrame(
        {
            "gpus": [row.gpus for row in found],
            "days": [row.hours / 24 for row in found],
            "gpu_hours": [row.gpus * row.hours for row in found],
            "busy_hours": [row.busy for row in found],
        }
    )


def table(found: pd.DataFrame) -> str:
    """As aligned text.

    Args:
        found: as :func:`makespans` gives it.
    """
    lines = [f"{'GPUs':>5} {'days':>8} {'GPU-hours':>10} {'idle':>5}"]
    for row in found.itertuples():
        idle = 1 - row.busy_hours / row.gpu_hours if row.gpu_hours else 0.0
        lines.append(f"{row.gpus:>5} {row.days:>8.2f} {row.gpu_hours:>10,.1f} {idle:>5.0%}")
    return "\n".join(lines)
