"""Ours: on which tasks two methods differ by more than the choice of test samples.

Both are tested on the same samples, from the saved predictions. A method stands there by the mean over its seeds; what
other seeds would give is no part of these tests, and what other tasks would give is that of ``comparisons``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom, norm, wilcoxon

from nasperf360.labels import FAILED, method_label, task_label
from nasperf360.seeds import generator
from nasperf360.study.paths import Key
from nasperf360.study.predicted import lacking, per_sample, simulated
from nasperf360.tables.comparisons import ALPHA, holm
from nasperf360.tables.forms import Table, number
from nasperf360.tables.performance import decimals, direction
from nasperf360.tables.resampling import LEVEL, REPLICATES
from nasperf360.tasks.shared.per_sample import Means, PerSample, SignificanceTest
from nasperf360.tasks.shared.task_spec import task_spec

COLUMNS = [
    "task",
    "first",
    "second",
    "samples",
    "seeds_first",
    "seeds_second",
    "mean_first",
    "mean_second",
    "difference",
    "difference_low",
    "difference_high",
    "test",
    "p",
    "p_holm",
    "better",
    "simulated",
]
BLOCK = 1 << 22  # of how often samples were drawn, at a time
TESTS: dict[SignificanceTest, str] = {
    "signs": "exact, of the signs of the differences between samples (with one seed each, McNemar's)",
    "signed ranks": "Wilcoxon's signed ranks of the differences between samples",
    "bootstrap": "of the difference over its deviation between drawn sets of samples, as normal",
}
HOW = [
    "Difference: first − second in the units of the metric, with its 95 % interval when test samples are drawn anew.",
    "Each method stands for the mean over its seeds, sample by sample where the metric is a mean over samples: the "
    "tests ask what other test samples would give of these trained networks, not what other seeds or tasks would.",
    f"p (Holm): corrected for the pairs of a task; better: where that is below {ALPHA:g}.",
]


@dataclass
class Networks:
    """The networks of one method on one task, one for each seed.

    Args:
        samples: on which they were tested.
        test: that their metric calls for.
        values: the metric of each network.
        drawn: the metric of each (seeds, replicates), on samples drawn anew.
        errors: of each (seeds, samples), where the metric is their mean.
    """

    samples: int
    test: SignificanceTest
    values: list[float] = field(default_factory=list)
    drawn: list[NDArray[np.float64]] = field(default_factory=list)
    errors: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, task: str, network: PerSample) -> None:
        """One more seed."""
        once = np.ones((1, network.samples), np.int64)
        self.values.append(float(network.values(once)[0]))
        self.drawn.append(np.concatenate([network.values(counts) for counts in draws(task, network.samples)]))
        if isinstance(network, Means):
            self.errors.append(network.errors)


def draws(task: str, samples: int) -> Iterator[NDArray[np.int64]]:
    """How often each sample is drawn, with replacement, in each of :data:`REPLICATES` sets; the same for all methods.

    Yields:
        (sets, samples), some sets at a time.
    """
    stream, at_once = generator("bootstrap", task, "samples"), max(1, BLOCK // samples)
    for start in range(0, REPLICATES, at_once):
        sets = min(at_once, REPLICATES - start)
        drawn = stream.integers(samples, size=(sets, samples)) + samples * np.arange(sets)[:, None]
        yield np.bincount(drawn.ravel(), minlength=sets * samples).reshape(sets, samples)


def signs_p(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Exact two-sided p of differing mistakes: of all ways in which the methods could have changed places by sample.

    With one seed each it is McNemar's exact test.

    Args:
        first: mistakes (seeds, samples) of a method, 0 where a sample is right.
        second: of another.

    Returns:
        NaN where no sample differs.
    """
    # Of means over seeds, in whole numbers.
    wrong = [np.count_nonzero(mistakes, axis=0) for mistakes in (first, second)]
    difference = wrong[0] * len(second) - wrong[1] * len(first)
    if not difference.any():
        return np.nan
    difference //= np.gcd.reduce(difference)
    chances = np.ones(1)  # of each sum of those differences that favour one method
    for size, count in zip(*np.unique(np.abs(difference[difference != 0]), return_counts=True), strict=True):
        of_size = np.zeros(size * count + 1)
        of_size[::size] = binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, of_size)
    rarer = min(difference.clip(min=0).sum(), -difference.clip(max=0).sum())
    return float(min(1.0, 2 * chances[: rarer + 1].sum()))


