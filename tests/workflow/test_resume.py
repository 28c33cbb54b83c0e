"""A killed job, a killed Snakemake: the same command goes on, and the files are those of an undisturbed run."""

import os
import random
import signal
import time

import pytest
import torch
from killing import CELLS, last_saved, reproducible, run_and_kill, scripts, start, target, write_longer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(checkout):
    """Every cell made without a kill, in the run ``calm``, whose data the killed runs share."""
    write_longer(checkout)
    targets = [target("calm", *cell) for cell in CELLS]
    checkout.snakemake("--cores", "2", *targets, config=("run=calm",), file="longer.yaml")
    return checkout


def folder(checkout, run, cell):
    return (checkout.folder / target(run, *cell)).parent


def log(checkout, run, stage, task, method):
    return (checkout.folder / f"results/{run}/logs/{stage}/{task}/{method}/0.log").read_text()


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_killed_jobs_end_as_undisturbed_ones(undisturbed, cell):
    run = "-".join(("killed", *cell))
    killed = run_and_kill(undisturbed, cell, run=run, kills=2, rng=random.Random(run))
    assert killed >= 1
    assert reproducible(folder(undisturbed, run, cell)) == reproducible(folder(undisturbed, "calm", cell))
    assert "refused" not in log(undisturbed, run, *cell)


def test_a_killed_snakemake_its_orphan_and_its_successor(undisturbed):
    """The documented steps: ``--unlock``, then the same command; the orphan still runs, and the successor waits."""
    checkout, cell = undisturbed, ("retrain", "darcy", "wrn-default")
    checkout.snakemake("--cores", "1", target("calm", *cell), config=("run=calm",), file="longer.yaml")
    saved = checkout.folder / "results/orphaned/checkpoints/retrain"
    process = start(checkout, target("orphaned", *cell), run="orphaned")
    while not last_saved(saved):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    (orphan,) = scripts(process)
    orphan.suspend()  # so that it surely still works when its successor starts
    process.kill()
    process.wait()
    assert orphan.is_running()
    refused = checkout.snakemake(
        "--cores", "1", target("orphaned", *cell), config=("run=orphaned",), file="longer.yaml", status=1
    )
    assert "--unlock" in refused
    checkout.snakemake("--cores", "1", "--unlock", config=("run=orphaned",), file="longer.yaml")
    successor = start(checkout, target("orphaned", *cell), run="orphaned")
    path = checkout.folder / "results/orphaned/logs/retrain/darcy/wrn-default/0.log"
    while "waiting for it" not in (path.read_text() if path.exists() else ""):
        assert successor.poll() is None, successor.communicate()[0]
        time.sleep(0.05)
    assert f"process {orphan.pid}" in path.read_text()
    orphan.resume()
    output = successor.communicate(timeout=300)[0]
    assert successor.returncode == 0, output
    assert reproducible(folder(checkout, "orphaned", cell)) == reproducible(folder(checkout, "calm", cell))


def test_an_interrupted_snakemake_runs_incomplete_jobs_again(undisturbed):
    """SIGKILL of Snakemake and of its job together, as by a reboot."""
    checkout, cell = undisturbed, ("retrain", "satellite", "densenas-original")
    checkout.snakemake("--cores", "1", target("calm", *cell), config=("run=calm",), file="longer.yaml")
    saved = checkout.folder / "results/rebooted/checkpoints/retrain"
    process = start(checkout, target("rebooted", *cell), run="rebooted")
    while not last_saved(saved):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    jobs = scripts(process)
    process.kill()
    for job in jobs:
        os.kill(job.pid, signal.SIGKILL)
    process.wait()
    before = len(torch.load(next(saved.rglob("state.pt")), weights_only=True)["state"]["history"])
    assert before > 0
    options = {"config": ("run=rebooted",), "file": "longer.yaml"}
    checkout.snakemake("--cores", "1", "--unlock", **options)
    checkout.snakemake("--cores", "1", target("rebooted", *cell), **options)
    assert reproducible(folder(checkout, "rebooted", cell)) == reproducible(folder(checkout, "calm", cell))
    assert "refused" not in log(checkout, "rebooted", *cell)


@pytest.mark.parametrize("damage", ["truncated", "other settings"])
def test_a_checkpoint_that_does_not_fit_is_set_aside(undisturbed, damage):
    checkout, cell, run = undisturbed, ("retrain", "satellite", "wrn-default"), damage.replace(" ", "-")
    options = {"file": "longer.yaml", "config": (f"run={run}",)}
    checkout.snakemake("--cores", "1", target(run, *cell), **options)
    (state,) = (checkout.folder / f"results/{run}/checkpoints/retrain").rglob("state.pt")
    content = state.read_bytes()
    if damage == "truncated":
        content = content[: len(content) // 2]
        state.write_bytes(content)
        checkout.snakemake("--cores", "1", "--force", target(run, *cell), **options)
        assert reproducible(folder(checkout, run, cell)) == reproducible(folder(checkout, "calm", cell))
        expected = "it is damaged"
    else:
        options["config"] = (*options["config"], "retrain={wrn: {all: {epochs: 2}}}")
        checkout.snakemake("--cores", "1", target(run, *cell), **options)
        expected = "it belongs to another job (other settings)"
    line = next(line for line in log(checkout, run, *cell).splitlines() if "refused" in line)
    assert expected in line
    assert "state.pt" in line
    assert (state.parent / "refused-1.pt").read_bytes() == content
