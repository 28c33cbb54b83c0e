"""A run's folder: what is said before anything is made in it."""

import json
import os

import pytest

from nasperf360.errors import UserError
from nasperf360.files import write_json
from nasperf360.study import runs
from nasperf360.study.paths import result_path

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


def test_a_folder_of_another_scale_or_source_is_refused(tmp_path):
    """That of the run, and that of its data; a later study of the same kind is not, and changes no record."""
    runs.record(CONFIG)
    for name in ("run", "data_run"):
        for key, other in (("scale", "paper"), ("source", "original")):
            alone = {**CONFIG, "run": "new", "data_run": "new", name: CONFIG[name], key: other}
            with pytest.raises(UserError, match=f"^{name}: results/{CONFIG[name]} was made with {key}: {CONFIG[key]},"):
                runs.check(alone)
    record = tmp_path / "results/mine/run.json"
    record.write_text(record.read_text().replace("demo", "paper"))
    runs.record(CONFIG)
    assert '"paper"' in record.read_text()


def test_the_study_is_recorded_with_tasks_that_no_method_does(tmp_path):
    runs.record(CONFIG)
    assert runs.read_study(tmp_path / "results/mine") == runs.Study(
        "theirs",
        ["ecg", "darcy"],
        [],
        None,
        {"search": {}, "retrain": {}},
    )
    settings = json.loads((tmp_path / "results/mine/settings.json").read_text())
    assert settings == {key: value for key, value in CONFIG.items() if key not in ("run", "scale", "source")}


def test_a_record_of_the_same_study_keeps_its_time(tmp_path):
    path = tmp_path / "results/mine/study.json"
    runs.record(CONFIG)
    os.utime(path, (1, 1))
    runs.record({**CONFIG, "spaces": {"wrn": {}}})  # of no experiment
    assert path.stat().st_mtime == 1
    runs.record({**CONFIG, "seeds": [0, 1]})
    assert path.stat().st_mtime > 1


def test_who_looks_at_a_run_gives_its_own_study(tmp_path):
    """What it was asked for, less of that, or more that has results: anything else would be written down for it."""
    study = [("darcy", "wrn-default", seed) for seed in (0, 1)]
    runs.check_own("mine", study)  # nothing is there yet
    write_json(
        tmp_path / "results/mine/study.json",
        {"data_run": "mine", "tasks": ["darcy"], "experiments": [["darcy", "wrn-default"]], "seeds": [0]},
    )
    runs.check_own("mine", study[:1])
    with pytest.raises(
        UserError, match=r"^results/mine was never asked for 1 of these 2 .*, such as darcy wrn-default 1; "
    ):
        runs.check_own("mine", study)
    result = result_path("results/mine", study[1])
    result.parent.mkdir(parents=True)
    result.touch()
    runs.check_own("mine", study)


def test_results_that_are_no_folder(tmp_path):
    path = tmp_path / "results"
    path.symlink_to("elsewhere")
    for _ in range(2):
        with pytest.raises(UserError, match=r"^results: no folder, but a file or a link to nothing; move it away"):
            runs.check(CONFIG)
        path.unlink()
        path.write_text("")


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "results").write_text("a file, which even root cannot make folders in")
    with pytest.raises(UserError, match=r"^results\S*: cannot be written \(.+\); give yourself the right to"):
        runs.record(CONFIG)
