"""A job's failure.json: the reason of the last attempt, never of one before."""

import json
import os
import signal
import subprocess
import sys

import pytest

from nasperf360.errors import UserError
from nasperf360.job import run_job

KILLED = """
import os, signal, sys
from nasperf360.job import run_job

run_job(lambda: os.kill(os.getpid(), signal.SIGKILL), failure=sys.argv[1])
"""


@pytest.fixture
def failure(tmp_path):
    """What an earlier attempt left."""
    path = tmp_path / "failure.json"
    path.write_text('{"reason": "of last week"}')
    return path


def test_a_killed_job_leaves_no_old_reason(failure):
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run([sys.executable, "-c", KILLED, str(failure)], env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == -signal.SIGKILL
    assert not failure.exists()


def test_a_failed_job_leaves_its_own(failure, capsys):
    def fails():
        assert not failure.exists()
        raise UserError("data.h5: too short; make it again")

    with pytest.raises(SystemExit) as end:
        run_job(fails, failure=failure)
    assert end.value.code == 1
    assert json.loads(failure.read_text()) == {"reason": "data.h5: too short; make it again"}
    assert capsys.readouterr().err == "Error: data.h5: too short; make it again\n"


def test_success_takes_away_what_an_orphan_left_meanwhile(failure):
    run_job(lambda: failure.write_text("{}"), failure=failure)
    assert not failure.exists()
