"""The tables of a run against its results: made again in memory, by the functions that the scripts of the rules use."""

from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from itertools import zip_longest
from pathlib import Path

from nasperf360.errors import UserError, again
from nasperf360.study.paths import ROOT, data_folder
from nasperf360.study.runs import read_study
from nasperf360.study.verification import not_recomputed
from nasperf360.tables.aggregate import aggregate
from nasperf360.tables.comparison import compare
from nasperf360.tables.comparisons import comparisons
from nasperf360.tables.forms import csv_text
from nasperf360.tables.paired import paired
from nasperf360.tables.performance import LATER, read_performance, read_reference, read_scores, summarise
from nasperf360.tables.scores import collect, to_csv
from nasperf360.tables.tasks import task_frame


def verify_tables(folder: Path) -> Iterator[str]:
    """Each table of ``results/<run>`` that is there against what the run's results give; those of costs are not.

    Yields:
        a line for each csv that differs.
    """
    try:
        tables = _remade(folder)
    except (UserError, KeyError, TypeError, AttributeError, ValueError):  # which the verification of results names
        yield f"{folder / 'tables'}: not compared with the results, since one cannot be read; mend that one first"
        return
    for name, text in (*tables.items(), *_paired(folder)):
        path = folder / "tables" / f"{name}.csv"
        if path.is_file() and (line := _differing_line(path.read_text(encoding="utf-8", errors="replace"), text)):
            yield f"{path}: line {line} is not what the run's results give; {again(path)}"


def _remade(folder: Path) -> dict[str, str]:
    """What the csv of each table should hold, each made from the text of the one before it."""
    study = read_study(folder)
    manifests = {path.stem: path for path in (data_folder(folder) / "data").glob("*.json")}
    scores = to_csv(collect(folder, study.experiments))
    seeds, reference = read_scores(StringIO(scores)), ROOT / "config" / "reference.csv"
    summary = summarise(seeds, read_reference(reference))
    performance = csv_text(summary)
    read = read_performance(StringIO(performance))
    return {
        "tasks": csv_text(task_frame(study.tasks, manifests)),
        "scores": scores,
        "performance": performance,
        "aggregate": csv_text(aggregate(read, seeds)),
        "comparison": csv_text(compare(read, read_reference(reference, LATER))),
        "comparisons": csv_text(comparisons(read)),
    }


def _paired(folder: Path) -> Iterator[tuple[str, str]]:
    """The table of paired tests, where it is there: the others take no predictions, and a second.

    Where predictions were not kept it may be from a time when they were there, and nothing can make it again.
    """
    if (folder / "tables" / "paired.csv").is_file():
        with suppress(UserError, KeyError, TypeError, AttributeError, ValueError):  # of predictions: named there too
            if not not_recomputed(folder):
                yield "paired", csv_text(paired(folder, read_study(folder).experiments)[0])


def _differing_line(left: str, right: str) -> int:
    """The number of the first line that differs, from 1; 0: none does."""
    pairs = zip_longest(left.splitlines(keepends=True), right.splitlines(keepends=True))
    return next((number for number, (one, other) in enumerate(pairs, 1) if one != other), 0)
