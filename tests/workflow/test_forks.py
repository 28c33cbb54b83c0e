"""Jobs as forks of a server and as processes of their own: the same bytes, also after Snakemake was killed."""

import subprocess
import time

import psutil
import pytest
from checkout import Checkout, environment
from test_determinism import contents

pytestmark = pytest.mark.slow

PART = ("data_run=small", "tasks=[satellite]", "methods=[wrn-default]")


def servers(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children() if "fork_server/server.py" in " ".join(child.cmdline())]


def test_jobs_are_forks_with_the_same_bytes_also_after_a_kill(checkout: Checkout):
    checkout.snakemake("--cores", "1", "evaluations", config=(*PART, "run=plain", "fork_server=false"))
    command = checkout.command("--cores", "1", "evaluations", config=(*PART, "run=forked"))
    run = subprocess.Popen(command, cwd=checkout.folder, env=environment(), stdout=subprocess.DEVNULL)
    killed: list[psutil.Process] = []
    while not killed and run.poll() is None:
        killed = [server for server in servers(psutil.Process(run.pid)) if server.children()]
        time.sleep(0.02)
    run.kill()
    run.wait()
    assert len(killed) == 1, "no job was a fork"
    psutil.wait_procs(killed, timeout=120)  # the job under way ends first
    assert not killed[0].is_running() or killed[0].status() == psutil.STATUS_ZOMBIE
    checkout.snakemake("--unlock", config=(*PART, "run=forked"))
    checkout.snakemake("--cores", "1", "evaluations", config=(*PART, "run=forked"))
    forked, plain = contents(checkout, "forked"), contents(checkout, "plain")
    assert "retrain/satellite/wrn-default/0/model.pt" in forked
    assert forked == plain
