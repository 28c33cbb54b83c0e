"""A run's folder: what is said before anything is made in it."""

import pytest

from nasperf360.errors import UserError
from nasperf360.study import runs

CONFIG = {
    "run": "mine",
    "data_run": "theirs",
    "scale": "demo",
    "source": "simulated",
    "tasks": ["ecg", "darcy"],
    "methods": [],
    "seeds": [0],
    "searches": None,
    "precision": "float32",
    **{key: {} for key in ("method_definitions", "spaces", "search", "retrain")},
}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_data_of_a_run_that_does_not_exist_may_be_a_slip(tmp_path, capsys):
    runs.check(CONFIG)
    assert capsys.readouterr().err == (
        "Warning: data_run: results/theirs does not exist, so its data would be made anew; is the name right?\n"
    )
    runs.check({**CONFIG, "run": "theirs"})  # the usual case: a new run with its own data
    runs.record(CONFIG)
    runs.check(CONFIG)
    assert capsys.readouterr().err == ""


def test_another_scale_or_source_in_the_same_folder_is_refused():
    runs.record(CONFIG)
    with pytest.raises(UserError, match="run: results/mine was made with scale: demo, now scale: paper is given"):
        runs.check({**CONFIG, "scale": "paper"})
    with pytest.raises(UserError, match="data_run: results/theirs was made with source: simulated, now source: orig"):
        runs.check({**CONFIG, "run": "other", "source": "original"})


def test_the_study_is_recorded_with_tasks_that_no_method_does(tmp_path):
    runs.record(CONFIG)
    assert runs.read_study(tmp_path / "results/mine") == runs.Study(
        "theirs",
        ["ecg", "darcy"],
        [],
        None,
        {"search": {}, "retrain": {}},
        {key: value for key, value in CONFIG.items() if key not in ("run", "scale", "source")},
    )


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "results").write_text("a file, which even root cannot make folders in")
    with pytest.raises(UserError, match=r"^results\S*: cannot be written \(.+\); give yourself the right to"):
        runs.record(CONFIG)
