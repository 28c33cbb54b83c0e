"""Jobs of one cell: what their checkpoints rest on, what they refuse, when their cost starts."""

import fcntl
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from test_bad_input import Cells

from nasperf360.errors import DataError
from nasperf360.jobs import retraining, searching
from nasperf360.jobs.provenance import CostMeter


@pytest.fixture
def cells(tmp_path: Path) -> Cells:
    return Cells(tmp_path, "satellite", "wrn-random")


def run(cells: Cells, stage: str) -> dict:
    """A job's result."""
    if stage == "search":
        cells.search()
    else:
        cells.retrain({"architecture": {"space": "wrn"}})
    name = "architecture" if stage == "search" else "result"
    return json.loads((cells.folder / "out" / name).read_text())


STAGES = ("search", "retrain")


@pytest.mark.parametrize("stage", STAGES)
def test_the_checkpoint_of_another_number_of_threads_is_refused(stage, cells, capsys):
    first = run(cells, stage)
    assert first["provenance"]["settings"]["compute_threads"] == 1
    assert run(cells, stage) == first
    assert "refused" not in capsys.readouterr().err
    cells.machine = replace(cells.machine, threads=2)
    assert run(cells, stage)["provenance"]["settings"]["compute_threads"] == 2
    assert "refused, it belongs to another job (other settings)" in capsys.readouterr().err


@pytest.mark.parametrize("stage", STAGES)
def test_data_of_equal_size_that_their_manifest_does_not_describe_are_refused(stage, cells):
    path = cells.folder / "data.h5"
    with open(path, "r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        last = stream.read(1)[0]
        stream.seek(-1, os.SEEK_END)
        stream.write(bytes([last ^ 1]))
    with pytest.raises(DataError, match=r"data\.h5: its content differs from its manifest; delete both and run again"):
        run(cells, stage)
    assert not (cells.folder / "out").exists()


@pytest.mark.parametrize("stage", STAGES)
def test_cost_starts_once_the_lock_is_held(stage, cells, monkeypatch):
    """Else the wait for an orphan would count as time of this job."""
    held = []

    class Meter(CostMeter):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            with open(cells.folder / "checkpoints/satellite/wrn-random/0/lock") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    held.append(False)
                except BlockingIOError:
                    held.append(True)

    monkeypatch.setattr(searching if stage == "search" else retraining, "CostMeter", Meter)
    run(cells, stage)
    assert held == [True]


def test_trials_have_the_task_switches_of_retraining():
    switches = searching.task_switches
    assert switches({"search": {"task": {"cutout": True}}}) == {"cutout": True}
    as_retraining = {"search": {}, "retrain": {"task": {"cutout": False, "mixup": 1}}}
    assert switches(as_retraining) == {"cutout": False, "mixup": 1}
    assert switches({**as_retraining, "search": {"training": {"task": {"mixup": 2}}}}) == {"cutout": False, "mixup": 2}
    assert switches({**as_retraining, "search": {"task": {"cutout": True}}}) == {"cutout": True, "mixup": 1}
