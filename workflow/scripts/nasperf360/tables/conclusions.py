"""Ours: which conclusions survive when accidents of the published protocol are put right, one at a time and together.

A corrected choice is a run of the experiments that it touches; all others are those of the published protocol's run.
A metric is put right without a run: another score of the same predictions stands in its place.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nasperf360.files import read_json
from nasperf360.labels import COMPLETE, corrected_scores, method_label, task_label
from nasperf360.study.changes import changes, flat
from nasperf360.study.expected import COMPUTED
from nasperf360.study.paths import Key, result_path
from nasperf360.study.runs import read_study
from nasperf360.tables.aggregate import aggregate
from nasperf360.tables.forms import Table, number
from nasperf360.tables.performance import summarise
from nasperf360.tables.scores import collect

PUBLISHED = "as published"
SCORES = "other scores"
NO_RUN = "no such run"
VALUES = ["median_rank", "median_improvement"]
LIMITS = ["median_rank_low", "median_rank_high", "median_improvement_low", "median_improvement_high"]
COLUMNS = ["choice", "run", "method", *VALUES, "tasks", "corrected", "missing", *LIMITS, "differs", "simulated"]

PARTLY = (
    "† some of its experiments have no result under this choice: one that failed counts as unsolved, one that is open "
    "is left out, so the number is not to be compared"
)
LONGEST = 40  # letters of a value that a note shows
HOW = (
    "A choice has the experiments of its own run in place of those that it touches; all others are those of the "
    "published protocol."
)
COUNTED = "Corrected: how many pairs of task and method are of the choice, not of the published protocol."
FIRST = "What each differs in, published / corrected:"
RANKED = "Searches that rank by a metric rank by the published one, also where the table has another score."


def conclusions(here: Path, others: Sequence[Path], reference: pd.DataFrame) -> pd.DataFrame:
    """A row per choice and method: median rank and median improvement, as in Table 3.

    Args:
        here: ``results/<run>`` of the published protocol.
        others: of the corrected choices; one that was never started has empty rows.
        reference: as ``read_reference`` gives it.

    Returns:
        columns :data:`COLUMNS`. ``corrected`` counts a method's tasks whose experiments are of the choice, ``missing``
        those of its tasks without a result, ``differs`` names the settings that differ.
    """
    keys = read_study(here).experiments
    published = collect(here, keys)
    rows = [_rows(PUBLISHED, here.name, published, reference)]
    named = _other_scores(here, published)
    rows += [
        _rows(f"{task_label(task)} by {name}", here.name, _with(published, {task: values}), reference, {task})
        for (task, name), values in named.items()
    ]
    for there in others:
        title = there.name.removeprefix(f"{here.name}-")  # as corrected.py names them
        if not (there / "study.json").is_file():
            nothing = pd.DataFrame({"method": list(dict.fromkeys(published["method"]))})
            rows.append(nothing.assign(choice=title, run=there.name, differs=NO_RUN, simulated=False))
            continue
        its_keys = [key for key in read_study(there).experiments if key[:2] in {known[:2] for known in keys}]
        own = collect(there, its_keys)
        scores = _in_place(published, own)
        differs = _differs(here, there, its_keys)
        touched = set(zip(own["task"], own["method"], strict=True))
        rows.append(_rows(title, there.name, scores, reference, touched, differs))
        if {key[:2] for key in keys} <= touched:
            best = {task: values for (task, _), values in reversed(_other_scores(there, own).items())}
            by_them = _with(scores, best)
            rows.append(_rows(f"{title}, {SCORES}", there.name, by_them, reference, touched, differs))
    table = pd.concat(rows, ignore_index=True).reindex(columns=COLUMNS)
    return table.astype(dict.fromkeys(("tasks", "corrected", "missing"), "Int64"))


def _rows(
    title: str,
    run: str,
    scores: pd.DataFrame,
    reference: pd.DataFrame,
    touched: Collection[Any] = (),
    differs: str = "",
) -> pd.DataFrame:
    """Those of one choice; ``touched``: tasks, or tasks with methods."""
    performance = summarise(scores, reference)
    pairs = scores.drop_duplicates(["task", "method"])
    known = set(map(tuple, scores.dropna(subset="value")[["task", "method"]].to_numpy()))
    counted = pairs.assign(
        corrected=[row.task in touched or (row.task, row.method) in touched for row in pairs.itertuples()],
        missing=[(row.task, row.method) not in known for row in pairs.itertuples()],
    ).groupby("method", sort=False)[["corrected", "missing"]]
    found = aggregate(performance, scores)
    found = found.assign(method=list(dict.fromkeys(scores["method"]))).join(counted.sum(), on="method")
    return found.assign(choice=title, run=run, differs=differs)


def _in_place(published: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """The scores of a choice: its own, and of the experiments that it does not touch the published ones."""
    index = ["task", "method"]
    untouched = ~pd.MultiIndex.from_frame(published[index]).isin(pd.MultiIndex.from_frame(own[index]))
    whole = pd.concat([published[untouched], own])
    order = {pair: place for place, pair in enumerate(dict.fromkeys(map(tuple, published[index].to_numpy())))}
    places = [order[pair] for pair in map(tuple, whole[index].to_numpy())]
    return whole.assign(place=places).sort_values(["place", "seed"], kind="stable").drop(columns="place")


def _other_scores(folder: Path, scores: pd.DataFrame) -> dict[tuple[str, str], dict[Key, float | None]]:
    """Each corrected score of each task, by experiment, of the results that exist; the task's first is the best one."""
    complete = scores[scores["outcome"] == COMPLETE]
    found: dict[tuple[str, str], dict[Key, float | None]] = {}
    for task in dict.fromkeys(scores["task"]):
        rows = complete[complete["task"] == task]
        keys = list(zip(rows["task"], rows["method"], rows["seed"], strict=True))
        results = {key: read_json(result_path(folder, key))["scores"] for key in keys}
        for name in corrected_scores(task):
            found[task, name] = {key: result.get(name) for key, result in results.items()}
    return found


