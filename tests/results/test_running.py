"""What runs now is told from what was killed, and how far it is; the hours of a study that are done and left."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nasperf360.locks import locked, worker_folder, works_in
from nasperf360.study.hours import Hours, study_hours
from nasperf360.study.paths import cost_path, made_path, result_path
from nasperf360.study.running import in_words, lock_folder, running
from nasperf360.study.runs import Study
from nasperf360.study.status import missing

from .small_run import make_run

KEY = ("ecg", "wrn-default", 0)
LABEL = "retrain ecg wrn-default seed 0"
SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"


def bar(label, done, of, times):
    """As tqdm writes it into a log."""
    return f"\r{label}:  {100 * done // of}%|##   | {done}/{of} [{times}, 1.2it/s, lr=0.1]\n"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "0.log"


def said(log, text, stage="retrain", key=KEY, age=0.0):
    log.write_text(text)
    os.utime(log, (time.time() - age,) * 2)
    return str(running("7 on host", stage, key, log))


def test_the_last_bar_of_the_log_says_how_far_it_is(log):
    earlier = bar(LABEL, 2, 200, "00:01<10:00")
    text = said(log, earlier + bar(LABEL, 3, 200, "00:05<1:00:00") + "a warning\n", age=1800.0)
    assert text == "runs, epoch 4 of 200, 30 min left (process 7 on host)"
    assert said(log, bar(LABEL, 0, 200, "00:00<?")) == "runs, epoch 1 of 200 (process 7 on host)"
    assert said(log, "loading\n" + bar("another", 1, 2, "00:01<00:01")) == "runs (process 7 on host)"
    assert str(running("7 on host", "retrain", KEY, None)) == "runs (process 7 on host)"


def test_searches_count_trials_and_episodes(log):
    random = "search ecg densenas-random seed 0"
    key = ("ecg", "densenas-random", 0)
    text = bar(random, 1, 8, "00:10<01:10") + bar(f"{random} trial 2 of 8", 1, 5, "00:01<00:04")
    assert said(log, text, "search", key) == "runs, trial 2 of 8 (process 7 on host)"
    assert said(log, bar(random, 1, 8, "00:10<01:10"), "search", key).startswith("runs, trial 2 of 8, ")
    text = bar("search ecg amber-enas seed 0", 4, 50, "00:10<01:10")
    assert said(log, text, "search", ("ecg", "amber-enas", 0)).startswith("runs, episode 5 of 50, ")


def test_spans_of_time_in_words():
    spans = {5: "5 s", 99: "99 s", 100: "2 min", 600: "10 min", 5999: "100 min", 6000: "1.7 h", 36000: "10.0 h"}
    assert {seconds: in_words(seconds) for seconds in spans} == spans


@pytest.fixture
def run(tmp_path):
    """A run whose first training is under way or was killed: it has a log and nothing else."""
    folder = tmp_path / "mine"
    keys = make_run(folder)
    study = {"data_run": "mine", "tasks": ["ecg"], "experiments": sorted({key[:2] for key in keys}), "seeds": [0, 1]}
    (folder / "study.json").write_text(json.dumps(study))
    path = folder / "logs/retrain/ecg/wrn-default/0.log"
    path.parent.mkdir(parents=True)
    path.write_text(bar(LABEL, 3, 200, "00:05<10:00"))
    made_path(folder, "retrain", KEY).unlink()
    result_path(folder, KEY).unlink()
    return folder


PROGRAM = """
import sys
from nasperf360.locks import locked
with locked(sys.argv[1]):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_job_runs_while_it_holds_its_lock_and_was_killed_if_it_no_longer_does(run):
    (entry,) = missing(run)
    assert entry.reason == "retrain was started and did not finish"  # nobody ever had the lock
    folder = lock_folder(run, "retrain", KEY)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    job = subprocess.Popen([sys.executable, "-c", PROGRAM, folder], env={**os.environ, "PYTHONPATH": SCRIPTS}, **pipes)
    try:
        assert job.stdout.readline() == "locked\n"
        (entry,) = missing(run)
        assert entry.runs
        assert entry.reason.startswith(f"retrain runs, epoch 4 of 200, 10 min left (process {job.pid} on ")
    finally:
        job.kill()
        job.communicate()
    (entry,) = missing(run)
    assert not entry.runs
    assert entry.reason == "retrain was killed"


