"""A run beside the paper, result by result, and beside the networks that experts designed for its tasks."""

import numpy as np
import pandas as pd

from nasperf360.labels import FAILED, OPEN, algorithm_label, method_label, method_name, space_label, task_label
from nasperf360.tables.forms import Table, mean_and_std, number
from nasperf360.tables.performance import PAIR, decimals, direction, to_error, with_errors
from nasperf360.tables.relative import ZERO_RULE, relative_error

COLUMNS = [
    *PAIR,
    "metric",
    "higher_is_better",
    "mean",
    "std",
    "seeds",
    "reference_mean",
    "reference_std",
    "difference",
    "error_ratio",
    "best_of_nas",
    "best_of_nas_method",
    "expert",
    "expert_std",
    "status",
    "simulated",
]
EXPERT = method_name("expert", "human-designed")
NO_SEARCH = "wrn"  # a fixed network; its ASHA tunes how it is trained
NOTES = (
    "error: the metric itself, or 1 − metric where higher is better; the ratio is here over paper",
    "‡ seeds failed: mean, difference and ratio are of the others",
    "best of NAS: the lowest error here of a method that searches an architecture and has no failed seed; expert: the "
    "network that experts designed for the task, as the paper's later version prints it, also where this run has other "
    "data",
    "n/a: not printed; failed: no seed gave a result; open: not run yet",
)


def compare(performance: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
    """Add what others have.

    Args:
        performance: a row per task and method.
        later: what the paper's later version adds, as ``read_reference`` gives it.

    Returns:
        columns :data:`COLUMNS`: ``difference`` (here - paper, units of the metric), ``error_ratio`` (here / paper),
        ``best_of_nas`` (the mean, over seeds, of ``best_of_nas_method``) and ``expert``, both of the task.
    """
    higher = performance["higher_is_better"]
    ratio = relative_error(to_error(performance["mean"], higher), to_error(performance["reference_mean"], higher))
    expert = experts(later).set_index("task")
    best = best_of_nas(performance).set_index("task")
    return performance.assign(
        difference=performance["mean"] - performance["reference_mean"],
        error_ratio=ratio,
        best_of_nas=performance["task"].map(best["mean"]).astype(float),
        best_of_nas_method=performance["task"].map(best["method"]),
        expert=performance["task"].map(expert["mean"]).astype(float),
        expert_std=performance["task"].map(expert["std"]).astype(float),
    )[COLUMNS]


def experts(later: pd.DataFrame) -> pd.DataFrame:
    """The rows of the networks that experts designed, one per task that has any."""
    names = [method_name(*halves) for halves in zip(later["space"], later["algorithm"], strict=True)]
    return later[np.array(names, object) == EXPERT]


def best_of_nas(performance: pd.DataFrame) -> pd.DataFrame:
    """The row of the lowest error among methods that search an architecture, of each task where one has a result."""
    frame = with_errors(performance)
    searched = frame[(frame["space"] != NO_SEARCH) & np.isfinite(frame["error"])]
    return searched.loc[searched.groupby("task")["error"].idxmin()]


def comparison_table(table: pd.DataFrame, caption: str) -> Table:
    """A row per task and method, then a row per task: the best of NAS beside the expert."""
    rows = []
    for row in table.itertuples():
        digits = decimals(row.metric)
        failed = row.status.startswith(FAILED)
        here = mean_and_std(row.mean, row.std, digits) + (" ‡" if failed else "")
        if pd.isna(row.mean):
            here = FAILED if failed else OPEN
        paper = "n/a" if pd.isna(row.reference_mean) else mean_and_std(row.reference_mean, row.reference_std, digits)
        rows.append(
            {
                "Task": task_label(row.task),
                "Method": f"{space_label(row.space)} {algorithm_label(row.algorithm)}",
                "Metric": f"{row.metric} {direction(row.higher_is_better)}",
                "Here": here,
                "Paper": paper,
                "Difference": number(row.difference, digits),
                "Ratio, of errors": number(row.error_ratio, 2),
            }
        )
    simulated = bool(table["simulated"].any())
    return Table(
        "comparison",
        table,
        caption,
        [pd.DataFrame(rows), pd.DataFrame(_beside_experts(table))],
        text_columns=3,
        notes=[*NOTES, ZERO_RULE],
        simulated=simulated,
    )


def _beside_experts(table: pd.DataFrame) -> list[dict[str, str]]:
    rows = []
    for row in table.drop_duplicates("task").itertuples():
        digits = decimals(row.metric)
        errors = to_error(pd.Series([row.best_of_nas, row.expert]), pd.Series([row.higher_is_better] * 2))
        searched = isinstance(row.best_of_nas_method, str)
        rows.append(
            {
                "Task": task_label(row.task),
                "Best method of NAS": method_label(row.best_of_nas_method) if searched else "none",
                "Metric": f"{row.metric} {direction(row.higher_is_better)}",
                "Best of NAS": number(row.best_of_nas, digits),
                "Expert": "n/a" if pd.isna(row.expert) else mean_and_std(row.expert, row.expert_std, digits),
                "Ratio, of errors": number(float(relative_error(*errors)), 2),
            }
        )
    return rows