def _with(scores: pd.DataFrame, by_task: dict[str, dict[Key, float | None]]) -> pd.DataFrame:
    """Scores with others in place of the metric on some tasks."""
    keys = zip(scores["task"], scores["method"], scores["seed"], strict=True)
    values = [
        by_task[key[0]].get(key) if key[0] in by_task else value
        for key, value in zip(keys, scores["value"], strict=True)
    ]
    return scores.assign(value=pd.Series(values, scores.index, dtype=float))


def _differs(here: Path, there: Path, keys: Sequence[Key]) -> str:
    """In what a choice differs from the published protocol: settings as both were asked for, data and code as used."""
    studies = [read_study(folder).expected for folder in (here, there)]
    found = []
    for stage in COMPUTED:
        for pair in dict.fromkeys(f"{task} {method}" for task, method, _ in keys):
            one, other = (flat(study.get(stage, {}).get(pair, {})) for study in studies)
            names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
            found += [_changed(name, one.get(name), other.get(name)) for name in names]
    results = [change for key in keys if (change := changes(here, there, key))]
    found += ["other data"] if any(change.data for change in results) else []
    found += ["other code"] if any(change.code for change in results) else []
    return "; ".join(dict.fromkeys(found))


def _changed(name: str, before: Any, after: Any) -> str:
    values = f"{before} / {after}"
    return f"{name}: {values}" if len(values) <= LONGEST else name


def conclusions_table(table: pd.DataFrame, caption: str) -> Table:
    """For readers: ranks, then improvements, a row per choice, and what each changed.

    Args:
        table: as :func:`conclusions` gives it.
        caption: one sentence.
    """
    methods, choices = list(dict.fromkeys(table["method"])), list(dict.fromkeys(table["choice"]))
    rows = {(row.choice, row.method): row for row in table.itertuples()}

    about = table.groupby("choice", sort=False).agg({"corrected": "sum", "differs": "first"})

    def block(head: str, column: str, sign: str) -> pd.DataFrame:
        columns = {head: choices}
        for method in methods:
            columns[method_label(method)] = [_shown(rows[choice, method], column, sign) for choice in choices]
        return pd.DataFrame(columns).assign(Corrected=[str(count or "") for count in about["corrected"]])

    notes = [HOW, COUNTED, RANKED]
    if (table["missing"] > 0).any():
        notes.insert(0, PARTLY)
    named = [f"{row.Index}: {row.differs}." for row in about.itertuples() if row.differs and SCORES not in row.Index]
    notes += [FIRST, *named] if named else []
    return Table(
        "conclusions",
        table,
        caption,
        [
            block("Median rank ↓", "median_rank", ""),
            block("Better than WRN ↑", "median_improvement", " %"),
        ],
        text_columns=1,
        notes=notes,
        simulated=bool(table["simulated"].any()),
    )


def _shown(row: Any, column: str, sign: str) -> str:
    value = getattr(row, column)
    if pd.isna(value):
        return ""
    return f"{number(value, 1)}{sign}{' †' if row.missing else ''}"
