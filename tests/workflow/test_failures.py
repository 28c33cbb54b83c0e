"""A failed experiment stops no other; a partial run shows it missing, and why; one command lists what is missing."""

import csv
import json
import re
import subprocess
import sys

import pytest
from checkout import environment

pytestmark = pytest.mark.slow

RUN = "failing"
# A learning rate at which darcy's loss becomes infinite, and methods that are quick.
CONFIG = (
    f"run={RUN}",
    "data_run=small",
    "methods=[wrn-default]",
    "retrain={wrn: {darcy: {lr: 1.0e+30}}}",
)


@pytest.fixture(scope="module")
def failed(checkout):
    """The study with one experiment that fails; its exit status is 1."""
    output = checkout.snakemake("--cores", "2", config=CONFIG, status=1)
    return checkout, output


def command(checkout, script, *arguments, status):
    done = subprocess.run(
        [sys.executable, f"workflow/scripts/{script}", *arguments],
        cwd=checkout.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_the_others_go_on_and_the_reason_stands_beside(failed):
    checkout, output = failed
    results = checkout.folder / "results" / RUN
    reason = json.loads((results / "retrain/darcy/wrn-default/0/failure.json").read_text())["reason"]
    assert "train_loss became" in reason
    assert "lower the learning rate" in reason
    assert f"Error: {reason}" in output
    assert json.loads((results / "retrain/darcy/wrn-default/0/failure.json").read_text())["kind"] == "diverged"
    ending = output[output.index(f"results/{RUN}: 1 experiments failed, 1 are done\n") :].splitlines()
    log = f"results/{RUN}/logs/retrain/darcy/wrn-default/0.log"
    assert ending[1] == f"darcy wrn-default seed 0: retrain failed: {reason}; see {log}"
    assert "--config partial=true" in ending[2]
    assert not (results / "retrain/darcy/wrn-default/0/cost.json").exists()
    assert not (results / "evaluate/darcy/wrn-default/0/result.json").exists()
    assert (results / "evaluate/satellite/wrn-default/0/result.json").exists()


def test_a_target_that_its_method_cannot_do_is_refused_in_one_sentence(checkout):
    target = f"results/{RUN}/search/darcy/amber-enas/0/architecture.json"
    output = checkout.snakemake("--cores", "1", target, config=CONFIG, status=1)
    assert "Error: config: method 'amber-enas' cannot do task 'darcy': space 'amber'" in output
    assert "Traceback" not in output


def test_partial_shows_it_missing_and_trains_nothing(failed):
    checkout, _ = failed
    plan = checkout.plan("tables", "figures", config=(*CONFIG, "partial=true"))
    assert plan
    assert not any(job.startswith(("search", "retrain", "preprocess", "download")) for job in plan)
    checkout.snakemake("--cores", "2", "tables", "figures", config=(*CONFIG, "partial=true"))
    with open(checkout.folder / f"results/{RUN}/tables/performance.csv", encoding="utf-8") as stream:
        status = {row["task"]: row["status"] for row in csv.DictReader(stream)}
    assert status["satellite"] == "complete"
    assert status["darcy"].startswith("failed: seed 0 retrain failed: retrain darcy wrn-default seed 0: train_loss")
    assert "| failed |" in (checkout.folder / f"results/{RUN}/tables/performance.md").read_text()
    retry = checkout.plan(config=CONFIG)  # without partial it is a job to do
    assert "retrain darcy wrn-default 0" in retry
    assert "retrain satellite wrn-default 0" not in retry


def test_one_command_lists_what_is_missing_and_why(failed):
    checkout, _ = failed
    lines = command(checkout, "status.py", "--run", RUN, status=1).splitlines()
    assert lines[0] == f"results/{RUN}: 1 of 2 experiments have a result"
    assert lines[1].startswith("darcy wrn-default seed 0: retrain failed: ")
    assert lines[1].endswith(f"see results/{RUN}/logs/retrain/darcy/wrn-default/0.log")
    assert len(lines) == 3
    # Of two jobs, of a second each, no hours of a third can be told.
    assert re.fullmatch(r"\d+ s of searches and trainings done; left are 1 of which nothing can be said .+", lines[2])
    assert command(checkout, "status.py", "--run", "small", status=0).startswith("results/small: 6 of 6 experiments")
    command(checkout, "status.py", "--run", "nothing", status=1)


def test_an_experiment_that_works_again_takes_its_failure_back(failed):
    checkout, _ = failed
    config = (*CONFIG[:-1], "retrain={wrn: {darcy: {lr: 0.01}}}")
    output = checkout.snakemake("--cores", "2", config=config)
    assert "\nretrain darcy wrn-default 0" in output
    assert f"\ntables: results/{RUN}/tables; figures: results/{RUN}/figures; page: results/{RUN}/report/i" in output
    assert len(output.splitlines()) < 200  # and thousands in Snakemake's own log
    assert not (checkout.folder / f"results/{RUN}/retrain/darcy/wrn-default/0/failure.json").exists()
    command(checkout, "status.py", "--run", RUN, status=0)


def performance(checkout, run, task):
    """The status of a task in the table of a partial run."""
    with open(checkout.folder / f"results/{run}/tables/performance.csv", encoding="utf-8") as stream:
        return next(row["status"] for row in csv.DictReader(stream) if row["task"] == task)


def test_a_failed_search_does_not_hide_behind_an_old_result(checkout):
    run = "searched-again"
    config = (f"run={run}", "data_run=small", "tasks=[satellite]", "methods=[densenas-original]")
    checkout.snakemake("--cores", "2", "tables", config=config)
    assert performance(checkout, run, "satellite") == "complete"
    worse = (*config, "search={densenas: {satellite: {lr: 1.0e+30}}}")
    checkout.snakemake("--cores", "2", "tables", config=worse, status=1)
    result = checkout.folder / f"results/{run}/evaluate/satellite/densenas-original/0/result.json"
    assert result.exists()  # of the search before
    line = command(checkout, "status.py", "--run", run, status=1).splitlines()[1]
    assert line.startswith("satellite densenas-original seed 0: search failed: ")
    assert line.endswith(f"see results/{run}/logs/search/satellite/densenas-original/0.log")
    checkout.snakemake("--cores", "2", "tables", config=(*worse, "partial=true"))
    assert performance(checkout, run, "satellite").startswith("failed: seed 0 search failed: ")


def test_a_bad_raw_file_is_the_reason_of_its_task_s_experiments(checkout):
    run = "badly-delivered"
    config = (f"run={run}", "tasks=[satellite]", "methods=[wrn-default]")
    folder = checkout.folder / "results" / run
    checkout.snakemake("--cores", "1", f"results/{run}/raw/satellite/files.json", config=config)
    raw = max((path for path in (folder / "raw/satellite").rglob("*")), key=lambda path: path.stat().st_size)
    content = raw.read_bytes()
    raw.write_bytes(content[: len(content) // 2])
    checkout.snakemake("--cores", "1", "tables", config=config, status=1)
    reason = json.loads((folder / "data/satellite/failure.json").read_text())["reason"]
    assert raw.name in reason
    line = command(checkout, "status.py", "--run", run, status=1).splitlines()[1]
    assert line.startswith(f"satellite wrn-default seed 0: preprocess failed: {reason}")
    assert line.endswith(f"see results/{run}/logs/preprocess/satellite.log")
    checkout.snakemake("--cores", "1", "tables", config=(*config, "partial=true"))
    assert performance(checkout, run, "satellite") == f"failed: seed 0 preprocess failed: {reason}"
    raw.write_bytes(content)
    checkout.snakemake("--cores", "1", "tables", config=config)
    assert not (folder / "data/satellite/failure.json").exists()
    assert performance(checkout, run, "satellite") == "complete"
