"""A killed job, a killed Snakemake: the same command goes on where a checkpoint stands, and ends with equal files."""

import json
import os
import random
import signal
import time
from itertools import pairwise

import pytest
from killing import (
    EXPERIMENTS,
    LONGER,
    WAYS,
    Place,
    last_saved,
    lost,
    newest,
    reproducible,
    resumed,
    run_and_kill,
    scripts,
    start,
    target,
    write_longer,
)
from test_failures import command

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(checkout):
    """Every experiment made without a kill, in the run ``calm``, whose data the killed runs share."""
    write_longer(checkout)
    targets = [target("calm", *experiment) for experiment in EXPERIMENTS]
    checkout.snakemake("--cores", "2", *targets, config=("run=calm",), file="longer.yaml")
    return checkout


def folder(checkout, run, experiment):
    return (checkout.folder / target(run, *experiment)).parent


def log(checkout, run, stage, task, method):
    return (checkout.folder / f"results/{run}/logs/{stage}/{task}/{method}/0.log").read_text()


def check_kills(checkout, run, experiment, kills):
    """Work was there to lose, and none of what was saved was done again."""
    saved = [state for state in kills if state]
    assert saved, kills
    for earlier, later in pairwise(saved):
        assert later.folder != earlier.folder or later.place >= earlier.place, kills
    assert not lost(checkout, run, experiment, saved[-1]), (kills, log(checkout, run, *experiment))
    assert "refused" not in log(checkout, run, *experiment)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids="-".join)
def test_killed_jobs_go_on_and_end_as_undisturbed_ones(undisturbed, experiment):
    run = "-".join(("killed", *experiment))
    kills = run_and_kill(undisturbed, experiment, run=run, kills=3, rng=random.Random(run), ways=WAYS)
    check_kills(undisturbed, run, experiment, kills)
    assert reproducible(folder(undisturbed, run, experiment)) == reproducible(folder(undisturbed, "calm", experiment))


def test_with_an_interval_between_checkpoints(undisturbed):
    experiment, run = ("retrain", "satellite", "wrn-default"), "interval"
    config = ("checkpoint_seconds=0.2", "retrain={wrn: {all: {epochs: 60}}}")
    kills = run_and_kill(undisturbed, experiment, run=run, kills=1, rng=random.Random(run), config=config)
    check_kills(undisturbed, run, experiment, kills)
    whole = ("run=whole", *config)
    undisturbed.snakemake("--cores", "1", target("whole", *experiment), config=whole, file="longer.yaml")
    assert reproducible(folder(undisturbed, run, experiment)) == reproducible(folder(undisturbed, "whole", experiment))


def test_a_killed_snakemake_its_orphan_and_its_successor(undisturbed):
    """The documented steps: ``--unlock``, then the same command; the orphan still runs, and the successor waits."""
    checkout, experiment = undisturbed, ("retrain", "darcy", "wrn-default")
    checkout.snakemake("--cores", "1", target("calm", *experiment), config=("run=calm",), file="longer.yaml")
    saved = checkout.folder / "results/orphaned/checkpoints/retrain"
    process = start(checkout, target("orphaned", *experiment), run="orphaned")
    while not last_saved(saved):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    (orphan,) = scripts(process)
    orphan.suspend()  # so that it surely still works when its successor starts
    process.kill()
    process.wait()
    assert orphan.is_running()
    refused = checkout.snakemake(
        "--cores", "1", target("orphaned", *experiment), config=("run=orphaned",), file="longer.yaml", status=1
    )
    assert "--unlock" in refused
    checkout.snakemake("--cores", "1", "--unlock", config=("run=orphaned",), file="longer.yaml")
    successor = start(checkout, target("orphaned", *experiment), run="orphaned")
    path = checkout.folder / "results/orphaned/logs/retrain/darcy/wrn-default/0.log"
    while "waiting for it" not in (path.read_text() if path.exists() else ""):
        assert successor.poll() is None, successor.communicate()[0]
        time.sleep(0.05)
    assert f"process {orphan.pid}" in path.read_text()
    state = newest(checkout, saved)
    orphan.resume()
    output = successor.communicate(timeout=300)[0]
    assert successor.returncode == 0, output
    assert reproducible(folder(checkout, "orphaned", experiment)) == reproducible(folder(checkout, "calm", experiment))
    check_kills(checkout, "orphaned", experiment, [state])


