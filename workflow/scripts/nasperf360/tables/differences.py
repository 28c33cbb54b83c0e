"""Ours: one run beside another, experiment by experiment, tested on the same samples where both kept predictions."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nasperf360.labels import FAILED, OPEN, method_label, task_label
from nasperf360.study.changes import changes
from nasperf360.study.paths import Key, data_folder
from nasperf360.study.predicted import lacking, per_sample
from nasperf360.tables.comparisons import ALPHA, holm
from nasperf360.tables.forms import Table, mean_and_std, number
from nasperf360.tables.paired import HOW, TESTS, Networks, pair_row
from nasperf360.tables.performance import PAIR, decimals, direction, summarise, with_errors
from nasperf360.tables.relative import relative_error
from nasperf360.tables.scores import collect

HERE, THERE = "here", "there"
TEST = ["samples", "difference_low", "difference_high", "test", "p", "p_holm", "better"]
COLUMNS = [
    *PAIR,
    "method",
    "metric",
    "higher_is_better",
    "mean",
    "std",
    "seeds",
    "status",
    "other_mean",
    "other_std",
    "other_seeds",
    "other_status",
    "difference",
    "error_ratio",
    *TEST,
    "untested",
    "changed",
    "simulated",
]
NO_PREDICTIONS = "the paper prints no predictions"


def run_performance(folder: Path, keys: Iterable[Key], reference: pd.DataFrame) -> pd.DataFrame:
    """The performance of a run, as Table 2 has it, from the results that exist now."""
    return with_errors(summarise(collect(folder, keys), reference))


def beside(performance: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """A row per task and method of which one has a result at least; columns :data:`COLUMNS` but those of the tests."""
    names = {"mean": "other_mean", "std": "other_std", "seeds": "other_seeds", "status": "other_status"}
    keys = [*PAIR, "method", "metric", "higher_is_better"]
    kept = [*keys, *names, "error", "simulated"]
    frame = performance[kept].merge(
        other[kept].rename(columns=names | {"error": "other_error", "simulated": "other_simulated"}),
        on=keys,
        how="outer",
    )
    order = list(dict.fromkeys([*_pairs(performance), *_pairs(other)]))
    frame = frame.iloc[np.argsort([order.index(pair) for pair in _pairs(frame)], kind="stable")]
    frame = frame[frame[["mean", "other_mean"]].notna().any(axis="columns")].reset_index(drop=True)
    counts = {name: frame[name].fillna(0).astype(int) for name in ("seeds", "other_seeds")}
    statuses = {name: frame[name].fillna("no such experiment") for name in ("status", "other_status")}
    simulated = [frame[name].fillna(False).astype(bool) for name in ("simulated", "other_simulated")]
    return frame.assign(
        **counts,
        **statuses,
        difference=frame["mean"] - frame["other_mean"],
        error_ratio=relative_error(frame["error"], frame["other_error"]),
        simulated=simulated[0] | simulated[1],
    ).drop(columns=["error", "other_error", "other_simulated"])


def _pairs(frame: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(frame["task"], frame["method"], strict=True))


def differences(frame: pd.DataFrame, tests: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Add the tests: ``p_holm`` is corrected for all of them, ``better`` is ``here``, ``there`` or empty.

    Args:
        frame: as :func:`beside` gives it.
        tests: one for each row: of :func:`tested`, or ``untested`` and why.
    """
    table = pd.concat([frame, pd.DataFrame(tests, index=frame.index)], axis="columns").reindex(columns=COLUMNS)
    known = table["p"].astype(float).notna()
    corrected = pd.Series(np.nan, table.index)
    corrected[known] = holm(table.loc[known, "p"].astype(float))
    better = np.where((table["difference"] > 0) == table["higher_is_better"], HERE, THERE)
    text = {name: table[name].astype(object).fillna("") for name in ("untested", "changed")}
    return table.assign(p_holm=corrected, better=np.where(corrected < ALPHA, better, ""), **text)


