"""The published protocol beside corrected choices: ranks and improvements of whichever experiments each touches."""

import json

import numpy as np
import pandas as pd
import pytest

from nasperf360.figures.conclusions import draw
from nasperf360.labels import corrected_scores
from nasperf360.registry import has_room, names
from nasperf360.study import paths
from nasperf360.tables.aggregate import aggregate
from nasperf360.tables.conclusions import NO_RUN, PARTLY, PUBLISHED, conclusions, conclusions_table
from nasperf360.tables.performance import read_reference, summarise
from nasperf360.tables.scores import collect

from .small_run import EXPERIMENTS, REFERENCE, make_run

VALUES = ["median_rank", "median_improvement"]


def study(folder, experiments, seeds=(0, 1)):
    """A run on disk that was asked for these pairs of task and method."""
    make_run(folder)
    content = {"data_run": "base", "tasks": ["cifar100", "darcy", "ecg"], "experiments": experiments, "seeds": seeds}
    content["expected"] = {"search": {}, "retrain": {}}
    (folder / "study.json").write_text(json.dumps(content))
    return folder


def result(folder, key):
    path = paths.result_path(folder, key)
    return path, json.loads(path.read_text())


def change(folder, keys, factor, **scores):
    for key in keys:
        path, content = result(folder, key)
        content["value"] *= factor
        content["scores"] |= {"value": content["value"], **scores}
        path.write_text(json.dumps(content))


PAIRS = list(dict.fromkeys(key[:2] for key in EXPERIMENTS))


@pytest.fixture
def base(tmp_path):
    return study(tmp_path / "base", PAIRS)


def by_choice(table):
    return table.set_index(["choice", "method"])


def test_a_choice_has_its_own_experiments_and_the_published_others(base, tmp_path):
    """On two tasks of three its method becomes ten times as bad; what it holds of others does not count."""
    touched = [("cifar100", "darts-gaea"), ("darcy", "darts-gaea")]
    there = study(tmp_path / "base-worse", touched)
    for key in EXPERIMENTS:
        change(there, [key], 10 if key[:2] in touched else 0.01)
    reference = read_reference(REFERENCE)
    table = by_choice(conclusions(base, [there], reference))
    scores = collect(base, EXPERIMENTS)
    of_choice = [pair in touched for pair in zip(scores["task"], scores["method"], strict=True)]
    worse = scores.assign(value=scores["value"].mask(of_choice, scores["value"] * 10))
    for choice, frame in ((PUBLISHED, scores), ("worse", worse)):
        found = aggregate(summarise(frame, reference), frame)
        assert np.allclose(table.loc[choice, VALUES].to_numpy(float), found[VALUES].to_numpy(float))
    assert not np.allclose(table.loc[PUBLISHED, VALUES].to_numpy(float), table.loc["worse", VALUES].to_numpy(float))
    assert table.loc["worse", "corrected"].to_dict() == {"wrn-default": 0, "darts-gaea": 2}
    assert (table.loc[PUBLISHED, "corrected"] == 0).all()
    assert table["simulated"].all()


def test_missing_experiments_and_runs_are_missing(base, tmp_path):
    there = study(tmp_path / "base-half", [["darcy", "darts-gaea"], ["ecg", "darts-gaea"]])
    for seed in (0, 1):
        paths.result_path(there, ("darcy", "darts-gaea", seed)).unlink()
    table = conclusions(base, [there, tmp_path / "base-never"], read_reference(REFERENCE))
    found = by_choice(table)
    assert found.loc[("half", "darts-gaea"), ["corrected", "missing", "tasks"]].tolist() == [2, 1, 2]
    assert found.loc[("half", "wrn-default"), "missing"] == 0
    assert found.loc["never", VALUES].isna().all(axis=None)
    shown = conclusions_table(table, "caption")
    assert PARTLY in shown.notes
    assert f"never: {NO_RUN}." in shown.notes
    rows = shown.blocks[0].set_index("Median rank ↓")
    assert rows.loc["half", "DARTS GAEA"].endswith("†")
    assert rows.loc["never"].tolist() == ["", "", ""]
    assert draw(table) is not None


