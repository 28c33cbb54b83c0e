"""Table 3: one number per method over the tasks: median rank, and median relative improvement over the default WRN."""

import numpy as np
import pandas as pd

from nasperf360.labels import BASELINE, algorithm_label, space_label
from nasperf360.tables.forms import Bold, Table, number
from nasperf360.tables.performance import with_errors

COLUMNS = ["space", "algorithm", "median_rank", "median_improvement", "tasks", "simulated"]


def error_matrix(performance: pd.DataFrame) -> pd.DataFrame:
    """Mean errors, tasks by methods, both in order of appearance; NaN where there is no result."""
    frame = with_errors(performance)
    matrix = frame.pivot(index="task", columns="method", values="error")
    return matrix.loc[list(dict.fromkeys(frame["task"])), list(dict.fromkeys(frame["method"]))]


def improvement(error: pd.Series, baseline: pd.Series) -> pd.Series:
    """Percent by which an error is below the baseline's; 0 where both are 0, minus infinity where only that one is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        percent = 100 * (baseline - error) / baseline
    return percent.mask((baseline == 0) & (error == 0), 0.0)


def aggregate(performance: pd.DataFrame, baseline: str = BASELINE) -> pd.DataFrame:
    """One row per method, over the tasks on which it has a result (paper, Table 3).

    The rank on a task is that among all methods with a result there, specialised ones included; ties share the mean of
    their ranks. Improvement compares errors (1 - score where higher is better) and is empty without the baseline.
    """
    errors = error_matrix(performance)
    ranks = errors.rank(axis="columns", method="average")
    reference = errors[baseline] if baseline in errors else pd.Series(np.nan, index=errors.index)
    halves = with_errors(performance).drop_duplicates("method").set_index("method")
    table = pd.DataFrame(
        {
            "space": halves["space"],
            "algorithm": halves["algorithm"],
            "median_rank": ranks.median(),
            "median_improvement": errors.apply(lambda column: improvement(column, reference)).median(),
            "tasks": errors.notna().sum(),
            "simulated": bool(performance["simulated"].any()),
        }
    )
    return table.loc[errors.columns, COLUMNS].reset_index(drop=True)


def aggregate_table(table: pd.DataFrame, all_tasks: int, caption: str, notes: tuple[str, ...] = ()) -> Table:
    """Table 3, a row per method; the best of those with a result on all tasks in bold, the others with a dagger."""
    everywhere = table[table["tasks"] == all_tasks]
    best_rank, best_improvement = everywhere["median_rank"].min(), everywhere["median_improvement"].max()
    rows = []
    for row in table.itertuples(index=False):
        complete = row.tasks == all_tasks
        dagger = "" if complete or row.tasks == 0 else " †"
        rank, better = number(row.median_rank, 1) + dagger, _percent(row.median_improvement) + dagger
        rows.append(
            {
                "Search space": space_label(row.space),
                "Search algorithm": algorithm_label(row.algorithm),
                "Median rank ↓": Bold(rank) if complete and row.median_rank == best_rank else rank,
                "Better than WRN ↑": Bold(better)
                if complete and row.median_improvement == best_improvement
                else better,
                "Tasks": str(row.tasks),
            }
        )
    partly = bool(((table["tasks"] > 0) & (table["tasks"] < all_tasks)).any())
    marks = ["† over those tasks alone on which the method has a result"] if partly else []
    return Table(
        "aggregate",
        table,
        caption,
        [pd.DataFrame(rows)],
        notes=[*marks, *notes],
        simulated=bool(table["simulated"].any()),
    )


def _percent(value: float) -> str:
    return "" if pd.isna(value) else f"{number(value, 1)} %"
