"""An experiment is complete while its result follows from its search and training; else the first failure says why."""

import json

import pytest

from nasperf360.errors import UserError
from nasperf360.study.paths import architecture_path, made_path, result_path
from nasperf360.study.results import NOT_RUN, STALE, State, snapshot, state
from nasperf360.study.status import missing
from nasperf360.tables.scores import collect

from .small_run import make_run

KEY = ("ecg", "wrn-default", 0)


@pytest.fixture
def run(tmp_path):
    """A complete run, with the logs and the study that Snakemake would have left."""
    folder = tmp_path / "mine"
    keys = make_run(folder)
    tasks = sorted({key[0] for key in keys})
    study = {"data_run": "mine", "tasks": tasks, "experiments": sorted({key[:2] for key in keys}), "seeds": [0, 1]}
    (folder / "study.json").write_text(json.dumps(study))
    for stage in ("search", "retrain", "evaluate"):
        write_log(folder, stage)
    (folder / "data").mkdir()
    for task in tasks:
        (folder / "data" / f"{task}.json").write_text("{}")
    assert missing(folder) == []
    return folder


def write_log(folder, stage, name="ecg/wrn-default/0"):
    path = folder / "logs" / stage / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def fail(folder, reason):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "failure.json").write_text(json.dumps({"reason": reason}))


def lost(run):
    """The one line of ``status.py``, which tables and the snapshot of a partial run agree with."""
    (entry,) = missing(run)
    assert entry.key == KEY
    table = collect(run, [KEY])
    assert table["value"].isna().all()
    assert list(table["outcome"]) == ["failed" if " failed: " in table["status"][0] else "open"]
    assert (
        snapshot(run, [KEY]) == {"ecg/wrn-default/0": str(state(run, KEY))} == {"ecg/wrn-default/0": table["status"][0]}
    )
    return str(entry).removeprefix("ecg wrn-default seed 0: ").replace(str(run), "RUN")


def test_a_failed_search_does_not_hide_behind_the_result_of_an_earlier_one(run):
    architecture_path(run, KEY).unlink()
    fail(architecture_path(run, KEY).parent, "out of memory")
    assert lost(run) == "search failed: out of memory; see RUN/logs/search/ecg/wrn-default/0.log"


def test_a_failed_search_says_more_than_the_retraining_that_failed_before(run):
    architecture_path(run, KEY).unlink()
    result_path(run, KEY).unlink()
    fail(made_path(run, "retrain", KEY).parent, "of last week")
    assert state(run, KEY) == State("search")
    assert str(state(run, KEY)) == NOT_RUN
    assert lost(run) == "search was started and did not finish; see RUN/logs/search/ecg/wrn-default/0.log"
    fail(architecture_path(run, KEY).parent, "of today")
    assert lost(run) == "search failed: of today; see RUN/logs/search/ecg/wrn-default/0.log"


def test_a_killed_search_leaves_a_stale_result(run):
    architecture_path(run, KEY).unlink()
    assert lost(run) == f"{STALE}; see RUN/logs/search/ecg/wrn-default/0.log"


def test_the_result_of_another_architecture_is_stale(run):
    architecture_path(run, KEY).write_text(json.dumps({"architecture": {"space": "wrn", "lr": 0.2}}))
    assert lost(run) == STALE


def test_the_result_of_an_earlier_training_is_stale(run):
    made_path(run, "retrain", KEY).write_text(json.dumps({"files": {"predictions.h5": "of another training"}}))
    assert state(run, KEY) == State("evaluate", stale=True)
    assert lost(run) == STALE
    made_path(run, "retrain", KEY).unlink()  # as Snakemake does when the training begins
    assert state(run, KEY) == State("retrain", stale=True)
    assert lost(run) == f"{STALE}; see RUN/logs/retrain/ecg/wrn-default/0.log"


def test_a_failed_retraining(run):
    made = made_path(run, "retrain", KEY)
    made.unlink()
    assert lost(run) == f"{STALE}; see RUN/logs/retrain/ecg/wrn-default/0.log"
    result_path(run, KEY).unlink()
    assert lost(run) == "retrain was started and did not finish; see RUN/logs/retrain/ecg/wrn-default/0.log"
    fail(made.parent, "train_loss became nan")
    assert lost(run) == "retrain failed: train_loss became nan; see RUN/logs/retrain/ecg/wrn-default/0.log"
    (made.parent / "failure.json").write_text("")
    assert "failure.json is damaged" in lost(run)


