"""Table 3: one number per method over the tasks: median rank, and median relative improvement over the default WRN."""

import numpy as np
import pandas as pd

from nasperf360.labels import BASELINE, algorithm_label, space_label, task_label
from nasperf360.tables.comparisons import mean_ranks, sentences
from nasperf360.tables.forms import Bold, Table, number
from nasperf360.tables.performance import error_matrix, with_errors
from nasperf360.tables.ranks import ranks
from nasperf360.tables.relative import ZERO_RULE, baseline_notes, improvement
from nasperf360.tables.resampling import drawn_errors, median_intervals, resampled_errors
from nasperf360.tables.stored import COUNT, FLAG, NUMBER, TEXT

SEEDS = ["seeds_done", "seeds_failed", "seeds_open"]
INTERVALS = ["median_rank_low", "median_rank_high", "median_improvement_low", "median_improvement_high"]
COLUMNS = ["space", "algorithm", "median_rank", "median_improvement", "tasks", *SEEDS, *INTERVALS, "simulated"]
KINDS = {
    **dict.fromkeys(COLUMNS, NUMBER),
    **dict.fromkeys(("space", "algorithm"), TEXT),
    **dict.fromkeys(("tasks", *SEEDS), COUNT),
    "simulated": FLAG,
}

PARTLY = "† over those tasks alone on which the method has a result or failed"
FAILURES = "‡ seeds failed: on their tasks the method counts as unsolved and ranks behind all that did not fail"
UNFINISHED = "§ seeds are open: by those that are done"
OF_SEEDS = "95 %: interval when tasks and, within them, the seeds of each method are drawn anew (bootstrap)"
OF_NORMALS = (
    "95 %: interval when tasks are drawn anew (bootstrap) and each experiment by the mean of three normal draws, since "
    "only its mean and deviation are printed"
)


def aggregate(performance: pd.DataFrame, scores: pd.DataFrame | None, baseline: str = BASELINE) -> pd.DataFrame:
    """One row per method, over the tasks on which it has a result or failed (paper, Table 3).

    The rank on a task is that among all methods there, specialised ones included; ties share the mean of their ranks.
    Improvement compares errors (1 - score where higher is better) and is empty without the baseline. A method with a
    failed seed has not solved the task: it ranks behind those that did, and its error is infinite.

    Args:
        performance: a row per task and method.
        scores: a row per seed, for the intervals; None where only means and deviations are known.
        baseline: the method that improvements compare with.

    Returns:
        columns :data:`COLUMNS`.
    """
    frame = with_errors(performance)
    errors = error_matrix(performance)
    tasks, methods = list(errors.index), list(errors.columns)
    place = methods.index(baseline) if baseline in methods else None
    reference = np.nan if place is None else errors.to_numpy()[:, place, None]
    places = pd.DataFrame(ranks(errors), tasks, methods)
    better = pd.DataFrame(improvement(errors, reference), tasks, methods)
    drawn = drawn_errors(performance, tasks, methods) if scores is None else resampled_errors(scores, tasks, methods)
    by_method = frame.groupby("method")
    table = pd.DataFrame(
        {
            "space": by_method["space"].first(),
            "algorithm": by_method["algorithm"].first(),
            "median_rank": places.median(),
            "median_improvement": better.median(),
            "tasks": places.notna().sum(),
            "seeds_done": by_method["seeds"].sum(),
            "seeds_failed": by_method["seeds_failed"].sum(),
            "seeds_open": by_method["seeds_open"].sum(),
            "simulated": bool(performance["simulated"].any()),
        }
    ).loc[methods]
    limits = median_intervals(drawn, place).reshape(len(INTERVALS), len(methods))
    return table.assign(**dict(zip(INTERVALS, limits, strict=True)))[COLUMNS].reset_index(drop=True)


def aggregate_table(
    table: pd.DataFrame,
    performance: pd.DataFrame,
    scores: pd.DataFrame | None,
    caption: str,
    notes: tuple[str, ...] = (),
) -> Table:
    """Table 3, a row per method; in bold the best of those that have every task and no failed seed.

    Args:
        table: as :func:`aggregate` made it of ``performance`` and ``scores``.
        performance: as ``read_performance`` gives it.
        scores: a row per seed, or None.
        caption: one sentence.
        notes: further ones below the table.
    """
    solved = np.isfinite(error_matrix(performance)).any(axis="columns")
    everywhere = table["tasks"] == solved.sum()
    sound = table[everywhere & (table["seeds_failed"] == 0)]
    best_rank, best_improvement = sound["median_rank"].min(), sound["median_improvement"].max()
    marks = {
        PARTLY: ~everywhere & (table["tasks"] > 0),
        FAILURES: table["seeds_failed"] > 0,
        UNFINISHED: table["seeds_open"] > 0,
    }
    rows = []
    for index, row in zip(table.index, table.itertuples(), strict=True):
        mark = "".join(f" {note[0]}" for note, where in marks.items() if where[index] and row.tasks)
        rank, better = number(row.median_rank, 1) + mark, _percent(row.median_improvement) + mark
        best = index in sound.index
        rows.append(
            {
                "Search space": space_label(row.space),
                "Search algorithm": algorithm_label(row.algorithm),
                "Median rank ↓": Bold(rank) if best and row.median_rank == best_rank else rank,
                "Rank, 95 %": _interval(row.median_rank_low, row.median_rank_high),
                "Better than WRN ↑": Bold(better) if best and row.median_improvement == best_improvement else better,
                "Better, 95 %": _interval(row.median_improvement_low, row.median_improvement_high),
                "Tasks": str(row.tasks),
                "Seeds, done / failed / open": f"{row.seeds_done} / {row.seeds_failed} / {row.seeds_open}",
            }
        )
    shown = [note for note, where in marks.items() if where.any()]
    known = [OF_NORMALS if scores is None else OF_SEEDS]
    if not solved.all():
        known.append(f"No method solved {', '.join(map(task_label, solved.index[~solved]))}: no ranks there.")
    return Table(
        "aggregate",
        table,
        caption,
        [pd.DataFrame(rows)],
        notes=[*shown, *known, *sentences(mean_ranks(performance)), ZERO_RULE, *baseline_notes(performance), *notes],
        simulated=bool(table["simulated"].any()),
    )


def _percent(value: float) -> str:
    return "" if pd.isna(value) else f"{number(value, 1)} %"


def _interval(low: float, high: float) -> str:
    return "" if pd.isna(low) else f"{number(low, 1)} to {number(high, 1)}"