def test_another_score_stands_in_place_of_a_metric(base, tmp_path):
    """By the published F1 of ECG one method is better, on records that no search saw the other."""
    whole = study(tmp_path / "base-all", PAIRS)
    for folder in (base, whole):
        for method, value in (("wrn-default", 0.2), ("darts-gaea", 0.9)):
            keys = [key for key in EXPERIMENTS if key[:2] == ("ecg", method)]
            change(folder, keys, 1.0, f1_unseen=value, challenge=0.5)
    table = by_choice(conclusions(base, [whole], read_reference(REFERENCE)))
    choices = list(dict.fromkeys(table.index.get_level_values("choice")))
    assert choices == [PUBLISHED, "ECG by f1_unseen", "ECG by challenge", "all", "all, other scores"]
    better = table.loc["ECG by f1_unseen"], table.loc["all, other scores"]
    assert np.allclose(better[0][VALUES].to_numpy(float), better[1][VALUES].to_numpy(float))
    scores = collect(base, EXPERIMENTS)
    by_hand = scores.assign(
        value=scores["value"].mask(
            scores["task"] == "ecg", scores["method"].map({"wrn-default": 0.2, "darts-gaea": 0.9})
        )
    )
    found = aggregate(summarise(by_hand, read_reference(REFERENCE)), by_hand)
    assert np.allclose(better[0][VALUES].to_numpy(float), found[VALUES].to_numpy(float))
    assert table.loc["ECG by f1_unseen", "corrected"].tolist() == [1, 1]


def test_what_differs_is_named(base, tmp_path):
    """Settings as both runs were asked for; other code by the provenance of their results."""
    there = study(tmp_path / "base-other", [["darcy", "darts-gaea"]])
    for folder, mixture, code in ((base, "softmax", "a"), (there, "simplex", "b")):
        path = folder / "study.json"
        settings = {"search": {"mixture": mixture, "lr": 0.1}, "space": {"stages": [0] * (30 if code == "a" else 40)}}
        expected = {stage: {"darcy darts-gaea": settings} for stage in ("search", "retrain")}
        path.write_text(json.dumps(json.loads(path.read_text()) | {"expected": expected}))
        key = ("darcy", "darts-gaea", 0)
        for made in (paths.architecture_path(folder, key), paths.result_path(folder, key)):
            content = json.loads(made.read_text())
            origin = content.get("provenance", {"settings": {}})
            made.write_text(json.dumps(content | {"provenance": origin | {"code_sha256": code}}))
    table = conclusions(base, [there], read_reference(REFERENCE))
    named = by_choice(table).loc[("other", "wrn-default"), "differs"]
    assert named == "search.mixture: softmax / simplex; space.stages; other code"
    assert f"other: {named}." in conclusions_table(table, "caption").notes


def test_scores_that_put_a_metric_right_are_those_that_evaluations_give():
    """Named in labels.py, computed in further_scores.py."""
    named = {task: corrected_scores(task) for task in names("tasks")}
    assert {task for task, scores in named.items() if scores} == {"cosmic", "ecg"}
    for task, scores in named.items():
        if scores:
            assert has_room("tasks", task, "further_scores")


def test_the_figure_shows_every_choice_and_the_table_every_digit(base, tmp_path):
    table = conclusions(base, [tmp_path / "base-never"], read_reference(REFERENCE))
    figure = draw(table)
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == [PUBLISHED, *_others(table)]
    drawn = sum(len(points.get_offsets()) for points in figure.axes[0].collections)
    assert drawn == table["median_rank"].notna().sum()


def _others(table: pd.DataFrame) -> list[str]:
    return [choice for choice in dict.fromkeys(table["choice"]) if choice != PUBLISHED]
