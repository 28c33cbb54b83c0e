"""The result of a study in one sentence, with how sure it is."""

import pandas as pd

from nasperf360.labels import BASELINE, method_label, method_name
from nasperf360.tables.comparisons import ALPHA
from nasperf360.tables.forms import number


def headline(aggregate: pd.DataFrame, comparisons: pd.DataFrame, missing: int) -> str:
    """What won, by the median rank of the methods that have every task and no failed seed.

    Args:
        aggregate: ``aggregate.csv``.
        comparisons: ``comparisons.csv``.
        missing: how many experiments have no result.
    """
    tasks = int(aggregate["tasks"].max())
    sound = aggregate[(aggregate["tasks"] == tasks) & (aggregate["seeds_failed"] == 0) & (aggregate["tasks"] > 0)]
    of_tasks = f"{tasks} task{'' if tasks == 1 else 's'}"
    if sound.empty:
        return "No method has a result on every task without a failed seed, so none is called the best."
    best = sound[sound["median_rank"] == sound["median_rank"].min()]
    names = [method_label(method_name(row.space, row.algorithm)) for row in best.itertuples()]
    first = best.iloc[0]
    so_far = f"So far ({missing} experiment{'' if missing == 1 else 's'} without a result), on" if missing else "On"
    if len(best) > 1:
        sentence = f"{so_far} {of_tasks} {_listed(names)} share the lowest median rank, {number(first.median_rank, 1)}"
    else:
        rank = f"{number(first.median_rank, 1)}{_interval(first.median_rank_low, first.median_rank_high, '')}"
        sentence = f"{so_far} {of_tasks} {names[0]} has the lowest median rank, {rank}"
        if method_name(first.space, first.algorithm) != BASELINE and pd.notna(first.median_improvement):
            better = first.median_improvement >= 0
            sentence += (
                f"; its error is at the median {number(abs(first.median_improvement), 1)} % "
                f"{'below' if better else 'above'} that of {method_label(BASELINE)}"
            )
            limits = first.median_improvement_low, first.median_improvement_high
            sentence += _interval(*limits, " %", "improvement, ")
    return f"{sentence}. {_differences(comparisons)}"


def _differences(comparisons: pd.DataFrame) -> str:
    pairs = comparisons.dropna(subset="p_holm")
    if pairs.empty:
        return "There are too few methods or tasks to test whether methods differ."
    told = int((pairs["p_holm"] < ALPHA).sum())
    return (
        f"{told or 'None'} of the {len(pairs)} pairs of methods that have every task "
        f"differ{'s' if told == 1 else ''} by more than the choice of tasks (Wilcoxon with Holm's correction, 5 %)."
    )


def _interval(low: float, high: float, unit: str, of: str = "") -> str:
    return "" if pd.isna(low) else f" (95 % interval: {of}{number(low, 1)} to {number(high, 1)}{unit})"


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
