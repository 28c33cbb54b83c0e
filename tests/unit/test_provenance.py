"""Cost: the time of a killed job counts, that of another job does not."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from nasperf360.stages.provenance import CostMeter, together, versions

JOB = """
import sys, time
from pathlib import Path
from nasperf360.stages.provenance import CostMeter

meter = CostMeter("cpu", 1)
with meter.over_attempts(Path(sys.argv[1]), "this job", heartbeat=float(sys.argv[2])):
    print("started", flush=True)
    time.sleep(60)
"""


def attempt(folder, identity):
    """The cost of an attempt that does nothing, and its own part of it."""
    meter = CostMeter("cpu", 1)
    with meter.over_attempts(folder, identity):
        pass
    return meter.read(), time.monotonic() - meter.started


def started(folder, heartbeat):
    """A job under way."""
    command = [sys.executable, "-c", JOB, str(folder), str(heartbeat)]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment())
    job.stdout.readline()
    return job


def test_the_cost_of_a_killed_job_adds_up_over_attempts(tmp_path):
    with started(tmp_path, heartbeat=0.05) as job:
        spent = tmp_path / "spent.json"
        deadline = time.monotonic() + 60
        while not (spent.exists() and json.loads(spent.read_text())["seconds"] > 0.2):
            assert time.monotonic() < deadline, "the job recorded no time"
            time.sleep(0.01)
        job.send_signal(signal.SIGKILL)
    recorded = json.loads(spent.read_text())["seconds"]
    cost, own = attempt(tmp_path, "this job")
    assert cost["attempts"] == 2
    assert recorded <= cost["wall_seconds"] <= recorded + own + 0.01
    cost, _ = attempt(tmp_path, "this job")
    assert cost["attempts"] == 3
    assert cost["wall_seconds"] >= recorded


def test_a_job_that_is_killed_at_once_is_an_attempt(tmp_path):
    with started(tmp_path, heartbeat=60) as job:
        job.send_signal(signal.SIGKILL)
    assert attempt(tmp_path, "this job")[0]["attempts"] == 2


def test_time_spent_on_another_job_does_not_count(tmp_path):
    (tmp_path / "spent.json").write_text(json.dumps({"identity": "other code", "attempts": 3, "seconds": 1e6}))
    cost, own = attempt(tmp_path, "this job")
    assert cost["attempts"] == 1
    assert cost["wall_seconds"] <= own + 0.01


def test_a_job_that_fails_keeps_its_time(tmp_path):
    meter = CostMeter("cpu", 1)
    with pytest.raises(ZeroDivisionError), meter.over_attempts(tmp_path, "this job"):
        raise ZeroDivisionError
    assert attempt(tmp_path, "this job")[0]["attempts"] == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"identity": "this job"}'])
def test_a_damaged_record_of_time_is_as_none(content, tmp_path):
    (tmp_path / "spent.json").write_text(content)
    assert attempt(tmp_path, "this job")[0]["attempts"] == 1
    assert attempt(tmp_path, "this job")[0]["attempts"] == 2  # and it is mended


def test_the_version_of_snakemake_is_recorded_but_makes_no_checkpoint_foreign(tmp_path):
    cost, _ = attempt(tmp_path, "this job")
    assert "snakemake" in cost["versions"]
    assert cost["versions"].keys() - versions().keys() == {"snakemake"}
    assert "torch" in versions()


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_costs_of_workers_add_up_to_that_of_their_search():
    own = {"device": "cpu", "wall_seconds": 0.5, "attempts": 1, "peak_memory_mb": 300, "host": "a"}
    workers = [
        {**own, "wall_seconds": 60.25, "host": "b"},
        {**own, "wall_seconds": 50.0, "attempts": 2, "peak_memory_mb": 400},
    ]
    found = together(own, workers)
    assert (found["wall_seconds"], found["attempts"], found["peak_memory_mb"], found["host"]) == (110.75, 4, 400, "a")
    assert [(entry["host"], entry["wall_seconds"]) for entry in found["workers"]] == [("b", 60.25), ("a", 50.0)]
    assert found["order_fixed"] is False
    assert together(own, []) == own
