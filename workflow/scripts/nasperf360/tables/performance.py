"""Table 2: the score of each method on each task, mean and standard deviation over seeds.

The standard deviation is that of the sample (n - 1): over two or three seeds that of the population would be too small
by a third or a fifth. The paper does not say which of the two it prints.
"""

from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from nasperf360.errors import DataError
from nasperf360.labels import COMPLETE, FAILED, OPEN, algorithm_label, method_name, space_label, task_label, task_note
from nasperf360.tables.forms import Bold, Table, mean_and_std
from nasperf360.tables.stored import COUNT, COUNT_IF_ANY, FLAG, FLAG_IF_ANY, NUMBER, TEXT, read_table

PAIR = ["task", "space", "algorithm"]
SCORE = ["metric", "higher_is_better", "mean", "std", "seeds"]
COUNTS = ["seeds_failed", "seeds_open"]
COLUMNS = [*PAIR, *SCORE, "reference_mean", "reference_std", *COUNTS, "status", "simulated"]
KINDS = {
    **dict.fromkeys((*PAIR, "metric", "status"), TEXT),
    **dict.fromkeys(("mean", "std", "reference_mean", "reference_std"), NUMBER),
    **dict.fromkeys(("seeds", *COUNTS), COUNT),
    **dict.fromkeys(("higher_is_better", "simulated"), FLAG),
}
SCORE_KINDS = {
    **dict.fromkeys((*PAIR, "method", "metric", "outcome", "status"), TEXT),
    "seed": COUNT,
    "value": NUMBER,
    "parameters": COUNT_IF_ANY,
    "higher_is_better": FLAG,
    **dict.fromkeys(("simulated", "order_fixed"), FLAG_IF_ANY),
}
PAPER_SEEDS = 3  # "All results are averages of three random seeds": paper, Table 2
TASKS_PER_BLOCK = 5  # as the paper sets its Table 2
ENTRIES = {
    "n/a": "n/a: not a task of this method, or not selected",
    OPEN: "open: not run yet, or to be run again",
    FAILED: "failed: no seed gave a result",
}
"""What stands in place of a number, and what it means."""
OTHERS = "(2): two seeds gave the result, others are open"
UNORDERED = "searched by workers whose order of events was not fixed, so another run may find other architectures"
DESPITE = "‡ the mean of the seeds that did not fail: never the best, unsolved in ranks and profiles"


PAPER, LATER = "paper", "later version"
"""Sources of ``config/reference.csv``: the paper, and methods that its later version adds."""


def read_reference(path: str | Path, source: str = PAPER) -> pd.DataFrame:
    """Printed results: rows of ``config/reference.csv`` of a source.

    Those of the paper's later version are for comparison; they are no part of what the paper ranks.

    Args:
        path: the file.
        source: :data:`PAPER` or :data:`LATER`.

    Raises:
        DataError: a column is missing, or a result is printed twice.
    """
    table = pd.read_csv(path)
    lacking = [name for name in ("source", *PAIR, *SCORE[:-1]) if name not in table.columns]
    if lacking:
        raise DataError(f"{path}: lacks the columns {', '.join(lacking)}; take the file from the repository again")
    printed = table[table["source"] == source].reset_index(drop=True)
    twice = printed[printed.duplicated(PAIR)]
    if len(twice):
        raise DataError(f"{path}: '{'/'.join(twice.iloc[0][PAIR])}' stands there twice; remove one of the rows")
    return printed


def _status(seeds: pd.DataFrame) -> str:
    missing = seeds[seeds["outcome"] != COMPLETE]
    if missing.empty:
        return COMPLETE
    by_reason = missing.groupby("status", sort=False)["seed"].agg(list)
    reasons = "; ".join(
        f"{'seeds' if len(numbers) > 1 else 'seed'} {', '.join(map(str, numbers))} {reason}"
        for reason, numbers in by_reason.items()
    )
    return f"{FAILED if (missing['outcome'] == FAILED).any() else OPEN}: {reasons}"


