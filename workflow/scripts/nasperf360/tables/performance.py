"""Table 2: the score of each method on each task, mean and standard deviation over seeds.

The standard deviation is that of the sample (n - 1): over two or three seeds that of the population would be too small
by a third or a fifth. The paper does not say which of the two it prints.
"""

from pathlib import Path
from typing import TextIO

import pandas as pd

from nasperf360.errors import DataError
from nasperf360.labels import COMPLETE, algorithm_label, method_name, space_label, task_label, task_note
from nasperf360.tables.forms import Bold, Table, mean_and_std

PAIR = ["task", "space", "algorithm"]
SCORE = ["metric", "higher_is_better", "mean", "std", "seeds"]
COLUMNS = [*PAIR, *SCORE, "reference_mean", "reference_std", "status", "simulated"]
PAPER_SEEDS = 3  # "All results are averages of three random seeds": paper, Table 2
TASKS_PER_BLOCK = 5  # as the paper sets its Table 2


def read_reference(path: str | Path) -> pd.DataFrame:
    """The paper's printed results: rows of ``config/reference.csv`` whose source is ``paper``.

    Rows of the paper's later version stand in that file for readers; they are no part of what the paper ranks.

    Raises:
        DataError: a column is missing, or a result is printed twice.
    """
    table = pd.read_csv(path)
    lacking = [name for name in ("source", *PAIR, *SCORE[:-1]) if name not in table.columns]
    if lacking:
        raise DataError(f"{path}: lacks the columns {', '.join(lacking)}; take the file from the repository again")
    paper = table[table["source"] == "paper"].reset_index(drop=True)
    twice = paper[paper.duplicated(PAIR)]
    if len(twice):
        raise DataError(f"{path}: '{'/'.join(twice.iloc[0][PAIR])}' stands there twice; remove one of the rows")
    return paper


def _status(seeds: pd.DataFrame) -> str:
    missing = seeds[seeds["status"] != COMPLETE]
    if missing.empty:
        return COMPLETE
    by_reason = missing.groupby("status", sort=False)["seed"].agg(list)
    reasons = "; ".join(
        f"{'seeds' if len(numbers) > 1 else 'seed'} {', '.join(map(str, numbers))} {reason}"
        for reason, numbers in by_reason.items()
    )
    return f"{'missing' if len(missing) == len(seeds) else 'incomplete'}: {reasons}"


def summarise(scores: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """One row per (task, method), in the order of ``scores``, beside what the paper prints of it.

    Args:
        scores: a row per seed, as :func:`nasperf360.tables.scores.collect` gives them.
        reference: as :func:`read_reference` gives it.

    Returns:
        columns :data:`COLUMNS`; ``mean`` empty where no seed has a result, ``std`` where fewer than two have.
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
        status=COMPLETE,
        simulated=False,
    )[COLUMNS]


def read_scores(path: str | Path | TextIO) -> pd.DataFrame:
    """``scores.csv`` as :func:`nasperf360.tables.scores.collect` made it."""
    return pd.read_csv(path, dtype={"parameters": "Int64", "simulated": "boolean", "value": float, "status": str})


def read_performance(path: str | Path | TextIO) -> pd.DataFrame:
    """``performance.csv``, with a column ``method``, and ``error``: what the paper's rankings compare."""
    performance = pd.read_csv(path, dtype={"mean": float, "std": float, "status": str})
    return with_errors(performance)


def with_errors(performance: pd.DataFrame) -> pd.DataFrame:
    """Add ``method`` and ``error``: the mean, or 1 - mean where a higher score is better."""
    return performance.assign(
        method=[method_name(*halves) for halves in zip(performance["space"], performance["algorithm"], strict=True)],
        error=to_error(performance["mean"], performance["higher_is_better"]),
    )


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

    A method that no seed finished on a task reads ``missing``, one that lacks some seeds has the number of those it has
    in brackets; their reasons stand in the notes. ``n/a``: the method does not serve the task, or was not selected.
    """
    frame = with_errors(performance)
    methods, by_task = list(dict.fromkeys(frame["method"])), frame.groupby("task")["error"]
    best = by_task.min().where(by_task.count() > 1)  # the only result of a task is no best one
    rows = {(row.task, row.method): row for row in frame.itertuples(index=False)}

    def show(task: str, method: str) -> str:
        row = rows.get((task, method))
        if row is None:
            return "n/a"
        if pd.isna(row.mean):
            return "missing"
        text = mean_and_std(row.mean, row.std, decimals(row.metric))
        if row.status != COMPLETE:
            text += f" ({row.seeds})"
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
    reasons = [f"{task_label(row.task)}, {row.method}: {row.status}" for row in rows.values() if row.status != COMPLETE]
    known = [f"{task_label(task)}: {task_note(task)}" for task in by_task.groups if task_note(task)]
    return Table(
        "performance",
        performance,
        caption,
        blocks,
        notes=[*notes, *known, *reasons],
        simulated=bool(frame["simulated"].any()),
    )
