"""A cell is complete while its result follows from its search; otherwise the first stage that failed says why."""

import json

import pytest

from nasperf360.errors import UserError
from nasperf360.study.results import COMPLETE, NOT_RUN, STALE, architecture_path, collect, result_path, snapshot, state
from nasperf360.study.status import missing

from .small_run import make_run

CELL = ("ecg", "wrn-default", 0)


@pytest.fixture
def run(tmp_path):
    """A complete run, with the logs and the study that Snakemake would have left."""
    folder = tmp_path / "mine"
    cells = make_run(folder)
    study = {"data_run": "mine", "cells": sorted({cell[:2] for cell in cells}), "seeds": [0, 1]}
    (folder / "study.json").write_text(json.dumps(study))
    for stage in ("search", "retrain"):
        write_log(folder, stage)
    (folder / "data").mkdir()
    for task in {cell[0] for cell in cells}:
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
    assert entry.cell == CELL
    table = collect(run, [CELL])
    assert table["value"].isna().all()
    assert snapshot(run, [CELL]) == {"ecg/wrn-default/0": state(run, CELL)} == {"ecg/wrn-default/0": table["status"][0]}
    return str(entry).removeprefix("ecg wrn-default seed 0: ").replace(str(run), "RUN")


def test_a_failed_search_does_not_hide_behind_the_result_of_an_earlier_one(run):
    architecture_path(run, CELL).unlink()
    fail(architecture_path(run, CELL).parent, "out of memory")
    assert lost(run) == "search failed: out of memory; see RUN/logs/search/ecg/wrn-default/0.log"


def test_a_failed_search_says_more_than_the_retraining_that_failed_before(run):
    architecture_path(run, CELL).unlink()
    result_path(run, CELL).unlink()
    fail(result_path(run, CELL).parent, "of last week")
    assert state(run, CELL) == NOT_RUN
    assert lost(run) == "search was started and did not finish; see RUN/logs/search/ecg/wrn-default/0.log"
    fail(architecture_path(run, CELL).parent, "of today")
    assert lost(run) == "search failed: of today; see RUN/logs/search/ecg/wrn-default/0.log"


def test_a_killed_search_leaves_a_stale_result(run):
    architecture_path(run, CELL).unlink()
    assert lost(run) == f"{STALE}; see RUN/logs/search/ecg/wrn-default/0.log"


def test_the_result_of_another_architecture_is_stale(run):
    architecture_path(run, CELL).write_text(json.dumps({"architecture": {"space": "wrn", "lr": 0.2}}))
    assert lost(run) == STALE


def test_a_failed_retraining(run):
    result_path(run, CELL).unlink()
    assert lost(run) == "retrain was started and did not finish; see RUN/logs/retrain/ecg/wrn-default/0.log"
    fail(result_path(run, CELL).parent, "train_loss became nan")
    assert lost(run) == "retrain failed: train_loss became nan; see RUN/logs/retrain/ecg/wrn-default/0.log"
    (result_path(run, CELL).parent / "failure.json").write_text("")
    assert "failure.json is damaged" in lost(run)


@pytest.mark.parametrize("path", [result_path, architecture_path])
def test_a_file_that_was_removed_was_not_killed(run, path):
    file = path(run, CELL)
    (file.parent / "cost.json").write_text("{}")
    file.unlink()
    stage = file.relative_to(run).parts[0]
    assert lost(run) == (
        f"its {file.name} is missing, though {stage} made it; make it anew: snakemake --cores 1 --force "
        f"RUN/{stage}/ecg/wrn-default/0/{file.name}, with the run's --config; "
        f"see RUN/logs/{stage}/ecg/wrn-default/0.log"
    )


def test_a_stale_result_is_not_missing(run):
    (result_path(run, CELL).parent / "cost.json").write_text("{}")
    architecture_path(run, CELL).write_text(json.dumps({"architecture": {"space": "wrn", "lr": 0.2}}))
    assert lost(run) == STALE


def test_a_bad_raw_file_is_the_reason_of_all_its_cells(run):
    path = write_log(run, "preprocess", "ecg")
    (run / "data/ecg.json").unlink()
    fail(run / "data/ecg", "raw/ecg/a.mat: truncated")
    entries = missing(run)
    assert [entry.cell[0] for entry in entries] == ["ecg"] * 4
    assert str(entries[0]).endswith(f" seed 0: preprocess failed: raw/ecg/a.mat: truncated; see {path}")
    fail(run / "raw/ecg", "no network")
    assert state(run, CELL) == "download failed: no network"
    (run / "raw/ecg/files.json").write_text("{}")
    assert state(run, CELL) == "preprocess failed: raw/ecg/a.mat: truncated"
    (run / "data/ecg.json").write_text("{}")  # the data are there after all
    assert state(run, CELL) == COMPLETE


def test_data_of_another_run_and_raw_files_of_another_task(run, tmp_path):
    cell = ("spherical", "wrn-default", 0)
    (run / "study.json").write_text(
        json.dumps({"data_run": "theirs", "cells": [["spherical", "wrn-default"]], "seeds": [0]})
    )
    assert str(missing(run)[0]) == "spherical wrn-default seed 0: not run"
    path = write_log(tmp_path / "theirs", "download", "cifar100")
    assert str(missing(run)[0]).endswith(f": download was started and did not finish; see {path}")
    fail(tmp_path / "theirs/raw/cifar100", "the disk is full")
    assert state(run, cell) == "download failed: the disk is full"
    assert str(missing(run)[0]).endswith(f"the disk is full; see {path}")


def test_a_damaged_result_is_for_its_reader_to_refuse(run):
    result_path(run, CELL).write_text("{")
    assert state(run, CELL) == COMPLETE
    with pytest.raises(UserError, match=r"result\.json: not valid JSON"):
        collect(run, [CELL])
