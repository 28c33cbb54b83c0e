"""A run beside the paper, result by result."""

import numpy as np
import pandas as pd

from nasperf360.labels import algorithm_label, space_label, task_label
from nasperf360.tables.forms import Table, mean_and_std, number
from nasperf360.tables.performance import PAIR, decimals, direction, to_error

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
    "status",
    "simulated",
]


def compare(performance: pd.DataFrame) -> pd.DataFrame:
    """Add ``difference`` (here - paper, units of the metric) and ``error_ratio`` (here / paper)."""
    higher = performance["higher_is_better"]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = to_error(performance["mean"], higher) / to_error(performance["reference_mean"], higher)
    difference = performance["mean"] - performance["reference_mean"]
    return performance.assign(difference=difference, error_ratio=ratio)[COLUMNS]


def comparison_table(table: pd.DataFrame, caption: str) -> Table:
    """A row per task and method; ``missing``: no result here; ``n/a``: the paper prints none."""
    rows = []
    for row in table.itertuples(index=False):
        digits = decimals(row.metric)
        here = "missing" if pd.isna(row.mean) else mean_and_std(row.mean, row.std, digits)
        paper = "n/a" if pd.isna(row.reference_mean) else mean_and_std(row.reference_mean, row.reference_std, digits)
        rows.append(
            {
                "Task": task_label(row.task),
                "Method": f"{space_label(row.space)} {algorithm_label(row.algorithm)}",
                "Metric": f"{row.metric} {direction(row.higher_is_better)}",
                "Here": here,
                "Paper": paper,
                "Difference": number(row.difference, digits),
                "Ratio of errors": number(row.error_ratio, 2),
            }
        )
    notes = ["Error: the metric itself, or 1 − metric where higher is better; the ratio is here over paper."]
    simulated = bool(table["simulated"].any())
    return Table("comparison", table, caption, [pd.DataFrame(rows)], text_columns=3, notes=notes, simulated=simulated)