def summarise(scores: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """One row per (task, method), in the order of ``scores``, beside what the paper prints of it.

    Args:
        scores: a row per seed, as :func:`nasperf360.tables.scores.collect` gives them.
        reference: as :func:`read_reference` gives it.

    Returns:
        columns :data:`COLUMNS`; ``mean`` and ``std`` are those of the ``seeds`` that have a result: empty where none
        has, ``std`` where fewer than two have.
    """
    rows = []
    for pair, seeds in scores.groupby(PAIR, sort=False):
        values = seeds["value"].dropna()
        rows.append(
            {
                **dict(zip(PAIR, pair, strict=True)),
                "metric": seeds["metric"].iloc[0],
                "higher_is_better": seeds["higher_is_better"].iloc[0],
                "mean": values.mean(),
                "std": values.std(ddof=1),
                "seeds": len(values),
                "seeds_failed": (seeds["outcome"] == FAILED).sum(),
                "seeds_open": (seeds["outcome"] == OPEN).sum(),
                "status": _status(seeds),
                "simulated": bool(seeds["simulated"].fillna(False).any()),
            }
        )
    printed = reference[[*PAIR, "mean", "std"]].rename(columns={"mean": "reference_mean", "std": "reference_std"})
    return pd.DataFrame(rows).merge(printed, on=PAIR, how="left")[COLUMNS]


def reference_performance(reference: pd.DataFrame) -> pd.DataFrame:
    """The paper's results in the form of a run's."""
    return reference.assign(
        seeds=PAPER_SEEDS,
        reference_mean=reference["mean"],
        reference_std=reference["std"],
        seeds_failed=0,
        seeds_open=0,
        status=COMPLETE,
        simulated=False,
    )[COLUMNS]


def read_scores(path: str | Path | TextIO) -> pd.DataFrame:
    """``scores.csv`` as :func:`nasperf360.tables.scores.collect` made it."""
    return read_table(path, SCORE_KINDS, optional=["order_fixed"])


def order_notes(scores: pd.DataFrame) -> tuple[str, ...]:
    """A note that names what :data:`UNORDERED` holds of, where it does of any."""
    if "order_fixed" not in scores:
        return ()
    found = scores[~scores["order_fixed"].astype("boolean").fillna(True)]
    named = dict.fromkeys(f"{task_label(task)}, {method}" for task, method in found[["task", "method"]].to_numpy())
    return (f"{UNORDERED}: {'; '.join(named)}",)


def read_performance(path: str | Path | TextIO) -> pd.DataFrame:
    """``performance.csv``, with a column ``method``, and ``error``: what the paper's rankings compare."""
    return with_errors(read_table(path, KINDS))


def with_errors(performance: pd.DataFrame) -> pd.DataFrame:
    """Add ``method`` and ``error``: the mean, or 1 - mean where a higher score is better.

    A method with a failed seed has not solved the task, whatever the other seeds gave: its error is infinite.
    """
    error = to_error(performance["mean"], performance["higher_is_better"])
    return performance.assign(
        method=[method_name(*halves) for halves in zip(performance["space"], performance["algorithm"], strict=True)],
        error=error.mask(performance["seeds_failed"] > 0, np.inf),
    )


def error_matrix(performance: pd.DataFrame) -> pd.DataFrame:
    """Errors, tasks by methods, both in order of appearance; infinite where a seed failed, NaN where there is none."""
    frame = with_errors(performance)
    matrix = frame.pivot(index="task", columns="method", values="error")
    return matrix.loc[list(dict.fromkeys(frame["task"])), list(dict.fromkeys(frame["method"]))]


def to_error(score: pd.Series, higher_is_better: pd.Series) -> pd.Series:
    """A score as an error: itself, or 1 - score where a higher score is better."""
    return score.where(~higher_is_better, 1 - score)


def decimals(metric: str) -> int:
    """Decimals that a metric is printed with."""
    return 2 if metric.endswith("%") or metric == "MAE8" else 3


def direction(higher_is_better: bool) -> str:
    """An arrow that points to better scores."""
    return "↑" if higher_is_better else "↓"


def task_blocks(tasks: list[str]) -> list[list[str]]:
    """Tasks by the table's blocks, as even as can be."""
    count = -(-len(tasks) // TASKS_PER_BLOCK)
    size = -(-len(tasks) // count)
    return [tasks[start : start + size] for start in range(0, len(tasks), size)]


def performance_table(performance: pd.DataFrame, caption: str, notes: tuple[str, ...] = ()) -> Table:
    """Table 2: methods by tasks, the best of each task in bold.

    What stands in place of a number says :data:`ENTRIES`. A method that lacks seeds has the number of those that it has
    in brackets, and a mark where one failed, which also keeps it from being the best; the reasons stand in the notes.
    """
    frame = with_errors(performance)
    methods, by_task = list(dict.fromkeys(frame["method"])), frame.groupby("task")["error"]
    best = by_task.min().where(by_task.count() > 1)  # the only result of a task is no best one
    rows = {(row.task, row.method): row for row in frame.itertuples()}

    def show(task: str, method: str) -> str:
        row = rows.get((task, method))
        if row is None:
            return "n/a"
        if pd.isna(row.mean):
            return FAILED if row.seeds_failed else OPEN
        text = mean_and_std(row.mean, row.std, decimals(row.metric))
        if row.status != COMPLETE:
            text += f" ({row.seeds})"
        if row.seeds_failed:
            return f"{text} ‡"
        return Bold(text) if row.error == best[task] else text

    blocks = []
    for tasks in task_blocks(list(dict.fromkeys(frame["task"]))):
        shown = [method for method in methods if any((task, method) in rows for task in tasks)]
        halves = [next((row.space, row.algorithm) for row in rows.values() if row.method == name) for name in shown]
        columns = {
            "Search space": [space_label(space) for space, _ in halves],
            "Search algorithm": [algorithm_label(algorithm) for _, algorithm in halves],
        }
        for task in tasks:
            row = next(row for row in rows.values() if row.task == task)
            head = f"{task_label(task)}, {row.metric} {direction(row.higher_is_better)}"
            columns[head] = [show(task, method) for method in shown]
        blocks.append(pd.DataFrame(columns))
    entries = {entry for block in blocks for row in block.itertuples(index=False) for entry in row}
    marks = [meaning for entry, meaning in ENTRIES.items() if entry in entries]
    marks += [OTHERS] if ((frame["seeds"] > 0) & (frame["seeds_open"] > 0)).any() else []
    marks += [DESPITE] if ((frame["seeds"] > 0) & (frame["seeds_failed"] > 0)).any() else []
    reasons = [f"{task_label(row.task)}, {row.method}: {row.status}" for row in rows.values() if row.status != COMPLETE]
    known = [f"{task_label(task)}: {task_note(task)}" for task in by_task.groups if task_note(task)]
    return Table(
        "performance",
        performance,
        caption,
        blocks,
        notes=[*notes, *marks, *known, *reasons],
        simulated=bool(frame["simulated"].any()),
    )
