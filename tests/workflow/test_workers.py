"""The trials of a search shared by two jobs of the workflow (``workers``); one worker is as without any."""

import csv
import json
import subprocess
import time

import pytest
import yaml
from checkout import Checkout, environment
from killing import scripts, write_longer

pytestmark = pytest.mark.slow

CELL = "satellite/wrn-asha/0"
JOB = CELL.replace("/", " ")
SEARCH = f"results/small/search/{CELL}"
RESULT = f"results/small/evaluate/{CELL}/result.json"
STUDY = ("tasks=[satellite]", "methods=[wrn-asha]")
SHARED = (*STUDY, "search={asha: {all: {workers: 2}}}")
WORKERS = {f"search_worker {JOB} 1", f"search_worker {JOB} 2"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Checkout:
    """A study whose search two workers shared."""
    checkout = Checkout(tmp_path_factory.mktemp("workers") / "checkout")
    checkout.snakemake("--cores", "2", RESULT, config=SHARED, gpus=2)
    return checkout


def read(checkout: Checkout, name: str):
    return json.loads((checkout.folder / name).read_text())


def test_the_result_says_that_its_order_was_not_fixed(shared):
    architecture = read(shared, f"{SEARCH}/architecture.json")
    assert architecture["order_fixed"] is False
    assert architecture["provenance"]["settings"]["search"]["workers"] == 2
    assert read(shared, RESULT)["search_order_fixed"] is False


def test_the_cost_is_that_of_all_workers(shared):
    cost = read(shared, f"{SEARCH}/cost.json")
    workers = [read(shared, f"{SEARCH}/workers/{worker}/cost.json") for worker in (1, 2)]
    assert cost["order_fixed"] is False
    assert [entry["wall_seconds"] for entry in cost["workers"]] == [entry["wall_seconds"] for entry in workers]
    assert cost["wall_seconds"] > sum(entry["wall_seconds"] for entry in workers)
    assert cost["attempts"] == 3
    history = list(csv.DictReader((shared.folder / SEARCH / "history.csv").open()))
    assert len(cost["history_seconds"]) == len(history)
    assert {row["trial"] for row in history} == {"0", "1", "2"}


@pytest.mark.parametrize(("worker", "config", "workers"), [(3, SHARED, 2), (1, STUDY, 1)])
def test_a_worker_that_there_is_not_is_refused(shared, worker, config, workers):
    target = f"{SEARCH}/workers/{worker}/cost.json"
    said = shared.snakemake("-n", "--cores", "1", target, config=config, status=1)
    assert f"Error: worker {worker} of wrn-asha on satellite: its search has workers: {workers}" in said


def test_nothing_is_to_do_again_but_by_another_number_of_workers(shared):
    assert shared.plan(RESULT, config=SHARED) == {}
    one = shared.plan(RESULT, config=STUDY)
    assert {job for job in one if job.startswith("search")} == {f"search {JOB}"}
    three = shared.plan(RESULT, config=(*STUDY, "search={asha: {all: {workers: 3}}}"))
    jobs = WORKERS | {f"search_worker {JOB} 3", f"search {JOB}"}
    assert {job for job in three if job.startswith("search")} == jobs


def test_a_lost_folder_of_checkpoints_costs_time_alone(shared, tmp_path):
    """The search that ends it does what is not there."""
    folder = shared.folder / f"results/small/checkpoints/search/{CELL}"
    kept = folder.rename(tmp_path / "kept")
    again = shared.folder / SEARCH / "architecture.json"
    before = again.read_bytes()
    try:
        again.unlink()
        assert set(shared.plan(str(again.relative_to(shared.folder)), config=SHARED)) == {f"search {JOB}"}
        shared.snakemake("--cores", "2", str(again.relative_to(shared.folder)), config=SHARED, gpus=2)
        assert len(list(csv.DictReader((shared.folder / SEARCH / "history.csv").open()))) >= 4
    finally:
        again.write_bytes(before)
        kept.rename(folder.with_name("kept"))


def test_a_killed_worker_s_trials_go_on(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    write_longer(checkout)
    settings = yaml.safe_load((checkout.folder / "longer.yaml").read_text())
    settings["search"]["asha"]["all"] |= {"workers": 2, "trials": 6, "max_epochs": 24}
    (checkout.folder / "longer.yaml").write_text(yaml.safe_dump(settings))
    made = f"results/killed/search/{CELL}"
    arguments = ("--cores", "2", f"{made}/architecture.json")
    run = subprocess.Popen(
        checkout.command(*arguments, file="longer.yaml", gpus=2),
        cwd=checkout.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    study = checkout.folder / f"results/killed/checkpoints/search/{CELL}/study.log"
    try:
        while run.poll() is None and not (study.exists() and study.read_text().count('"op_code":7') >= 2):
            time.sleep(0.02)
        (job, *_) = [job for job in scripts(run) if ".search.py" in " ".join(job.cmdline()[:2])]
        job.kill()
        output = run.communicate()[0]
    finally:
        run.kill()
        run.wait()
    assert run.returncode == 1, output
    checkout.snakemake(*arguments, file="longer.yaml", gpus=2)
    rows = list(csv.DictReader((checkout.folder / made / "history.csv").open()))
    assert {row["trial"] for row in rows} == {str(trial) for trial in range(6)}
    assert len({(row["trial"], row["epochs"]) for row in rows}) == len(rows)