def test_workers_run_or_fail_for_the_search_that_they_share(run):
    (run / "data").mkdir()
    (run / "data" / "ecg.json").touch()
    made_path(run, "search", KEY).unlink()
    log = run / "logs/search/ecg/wrn-default/0/workers/2.log"
    log.parent.mkdir(parents=True)
    log.write_text(bar("search ecg wrn-default seed 0 trial 3 of 8", 1, 5, "00:01<00:04"))
    folder = lock_folder(run, "search", KEY)
    with locked(folder, shared=True), locked(worker_folder(folder, 2)):
        (entry,) = missing(run)
    assert entry.runs
    assert entry.reason.startswith(f"search runs, trial 3 of 8 (process {os.getpid()} on ")
    assert entry.log == log
    (entry,) = missing(run)
    assert (entry.reason, entry.log, entry.runs) == ("search was killed", log, False)
    failure = worker_folder(made_path(run, "search", KEY).parent, 2) / "failure.json"
    failure.parent.mkdir(parents=True)
    failure.write_text(json.dumps({"reason": "the disk is full"}))
    (entry,) = missing(run)
    assert (entry.reason, entry.log, entry.failed) == ("search failed: the disk is full", log, True)
    # One that was only interrupted is no reason beside one that failed.
    other = failure.parent.with_name("1") / "failure.json"
    other.parent.mkdir()
    other.write_text(json.dumps({"reason": "interrupted", "kind": "interrupted"}))
    (entry,) = missing(run)
    assert (entry.reason, entry.failed) == ("search failed: the disk is full", True)


def test_to_look_at_a_lock_takes_it_from_nobody(tmp_path, capsys):
    assert works_in(tmp_path) is None
    with locked(tmp_path):
        pass
    assert works_in(tmp_path) == ""
    with locked(tmp_path):
        assert works_in(tmp_path).startswith(f"{os.getpid()} on ")
    assert capsys.readouterr().err == ""


def spend(folder, stage, key, hours):
    path = cost_path(folder, stage, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"wall_seconds": 3600 * hours}))


def hours_of(folder, experiments, estimates, searches=None):
    asked = []

    def estimated():
        asked.append(True)
        return estimates

    return study_hours(folder, Study("mine", [], experiments, searches), estimated), bool(asked)


def test_hours_left_are_those_of_other_seeds(tmp_path):
    """And those that a job has taken so far are done."""
    seeds = [("ecg", "wrn-default", seed) for seed in range(3)]
    spend(tmp_path, "search", seeds[0], 0.0)
    spend(tmp_path, "retrain", seeds[0], 4.0)
    spend(tmp_path, "retrain", seeds[1], 6.0)
    spent = lock_folder(tmp_path, "retrain", seeds[2]) / "spent.json"
    spent.parent.mkdir(parents=True)
    spent.write_text(json.dumps({"seconds": 3600.0}))
    assert hours_of(tmp_path, seeds, {}) == (Hours(11.0, 4.0, 0), False)
    assert hours_of(tmp_path, seeds, {}, searches=1) == (Hours(11.0, 4.0, 0), False)


def test_hours_of_workers_add_up(tmp_path):
    key = ("ecg", "wrn-asha", 0)
    for worker in (1, 2):
        spent = worker_folder(lock_folder(tmp_path, "search", key), worker) / "spent.json"
        spent.parent.mkdir(parents=True)
        spent.write_text(json.dumps({"seconds": 3600.0}))
    assert hours_of(tmp_path, [key], {}) == (Hours(2.0, 0.0, 2), False)


def test_hours_of_what_was_never_done_follow_from_the_estimate(tmp_path):
    """In the relation of the same stage and method, else of the stage, else of all."""
    tasks = ("ecg", "satellite", "psicov")
    done = [(task, "darts-gaea", 0) for task in tasks]
    task, method = ("darcy", "darts-gaea", 0), ("ecg", "wrn-asha", 0)
    estimates = {
        **{("search", name, "darts-gaea"): 1.0 for name in tasks},
        **{("retrain", name, "darts-gaea"): 2.0 for name in tasks},
        ("search", "darcy", "darts-gaea"): 10.0,
        ("retrain", "darcy", "darts-gaea"): 20.0,
        ("search", "ecg", "wrn-asha"): 100.0,
    }
    assert hours_of(tmp_path, [*done, task], estimates) == (Hours(0, 0, 8), False)
    for key in done:
        spend(tmp_path, "search", key, 3.0)
    assert hours_of(tmp_path, [done[0], task], estimates) == (Hours(3.0, 0, 3), True)  # one job tells of no other
    assert hours_of(tmp_path, [*done, method], estimates) == (Hours(9.0, 300.0 + 3 * 6.0, 1), True)
    for key in done:
        spend(tmp_path, "retrain", key, 2.0)
    assert hours_of(tmp_path, [*done, task], estimates) == (Hours(15.0, 30.0 + 20.0, 0), True)
    assert hours_of(tmp_path, [*done, method], estimates) == (Hours(15.0, 300.0, 1), True)
    spend(tmp_path, "search", method, 50.0)
    other = ("darcy", "wrn-asha", 0)
    of_other = estimates | {("search", "darcy", "wrn-asha"): 1000.0}
    of_searches = (3 * 3.0 + 50.0) / (3 * 1.0 + 100.0)  # one search of the method is not enough
    found, _ = hours_of(tmp_path, [*done, method, other], of_other)
    assert found.left == pytest.approx(1000.0 * of_searches)