def test_an_interrupted_snakemake_runs_incomplete_jobs_again(undisturbed):
    """SIGKILL of Snakemake and of its job together, as by a reboot."""
    checkout, experiment = undisturbed, ("retrain", "satellite", "densenas-original")
    checkout.snakemake("--cores", "1", target("calm", *experiment), config=("run=calm",), file="longer.yaml")
    saved = checkout.folder / "results/rebooted/checkpoints/retrain"
    process = start(checkout, target("rebooted", *experiment), run="rebooted")
    while not last_saved(saved):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    jobs = scripts(process)
    process.kill()
    for job in jobs:
        os.kill(job.pid, signal.SIGKILL)
    process.wait()
    state = newest(checkout, saved)
    options = {"config": ("run=rebooted",), "file": "longer.yaml"}
    checkout.snakemake("--cores", "1", "--unlock", **options)
    checkout.snakemake("--cores", "1", target("rebooted", *experiment), **options)
    assert reproducible(folder(checkout, "rebooted", experiment)) == reproducible(folder(checkout, "calm", experiment))
    check_kills(checkout, "rebooted", experiment, [state])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["time limit", "Ctrl-C"])
def test_an_interrupted_run_says_so_and_goes_on(undisturbed, number):
    """As a scheduler or a terminal does it: to Snakemake and its jobs at once."""
    checkout, experiment, run = undisturbed, ("retrain", "satellite", "wrn-default"), f"interrupted-{number}"
    config = (f"run={run}", "tasks=[satellite]", "methods=[wrn-default]")
    options = {"config": config, "file": "longer.yaml"}
    saved = checkout.folder / f"results/{run}/checkpoints/retrain"
    process = start(checkout, target(run, *experiment), run=run, config=config[1:], new_session=True)
    while not last_saved(saved):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    os.killpg(process.pid, number)
    output = process.communicate(timeout=120)[0]
    assert process.returncode != 0
    made = checkout.folder / target(run, *experiment)
    failure = json.loads(made.with_name("failure.json").read_text())
    assert failure["kind"] == "interrupted"
    assert failure["reason"].startswith(
        f"interrupted by {signal.Signals(number).name}; the same command goes on after "
    )
    assert f"Error: {failure['reason']}" in output
    assert "Traceback" not in output
    status = command(checkout, "status.py", "--run", run, status=1)
    assert f"satellite wrn-default seed 0: retrain {failure['reason']}; see results/{run}/logs/" in status
    state = newest(checkout, saved)
    checkout.snakemake("--cores", "1", target(run, *experiment), **options)
    assert not made.with_name("failure.json").exists()
    assert reproducible(folder(checkout, run, experiment)) == reproducible(folder(checkout, "calm", experiment))
    check_kills(checkout, run, experiment, [state])


def test_to_force_a_finished_experiment_trains_nothing_unless_its_checkpoint_is_moved_away(undisturbed):
    checkout, experiment, run = undisturbed, ("retrain", "satellite", "wrn-default"), "forced"
    options = {"file": "longer.yaml", "config": (f"run={run}",)}
    saved = f"results/{run}/checkpoints/retrain/satellite/wrn-default/0"
    loaded = []
    for force in ((), ("--force",), ("--force",)):
        checkout.snakemake("--cores", "1", *force, target(run, *experiment), **options)
        loaded.append(resumed(checkout, run, *experiment))
        if len(loaded) == 2:
            (checkout.folder / saved).rename(checkout.folder / f"{saved}-before")
    assert loaded == [{}, {saved: Place(LONGER["retrain"]["wrn"]["all"]["epochs"], 0)}, {}]


@pytest.mark.parametrize("damage", ["truncated", "other settings"])
def test_a_checkpoint_that_does_not_fit_is_set_aside(undisturbed, damage):
    checkout, experiment, run = undisturbed, ("retrain", "satellite", "wrn-default"), damage.replace(" ", "-")
    options = {"file": "longer.yaml", "config": (f"run={run}",)}
    checkout.snakemake("--cores", "1", target(run, *experiment), **options)
    (state,) = (checkout.folder / f"results/{run}/checkpoints/retrain").rglob("state.pt")
    content = state.read_bytes()
    if damage == "truncated":
        content = content[: len(content) // 2]
        state.write_bytes(content)
        checkout.snakemake("--cores", "1", "--force", target(run, *experiment), **options)
        assert reproducible(folder(checkout, run, experiment)) == reproducible(folder(checkout, "calm", experiment))
        expected = "it is damaged"
    else:
        options["config"] = (*options["config"], "retrain={wrn: {all: {epochs: 2}}}")
        checkout.snakemake("--cores", "1", target(run, *experiment), **options)
        expected = "it belongs to another job (other settings)"
    line = next(line for line in log(checkout, run, *experiment).splitlines() if "refused" in line)
    assert expected in line
    assert "state.pt" in line
    assert (state.parent / "refused-1.pt").read_bytes() == content
