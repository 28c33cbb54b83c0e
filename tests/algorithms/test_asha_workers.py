"""ASHA shared by workers: every trial once, sound decisions, and what a killed one left goes on."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from optuna.trial import TrialState
from test_asha import SEARCH, problem, recorded, space, stored

import synthetic
from nasperf360.algorithms.asha.search import _take, search
from nasperf360.algorithms.asha.spec import rung_epochs
from nasperf360.algorithms.asha.study import open_study
from nasperf360.algorithms.shared.trials import Trial
from nasperf360.locks import locked, worker_folder
from nasperf360.seeds import generator

RUNGS = rung_epochs(*(SEARCH[name] for name in ("min_epochs", "reduction_factor", "rungs", "max_epochs")))
STATE, VALUE = 6, 7
"""Optuna's codes of what a journal records: how a trial ended, and its metric at a rung."""


def start(folder: Path, worker: int, of: int, *die: int) -> subprocess.Popen[str]:
    program = str(Path(__file__).with_name("asha_worker.py"))
    command = [sys.executable, program, str(folder), *map(str, (worker, of, *die))]
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent), *sys.path]))
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE, text=True)


def ended(worker: subprocess.Popen[str], status: int = 0) -> str:
    """What it said."""
    _, said = worker.communicate(timeout=300)
    assert worker.returncode == status, said
    return said


def trained(folder: Path) -> list[tuple[int, int, int]]:
    """Worker, trial and epochs of each rung that workers trained."""
    return [tuple(map(int, line.split())) for line in (folder / "rungs").read_text().splitlines()]


@pytest.fixture
def whole(tmp_path):
    """Data, and the result of a search without workers."""
    data = synthetic.write(tmp_path)
    return data, search(space(data), problem(data, tmp_path / "whole"))


def finish(data, folder, monkeypatch):
    """What the search makes of the workers' trials; it trains nothing."""
    with monkeypatch.context() as patch:
        patch.setattr(Trial, "metric_after", lambda trial, epochs: pytest.fail(f"trial {trial.number} was left"))
        return search(space(data), problem(data, folder / "study", workers=2))


def test_two_processes_share_a_search(tmp_path, whole, monkeypatch):
    data, alone = whole
    workers = [start(tmp_path, worker, 2) for worker in (1, 2)]
    for worker in workers:
        ended(worker)
    rungs = trained(tmp_path)
    assert {trial for _, trial, _ in rungs} == set(range(SEARCH["trials"]))
    assert {worker for worker, _, _ in rungs} == {1, 2}
    assert set(Counter((trial, epochs) for _, trial, epochs in rungs).values()) == {1}
    assert len({(worker, trial) for worker, trial, _ in rungs}) == SEARCH["trials"]
    shared = finish(data, tmp_path, monkeypatch)
    curves, others = recorded(shared.history), recorded(alone.history)
    assert {(trial, epochs) for trial, curve in curves.items() for epochs in curve} == {rung[1:] for rung in rungs}
    for trial, curve in curves.items():
        both = curve.keys() & others[trial].keys()
        assert both
        assert {epochs: curve[epochs] for epochs in both} == {epochs: others[trial][epochs] for epochs in both}
    for row in shared.history:
        drawn = space(data).sample(generator(11, "trial", int(row["trial"])))
        assert json.loads(row["architecture"]) == json.loads(json.dumps(drawn))
    longest = {trial: curve[max(curve)] for trial, curve in curves.items() if max(curve) == RUNGS[-1]}
    best = min(longest, key=longest.get)
    assert shared.architecture == space(data).sample(generator(11, "trial", best))
    decisions_are_sound(tmp_path / "study" / "study.log")


def decisions_are_sound(journal: Path) -> None:
    """Each follows from the metrics that the journal held at a moment between the trial's own and what it did next."""
    events = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    decisions = 0
    for at, event in enumerate(events):
        if event["op_code"] != VALUE or event["step"] == RUNGS[-1]:
            continue
        trial, epochs, own = event["trial_id"], event["step"], event["intermediate_value"]
        following = next(
            number for number, later in enumerate(events) if number > at and later.get("trial_id") == trial
        )
        goes_on = events[following]["op_code"] != STATE
        possible = set()
        for until in range(at, following):
            seen = [
                earlier["intermediate_value"]
                for earlier in events[: until + 1]
                if earlier["op_code"] == VALUE and earlier["step"] == epochs
            ]
            place = max(len(seen) // SEARCH["reduction_factor"], 1) - 1
            possible.add(own <= sorted(seen)[place])
        assert goes_on in possible
        decisions += 1
    assert decisions >= SEARCH["trials"]


@pytest.mark.parametrize("successor", [1, 2], ids=["the same worker again", "another worker"])
def test_what_a_killed_worker_left_goes_on_in_another(tmp_path, whole, monkeypatch, successor):
    """One after the other, so that the order is that of a search alone, and so are all numbers."""
    data, alone = whole
    trial, epochs = next((trial, max(curve)) for trial, curve in recorded(alone.history).items() if len(curve) > 1)
    ended(start(tmp_path, 1, 1, trial, epochs), -signal.SIGKILL)
    assert [found.number for found in stored(tmp_path / "study").trials if found.state == TrialState.RUNNING] == [trial]
    said = ended(start(tmp_path, successor, 1))
    assert f"trial-{trial}: resumed after epoch {epochs}" in said
    twice = [rung for rung, count in Counter(rung[1:] for rung in trained(tmp_path)).items() if count > 1]
    assert twice == [(trial, epochs)]
    assert finish(data, tmp_path, monkeypatch) == alone


def test_a_search_does_what_workers_left(tmp_path, whole):
    data, alone = whole
    ended(start(tmp_path, 1, 1, 3, RUNGS[0]), -signal.SIGKILL)
    assert search(space(data), problem(data, tmp_path / "study", workers=2)) == alone


def test_a_trial_is_taken_from_those_alone_that_no_longer_run(tmp_path):
    data = synthetic.write(tmp_path)
    first, second = (problem(data, tmp_path / "study", workers=2, worker=worker) for worker in (1, 2))
    study = open_study(first)
    with locked(worker_folder(first.checkpoint.folder, 1)):
        assert _take(study, first).number == 0
        assert _take(open_study(second), second).number == 1
        assert _take(open_study(second), second).number == 1  # its own again, as after a kill
    study.tell(1, state=TrialState.PRUNED)
    assert _take(open_study(second), second).number == 0


def test_half_a_line_of_a_killed_worker_is_no_part_of_the_next_one_s(tmp_path):
    data = synthetic.write(tmp_path)
    given = problem(data, tmp_path / "study", workers=2, worker=1)
    study, other = open_study(given), open_study(given)
    study.ask()
    journal = tmp_path / "study" / "study.log"
    with open(journal, "a", encoding="utf-8") as stream:
        stream.write('{"op_code": 4, "wor')
    assert other.ask().number == 1
    assert [trial.number for trial in study.trials] == [0, 1]
    assert all(json.loads(line) for line in journal.read_text().splitlines())
