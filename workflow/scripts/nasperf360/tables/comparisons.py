"""Ours: which differences between methods are more than the choice of these tasks.

Over the methods that have every task of the run, as Demsar (2006) compares classifiers: Friedman's test of whether any
ranks differ, the critical difference of Nemenyi for mean ranks, and Wilcoxon's signed ranks for each pair.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from nasperf360.labels import method_label
from nasperf360.tables.forms import Table, number
from nasperf360.tables.performance import error_matrix
from nasperf360.tables.ranks import ranks
from nasperf360.tables.stored import COUNT, FLAG, NUMBER, TEXT

COLUMNS = [
    "first",
    "second",
    "tasks",
    "p",
    "p_holm",
    "rank_difference",
    "critical_difference",
    "friedman_p",
    "simulated",
]
KINDS = {**dict.fromkeys(COLUMNS, NUMBER), "first": TEXT, "second": TEXT, "tasks": COUNT, "simulated": FLAG}
ALPHA = 0.05
HOW = (
    "p: Wilcoxon's signed ranks of the log ratios of errors on each task, exact and two-sided; p (Holm): corrected for "
    "the number of pairs; rank difference: of the mean ranks among these methods, first − second"
)


@dataclass(frozen=True)
class MeanRanks:
    """Methods that have every task, by their mean rank among each other.

    Args:
        ranks: mean rank by method; empty where fewer than two methods have every task.
        errors: tasks that at least one of them solved, by these methods.
        left_out: methods that lack a task.
        friedman_p: of Friedman's test; NaN with fewer than three methods or two tasks.
        critical_difference: of mean ranks, by Nemenyi at 5 %; NaN likewise.
    """

    ranks: pd.Series
    errors: pd.DataFrame
    left_out: list[str]
    friedman_p: float
    critical_difference: float


def mean_ranks(performance: pd.DataFrame) -> MeanRanks:
    """Mean ranks of the methods that have every task of a run; a failed one ranks behind those that did not fail.

    Args:
        performance: as ``read_performance`` gives it.
    """
    errors = error_matrix(performance)
    everywhere = errors.notna().all()
    left_out, errors = list(errors.columns[~everywhere]), errors.loc[:, everywhere]
    errors = errors[np.isfinite(errors).any(axis="columns")]
    tasks, methods = errors.shape
    places = pd.DataFrame(ranks(errors), errors.index, errors.columns)
    enough = methods > 2 and tasks > 1
    return MeanRanks(
        places.mean() if methods > 1 and tasks else places.mean().iloc[:0],
        errors,
        left_out,
        friedman_p(places) if enough else np.nan,
        critical_difference(methods, tasks) if enough else np.nan,
    )


def friedman_p(places: pd.DataFrame) -> float:
    """Friedman's p of ranks, tasks by methods; 1 where all methods tie everywhere, where scipy divides 0 by 0."""
    if (places.nunique(axis="columns") == 1).all():
        return 1.0
    return float(friedmanchisquare(*places.to_numpy().T).pvalue)


def critical_difference(methods: int, tasks: int) -> float:
    """How far mean ranks have to be apart for two methods to differ, by Nemenyi at 5 %."""
    quantile = studentized_range.ppf(1 - ALPHA, methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(methods * (methods + 1) / (6 * tasks)))


def wilcoxon_p(first: ArrayLike, second: ArrayLike) -> float:
    """Exact two-sided p of Wilcoxon's signed ranks of log ratios of errors, over all signs that they could have had.

    Equal errors are left out, ties share the mean of their ranks. A ratio to 0 or of a failed method is infinite,
    larger than any other. NaN where no errors differ.

    Args:
        first: errors of a method, by task.
        second: of another, in the same order.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    differ = first != second
    with np.errstate(divide="ignore"):
        ratios = np.log(first[differ]) - np.log(second[differ])
    if not len(ratios):
        return np.nan
    # Equal ratios differ in their last bits; doubled, the ranks of ties are whole numbers too.
    doubled = (2 * rankdata(np.round(np.abs(ratios), 12))).astype(int)
    ways = np.zeros(doubled.sum() + 1)
    ways[0] = 1  # of each sum of the ranks with a positive sign
    for rank in doubled:
        ways[rank:] += ways[:-rank].copy()
    positive = doubled[ratios > 0].sum()
    tail = min(ways[: positive + 1].sum(), ways[positive:].sum())
    return float(min(1.0, 2 * tail / ways.sum()))


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm's correction of several p; those that are NaN stay so and do not count."""
    p = np.asarray(p, float)
    corrected = np.full(p.shape, np.nan)
    order = np.argsort(p)[: np.isfinite(p).sum()]
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return corrected


def comparisons(performance: pd.DataFrame) -> pd.DataFrame:
    """A row per pair of methods that have every task: columns :data:`COLUMNS`."""
    found = mean_ranks(performance)
    pairs = list(combinations(found.ranks.index, 2))
    p = [wilcoxon_p(found.errors[first], found.errors[second]) for first, second in pairs]
    table = pd.DataFrame(pairs, columns=COLUMNS[:2]).assign(
        tasks=len(found.errors),
        p=np.array(p, float),
        p_holm=holm(p),
        rank_difference=[found.ranks[first] - found.ranks[second] for first, second in pairs],
        critical_difference=found.critical_difference,
        friedman_p=found.friedman_p,
        simulated=bool(performance["simulated"].any()),
    )
    return table[COLUMNS]


def comparisons_table(table: pd.DataFrame, performance: pd.DataFrame, caption: str) -> Table:
    """The pairs for readers, and what the ranking as a whole rests on.

    Args:
        table: as :func:`comparisons` made it of ``performance``.
        performance: as ``read_performance`` gives it.
        caption: one sentence.
    """
    rows = [
        {
            "First": method_label(row.first),
            "Second": method_label(row.second),
            "p": number(row.p, 3),
            "p (Holm)": number(row.p_holm, 3),
            "Rank difference": number(row.rank_difference, 2),
        }
        for row in table.itertuples()
    ]
    columns = ["First", "Second", "p", "p (Holm)", "Rank difference"]
    return Table(
        "comparisons",
        table,
        caption,
        [pd.DataFrame(rows, columns=columns)],
        notes=[HOW, *sentences(mean_ranks(performance))],
        simulated=bool(performance["simulated"].any()),
    )


def sentences(found: MeanRanks) -> list[str]:
    """What Friedman's test and the critical difference say, and of which methods."""
    tasks, methods = found.errors.shape
    lines = []
    if np.isnan(found.friedman_p):
        lines.append(
            "No test of the ranking: it takes three methods that have every task, and two tasks; "
            f"here are {methods} and {tasks}."
        )
    else:
        gap = found.ranks.max() - found.ranks.min()
        verdict = "larger" if gap > found.critical_difference else "not larger"
        lines.append(
            f"On {tasks} tasks Friedman's p is {number(found.friedman_p, 2)}; the largest gap of mean ranks, "
            f"{number(gap, 2)}, is {verdict} than the critical difference (Nemenyi, 5 %), "
            f"{number(found.critical_difference, 2)}."
        )
    if found.left_out:
        lines.append(f"Not compared, since they lack a task: {', '.join(map(method_label, found.left_out))}.")
    return lines