def signed_ranks_p(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Two-sided p of Wilcoxon's signed ranks of the differences of errors (seeds, samples), of means over seeds.

    Exact up to 50 samples without ties, as scipy has it; NaN where no sample differs.
    """
    difference = first.mean(axis=0) - second.mean(axis=0)
    return float(wilcoxon(difference).pvalue) if difference.any() else np.nan


def bootstrap_p(difference: float, drawn: NDArray[np.float64]) -> float:
    """Two-sided p of a difference between metrics, from those on samples drawn anew; NaN where these do not vary.

    As normal by their deviation: counted from a thousand of them, no p could be small enough for Holm's correction.
    """
    deviation = np.nanstd(drawn, ddof=1) if np.isfinite(drawn).sum() > 1 else 0.0
    return float(2 * norm.sf(abs(difference) / deviation)) if deviation > 0 else np.nan


def paired(folder: Path, keys: Sequence[Key]) -> tuple[pd.DataFrame, list[str]]:
    """A row per task and pair of methods that both have predictions, and sentences that say who lacks them.

    A method with a failed seed on a task is not compared there; of one with open seeds the others are.

    Args:
        folder: ``results/<run>``.
        keys: the experiments of the run.

    Returns:
        columns :data:`COLUMNS`.

    Raises:
        UserError: predictions that are damaged, or not those that a result names.
    """
    frames: list[pd.DataFrame] = []
    lacks: dict[Key, str] = {}
    for task in dict.fromkeys(key[0] for key in keys):
        wanted = [key for key in keys if key[0] == task]
        lacks |= {key: reason for key in wanted if (reason := lacking(folder, key))}
        failed = {method for _, method, seed in wanted if lacks.get((task, method, seed)) == FAILED}
        there = [key for key in wanted if key not in lacks and key[1] not in failed]
        if len({method for _, method, _ in there}) > 1:
            frames.append(_compared(folder, task, there))
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)
    return table, _sentences(lacks)


def _compared(folder: Path, task: str, keys: Sequence[Key]) -> pd.DataFrame:
    networks: dict[str, Networks] = {}
    for (_, method, _), network in per_sample(folder, task, keys):
        networks.setdefault(method, Networks(network.samples, network.test)).add(task, network)
    rows = [pair_row(task, pair, networks) for pair in combinations(networks, 2)]
    table = pd.DataFrame(rows).assign(simulated=simulated(folder, task))
    table["p_holm"] = holm(table["p"])
    higher = np.where(table["difference"] > 0, table["first"], table["second"])
    lower = np.where(table["difference"] > 0, table["second"], table["first"])
    best = higher if task_spec(task).metric.higher_is_better else lower
    return table.assign(better=np.where(table["p_holm"] < ALPHA, best, ""))[COLUMNS]


def pair_row(task: str, pair: tuple[str, str], networks: dict[str, Networks]) -> dict[str, Any]:
    """The test of two, and what it rests on: :data:`COLUMNS` but those that need the other pairs of the task.

    Args:
        task: of both.
        pair: names of the first and the second.
        networks: by name, tested on the same samples.
    """
    first, second = (networks[method] for method in pair)
    means = [float(np.mean(each.values)) for each in (first, second)]
    difference = means[0] - means[1]
    drawn = np.mean(first.drawn, axis=0) - np.mean(second.drawn, axis=0)
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if first.test == "bootstrap":
        p = bootstrap_p(difference, drawn)
    else:
        test = signs_p if first.test == "signs" else signed_ranks_p
        p = test(np.array(first.errors), np.array(second.errors))
    return {
        "task": task,
        "first": pair[0],
        "second": pair[1],
        "samples": first.samples,
        "seeds_first": len(first.values),
        "seeds_second": len(second.values),
        "mean_first": means[0],
        "mean_second": means[1],
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "test": first.test,
        "p": p,
    }


def _sentences(lacks: dict[Key, str]) -> list[str]:
    """Who is not compared, and why: a line for each reason."""
    notes = ["A method with a failed seed on a task is not compared there."] if FAILED in lacks.values() else []
    reasons: dict[str, dict[tuple[str, str], list[int]]] = {}
    for (task, method, seed), reason in lacks.items():
        reasons.setdefault(reason, {}).setdefault((task, method), []).append(seed)
    return notes + [
        f"Not compared ({reason}): "
        + "; ".join(
            f"{method_label(method)} on {task_label(task)}, seed {', '.join(map(str, seeds))}"
            for (task, method), seeds in found.items()
        )
        + "."
        for reason, found in reasons.items()
    ]


def paired_table(table: pd.DataFrame, lacks: Sequence[str], caption: str) -> Table:
    """For readers: on how many tasks each pair differs, then every comparison.

    Args:
        table: as :func:`paired` gives it.
        lacks: the sentences beside it.
        caption: one sentence.
    """
    used = [
        f"Test on {_tasks_of(table, test)}: {words}." for test, words in TESTS.items() if test in set(table["test"])
    ]
    return Table(
        "paired",
        table,
        caption,
        [_counts(table), _details(table)],
        text_columns=2,
        notes=[*HOW, *used, *lacks],
        simulated=bool(table["simulated"].any()),
    )


def _tasks_of(table: pd.DataFrame, test: str) -> str:
    return ", ".join(map(task_label, table.loc[table["test"] == test, "task"].unique()))


def _counts(table: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {
            "First": method_label(first),
            "Second": method_label(second),
            "Tasks": str(len(found)),
            "First better": str((found["better"] == first).sum()),
            "Second better": str((found["better"] == second).sum()),
            "Neither": str((found["better"] == "").sum()),
        }
        for (first, second), found in table.groupby(["first", "second"], sort=False)
    ]
    return pd.DataFrame(rows, columns=["First", "Second", "Tasks", "First better", "Second better", "Neither"])


def _details(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for row in table.itertuples():
        metric = task_spec(row.task).metric
        digits = decimals(metric.name) + 1
        rows.append(
            {
                "Task, metric": f"{task_label(row.task)}, {metric.name} {direction(metric.higher_is_better)}",
                "First − second": f"{method_label(row.first)} − {method_label(row.second)}",
                "Difference": number(row.difference, digits),
                "95 %": f"{number(row.difference_low, digits)} to {number(row.difference_high, digits)}",
                "p": _p(row.p),
                "p (Holm)": _p(row.p_holm),
                "Better": {row.first: "first", row.second: "second"}.get(row.better, ""),
            }
        )
    columns = ["Task, metric", "First − second", "Difference", "95 %", "p", "p (Holm)", "Better"]
    return pd.DataFrame(rows, columns=columns)


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else number(value, 3)