def test_an_interrupted_training_is_open_and_says_how_to_go_on(run):
    made = made_path(run, "retrain", KEY)
    made.unlink()
    result_path(run, KEY).unlink()
    reason = "interrupted by SIGTERM; the same command goes on after epoch 3, which is saved"
    (made.parent / "failure.json").write_text(json.dumps({"reason": reason, "kind": "interrupted"}))
    assert lost(run) == f"retrain {reason}; see RUN/logs/retrain/ecg/wrn-default/0.log"
    assert state(run, KEY).outcome == "open"
    (made.parent / "failure.json").write_text(json.dumps({"reason": "train_loss became nan", "kind": "diverged"}))
    assert state(run, KEY).outcome == "failed"


def test_a_failed_evaluation(run):
    result_path(run, KEY).unlink()
    fail(result_path(run, KEY).parent, "no label occurs")
    assert state(run, KEY) == State("evaluate", "no label occurs")
    assert lost(run) == "evaluate failed: no label occurs; see RUN/logs/evaluate/ecg/wrn-default/0.log"


def test_an_experiment_that_was_not_evaluated_yet(run):
    result_path(run, KEY).unlink()
    (run / "logs/evaluate/ecg/wrn-default/0.log").unlink()
    assert state(run, KEY) == State("evaluate")
    assert lost(run) == NOT_RUN


@pytest.mark.parametrize(("stage", "before"), [("search", "cost.json"), ("retrain", "model.pt"), ("evaluate", None)])
def test_a_file_that_was_removed_was_not_killed(run, stage, before):
    file = made_path(run, stage, KEY)
    if before:
        (file.parent / before).write_text("{}")
    file.unlink()
    assert lost(run) == (
        f"its {file.name} is missing, though {stage} ran; make it anew: snakemake --cores 1 --force "
        f"RUN/{stage}/ecg/wrn-default/0/{file.name}, with the run's --config; "
        f"see RUN/logs/{stage}/ecg/wrn-default/0.log"
    )


def test_a_stale_result_is_not_missing(run):
    architecture_path(run, KEY).write_text(json.dumps({"architecture": {"space": "wrn", "lr": 0.2}}))
    assert state(run, KEY) == State("retrain", stale=True)
    assert lost(run) == STALE


def test_a_search_that_seeds_share_counts_for_each_of_them(run):
    study = run / "study.json"
    study.write_text(json.dumps({**json.loads(study.read_text()), "searches": 1}))
    other = ("ecg", "wrn-default", 1)
    made_path(run, "search", other).unlink()  # not asked for
    assert missing(run) == []
    architecture_path(run, other).write_text(json.dumps({"architecture": {"space": "wrn", "lr": 0.2}}))
    assert state(run, KEY) == state(run, other) == State("retrain", stale=True)
    architecture_path(run, KEY).unlink()
    fail(architecture_path(run, KEY).parent, "out of memory")
    lines = [str(entry).replace(str(run), "RUN") for entry in missing(run)]
    log = "RUN/logs/search/ecg/wrn-default/0.log"
    assert lines == [f"ecg wrn-default seed {seed}: search failed: out of memory; see {log}" for seed in (0, 1)]


def test_a_bad_raw_file_is_the_reason_of_all_its_experiments(run):
    path = write_log(run, "preprocess", "ecg")
    (run / "data/ecg.json").unlink()
    fail(run / "data/ecg", "raw/ecg/a.mat: truncated")
    entries = missing(run)
    assert [entry.key[0] for entry in entries] == ["ecg"] * 4
    assert str(entries[0]).endswith(f" seed 0: preprocess failed: raw/ecg/a.mat: truncated; see {path}")
    fail(run / "raw/ecg", "no network")
    assert state(run, KEY) == State("download", "no network", stale=True)
    (run / "raw/ecg/files.json").write_text("{}")
    assert str(state(run, KEY)) == "preprocess failed: raw/ecg/a.mat: truncated"
    (run / "data/ecg.json").write_text("{}")  # the data are there after all
    assert state(run, KEY).complete


def test_data_of_another_run_and_raw_files_of_another_task(run, tmp_path):
    key = ("spherical", "wrn-default", 0)
    (run / "study.json").write_text(
        json.dumps(
            {"data_run": "theirs", "tasks": ["spherical"], "experiments": [["spherical", "wrn-default"]], "seeds": [0]}
        )
    )
    assert str(missing(run)[0]) == "spherical wrn-default seed 0: not run"
    path = write_log(tmp_path / "theirs", "download", "cifar100")
    assert str(missing(run)[0]).endswith(f": download was started and did not finish; see {path}")
    fail(tmp_path / "theirs/raw/cifar100", "the disk is full")
    assert state(run, key) == State("download", "the disk is full")
    assert str(missing(run)[0]).endswith(f"the disk is full; see {path}")


def test_a_damaged_result_is_for_its_reader_to_refuse(run):
    result_path(run, KEY).write_text("{")
    assert state(run, KEY).complete
    with pytest.raises(UserError, match=r"result\.json: not valid JSON"):
        collect(run, [KEY])