def tested(
    here: Path, there: Path, task: str, method: str, keys: tuple[Sequence[Key], Sequence[Key]]
) -> dict[str, Any]:
    """The paired test of a method's networks of two runs, and what differs in how they came about.

    Args:
        here: ``results/<run>``.
        there: of the other run.
        task: of both.
        method: of both.
        keys: the experiments of both runs.

    Raises:
        UserError: predictions that are damaged, or not those that a result names.
    """
    seeds = [[key for key in of_run if key[:2] == (task, method)] for of_run in keys]
    found = [changes(here, there, key) for key in seeds[0] if key in seeds[1]]
    changed = "; ".join(dict.fromkeys(filter(None, (str(change) for change in found if change))))
    about = {"changed": changed}
    networks: dict[str, Networks] = {}
    for name, folder, of_run in zip((HERE, THERE), (here, there), seeds, strict=True):
        lacks = {key: lacking(folder, key) for key in of_run}
        if not of_run or FAILED in lacks.values() or all(lacks.values()):
            reason = next(filter(None, lacks.values()), "no such experiment")
            return about | {"untested": f"{name}: {reason}"}
    if any(change.data for change in found if change) or _data(here, task) != _data(there, task):
        return about | {"untested": "other data"}
    for name, folder, of_run in zip((HERE, THERE), (here, there), seeds, strict=True):
        for _, network in per_sample(folder, task, [key for key in of_run if not lacking(folder, key)]):
            networks.setdefault(name, Networks(network.samples, network.test)).add(task, network)
    row = pair_row(task, (HERE, THERE), networks)
    return about | {name: row[name] for name in TEST if name in row}


def _data(folder: Path, task: str) -> str:
    manifest: str = (data_folder(folder) / "data" / f"{task}.json").read_text(encoding="utf-8")
    return manifest


def differences_table(table: pd.DataFrame, run: str, other: str, caption: str) -> Table:
    """For readers: what differs in numbers, then in how they came about.

    Args:
        table: as :func:`differences` gives it.
        run: the name of this run.
        other: of the other.
        caption: one sentence.
    """
    rows = []
    for row in table.itertuples():
        digits = decimals(row.metric)
        rows.append(
            {
                "Task": task_label(row.task),
                "Method": method_label(row.method),
                "Metric": f"{row.metric} {direction(row.higher_is_better)}",
                run: _shown(row.mean, row.std, row.status, digits),
                other: _shown(row.other_mean, row.other_std, row.other_status, digits),
                "Difference": number(row.difference, digits),
                "95 %": ""
                if pd.isna(row.difference_low)
                else f"{number(row.difference_low, digits)} to {number(row.difference_high, digits)}",
                "p (Holm)": "< 0.001" if row.p_holm < 0.001 else number(row.p_holm, 3),
                "Better": {HERE: run, THERE: other}.get(row.better, ""),
            }
        )
    notes = [
        f"Difference: {run} − {other} in units of the metric; 95 %: its interval when test samples are drawn anew.",
        HOW[1],
        f"p (Holm): corrected for all tests of this table; better: where it is below {ALPHA:g}.",
        *(f"Test on {tasks}: {TESTS[test]}." for test, tasks in _tests(table).items()),
        *(f"Not tested ({reason}): {pairs}." for reason, pairs in _untested(table).items()),
    ]
    return Table(
        "differences",
        table,
        caption,
        [pd.DataFrame(rows), _changed(table)],
        text_columns=3,
        notes=notes,
        simulated=bool(table["simulated"].any()),
    )


def _shown(mean: float, std: float, status: str, digits: int) -> str:
    if pd.notna(mean):
        return mean_and_std(mean, std, digits)
    return next((word for word in (FAILED, OPEN) if status.startswith(word)), "none")


def _tests(table: pd.DataFrame) -> dict[Any, str]:
    by_test = table.dropna(subset="test").drop_duplicates(["test", "task"]).groupby("test", sort=False)["task"]
    return {test: ", ".join(map(task_label, tasks)) for test, tasks in by_test}


def _untested(table: pd.DataFrame) -> dict[Any, str]:
    return {
        reason: ", ".join(f"{task_label(row.task)} {method_label(row.method)}" for row in rows.itertuples())
        for reason, rows in table[table["untested"] != ""].groupby("untested", sort=False)
    }


def _changed(table: pd.DataFrame) -> pd.DataFrame:
    """What differs in settings, data and code, and where; a row for each difference."""
    rows = [
        {
            "Settings, data, code: here / there": changed,
            "Tasks": ", ".join(dict.fromkeys(map(task_label, where["task"]))),
            "Methods": ", ".join(dict.fromkeys(map(method_label, where["method"]))),
        }
        for changed, where in table[table["changed"] != ""].groupby("changed", sort=False)
    ]
    return pd.DataFrame(rows, columns=["Settings, data, code: here / there", "Tasks", "Methods"])
