"""What a run says at its end, and the estimate that it keeps for its status."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from nasperf360.estimate import estimated_hours
from nasperf360.failures import is_final, read_failure
from nasperf360.study import ending
from nasperf360.study.paths import made_path, result_path

from .small_run import METHODS, TASKS, make_run

CONFIG = {"run": "mine", "compare": []}
RUN = Path("results/mine")
FIRST, SECOND = ("darcy", "darts-gaea", 0), ("ecg", "wrn-default", 1)
LAST = "the same command does what is left; for tables of what there is add: tables --config partial=true"


@pytest.fixture(autouse=True)
def _run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run(RUN)
    pairs = [(task, method) for task in TASKS for method in METHODS]
    study = {"data_run": "mine", "tasks": list(TASKS), "experiments": pairs, "seeds": [0, 1]}
    (RUN / "study.json").write_text(json.dumps(study))


def fail(key):
    path = made_path(RUN, "retrain", key)
    path.unlink()
    path.with_name("failure.json").write_text(json.dumps({"reason": "train_loss became nan", "kind": "diverged"}))


def test_it_names_what_it_made():
    assert ending.made(CONFIG) == "results: results/mine"
    (RUN / "tables").mkdir()
    assert ending.made(CONFIG) == "tables: results/mine/tables"
    (RUN / "report").mkdir()
    (RUN / "report" / "index.html").write_text("")
    assert ending.made(CONFIG) == "tables: results/mine/tables; page: results/mine/report/index.html"
    page = RUN / "compare" / "theirs" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("")
    said = ending.made({**CONFIG, "compare": ["theirs", "reference"]})
    assert said.endswith("; beside theirs: results/mine/compare/theirs/index.html")


def test_without_a_failure_it_says_nothing_of_failures():
    assert ending.failures(CONFIG) == []
    result_path(RUN, FIRST).unlink()  # open
    assert ending.failures(CONFIG) == []


def test_each_failure_has_a_line_up_to_a_number(monkeypatch):
    fail(FIRST)
    fail(SECOND)
    result_path(RUN, ("ecg", "darts-gaea", 0)).unlink()
    assert ending.failures(CONFIG) == [
        "results/mine: 2 experiments failed, 9 are done",
        "darcy darts-gaea seed 0: retrain failed: train_loss became nan",
        "ecg wrn-default seed 1: retrain failed: train_loss became nan",
        LAST,
    ]
    monkeypatch.setattr(ending, "MOST", 1)
    assert ending.failures(CONFIG)[1:] == [
        "darcy darts-gaea seed 0: retrain failed: train_loss became nan",
        "and 1 more: python workflow/scripts/status.py --run mine",
        LAST,
    ]


@pytest.mark.parametrize(
    ("failure", "final"),
    [({}, False), ({"kind": "diverged"}, False), ({"reason": "a mistake"}, True)]
    + [({"reason": "x", "kind": kind}, kind == "diverged") for kind in ("diverged", "interrupted", "memory")],
)
def test_which_failures_every_attempt_would_have(tmp_path, failure, final):
    path = tmp_path / "failure.json"
    path.write_text(json.dumps(failure))
    assert is_final(read_failure(path)) is final
    assert read_failure(None) == read_failure(tmp_path / "none.json") == {}


def test_hours_are_counted_once_for_a_configuration(monkeypatch):
    counted = []

    def estimate(config, card):
        counted.append(config)
        known = SimpleNamespace(stage="retrain", task="ecg", method="wrn-default", hours=1.5 * len(counted))
        return [known, SimpleNamespace(stage="search", task="ecg", method="wrn-new", hours=None)]

    monkeypatch.setattr(estimated_hours, "estimate", estimate)
    found = [estimated_hours.estimated_hours(RUN, {"seeds": seeds}) for seeds in ([0], [0], [0, 1])]
    assert [list(hours.items()) for hours in found] == [
        [(("retrain", "ecg", "wrn-default"), hours)] for hours in (1.5, 1.5, 3.0)
    ]
