"""ASHA: its decisions equal an independent simulation, it finds a planted learning rate, and it resumes."""

import math
import os
import pkgutil
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from pydantic import ValidationError

import synthetic
from nasperf360.algorithms.asha.search import search
from nasperf360.algorithms.asha.spec import SPEC, rung_epochs
from nasperf360.algorithms.shared.problem import Problem
from nasperf360.algorithms.shared.trials import Trial
from nasperf360.seeds import generator
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.tasks.shared.task_spec import Metric
from nasperf360.training.checkpoints import Checkpoint

TRAINING = {
    "batch_size": 32,
    "lr": 0.05,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "schedule": {"name": "constant"},
}
SEARCH = {"trials": 9, "reduction_factor": 2, "min_epochs": 1, "rungs": 3, "max_epochs": 4}


def problem(data, folder, seed=11, worker=0, **search):
    settings = SPEC.settings.model_validate({**SEARCH, **search})
    return Problem(
        task=data.task,
        dataset=data.dataset,
        settings=settings,
        trial_training=TRAINING,
        metric=opposite_metric if data.task.spec.metric.higher_is_better else synthetic.metric,
        seed=seed,
        device=torch.device("cpu"),
        checkpoint=Checkpoint(folder, {"seed": seed, "settings": settings.params()}),
        label="experiment",
        worker=worker,
    )


def space(data):
    return search_space("wrn", data.signature, {"depth": 10, "widen": 1, "width": 2})


def test_rungs_have_to_ascend():
    with pytest.raises(ValidationError, match="rungs 3 would be at 1, 2, 2 epochs, each must be later"):
        SPEC.settings.model_validate({**SEARCH, "max_epochs": 2})


def test_rungs_of_the_paper():
    assert rung_epochs(12, 4, 3, 200) == [12, 48, 200]
    assert rung_epochs(3, 4, 4, 200) == [3, 12, 48, 200]


def simulate(curves, rungs, factor, higher):
    """Stopping variant, written from its description: at a rung, go on if among the best ``1 / factor`` so far."""
    seen = {rung: [] for rung in rungs}
    length = {}
    for number, curve in sorted(curves.items()):
        for rung in rungs:
            length[number] = rung
            if rung == rungs[-1]:
                break
            seen[rung].append(curve[rung])
            best = sorted(seen[rung], reverse=higher)[max(len(seen[rung]) // factor, 1) - 1]
            if curve[rung] < best if higher else curve[rung] > best:
                break
    return length


def recorded(history):
    """Scores by trial and epochs."""
    curves = {}
    for row in history:
        curves.setdefault(int(row["trial"]), {})[int(row["epochs"])] = row["valid_score"]
    return curves


def opposite_metric(outputs, targets):
    """Of the task that is :func:`maximised`."""
    return 100 - synthetic.metric(outputs, targets)


def maximised(data):
    """Make the metric of a task the other way round."""
    data.task.change(metric=Metric("accuracy %", higher_is_better=True))


DIRECTIONS = pytest.mark.parametrize("higher", [False, True], ids=["minimise", "maximise"])


@DIRECTIONS
@pytest.mark.parametrize(("factor", "rungs"), [(2, [1, 2, 4]), (4, [1, 4, 5])])
def test_decisions_equal_an_independent_simulation(tmp_path, factor, rungs, higher):
    data = synthetic.write(tmp_path)
    if higher:
        maximised(data)
    given = problem(data, tmp_path / "study", reduction_factor=factor, max_epochs=rungs[-1])
    curves = recorded(search(space(data), given).history)
    assert len(curves) == SEARCH["trials"]
    assert simulate(curves, rungs, factor, higher) == {number: max(curve) for number, curve in curves.items()}
    assert len({max(curve) for curve in curves.values()}) > 1  # some were stopped


@DIRECTIONS
@pytest.mark.parametrize(("factor", "rungs"), [(2, [3, 6, 12, 20]), (3, [1, 3, 9]), (4, [12, 48, 200])])
def test_decisions_and_the_winner_on_curves_known_in_full(tmp_path, monkeypatch, factor, rungs, higher):
    """What the stopped trials would have scored is known too, and enough go on for each place to count."""
    data = synthetic.write(tmp_path)
    data.task.change(metric=Metric("score", higher_is_better=higher))
    trials, rng = 40, np.random.default_rng(0)
    scores = rng.normal(rng.normal(size=(trials, 1)), 0.3, (trials, len(rungs)))
    scores[:, -1] += -5 if higher else 5  # overfitted: scores at different rungs do not compare
    curves = {number: dict(zip(rungs, row.tolist(), strict=True)) for number, row in enumerate(scores)}
    monkeypatch.setattr(Trial, "metric_after", lambda trial, epochs: curves[trial.number][epochs])
    settings = {"reduction_factor": factor, "min_epochs": rungs[0], "rungs": len(rungs), "max_epochs": rungs[-1]}
    given = problem(data, tmp_path / "study", trials=trials, **settings)
    found = search(space(data), given)
    length = simulate(curves, rungs, factor, higher)
    assert {number: max(curve) for number, curve in recorded(found.history).items()} == length
    whole = {number: curves[number][rungs[-1]] for number in length if length[number] == rungs[-1]}
    assert len(whole) > 1
    best = (max if higher else min)(whole, key=whole.get)
    assert found.architecture == space(data).sample(generator(given.seed, "trial", best))


class Killed(Exception):
    """Stands for SIGKILL."""


def dies(real, call):
    """The function ``real``, killed as its call of that number begins."""
    calls = []

    def killed(*arguments, **options):
        calls.append(1)
        if len(calls) == call:
            raise Killed
        return real(*arguments, **options)

    return killed


@pytest.fixture
def whole(tmp_path):
    """Data, and the result of an undisturbed search."""
    data = synthetic.write(tmp_path)
    return data, search(space(data), problem(data, tmp_path / "whole"))


@pytest.mark.parametrize(
    ("place", "calls"),
    [
        ("nasperf360.algorithms.asha.search.Trial", [5]),
        ("nasperf360.algorithms.shared.trials.fit", [2, 7]),
        ("nasperf360.algorithms.shared.trials.predict", [3, 8]),
        ("optuna.trial.Trial.report", [2, 9]),
        ("optuna.trial.Trial.should_prune", [2, 3]),
        ("optuna.study.Study.tell", [2, 5, 9]),
    ],
)
def test_a_killed_study_resumes_to_the_same_result(tmp_path, whole, place, calls):
    data, undisturbed = whole
    for call in calls:
        folder = tmp_path / f"killed-{call}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(place, dies(pkgutil.resolve_name(place), call))
            with pytest.raises(Killed):
                search(space(data), problem(data, folder))
        assert search(space(data), problem(data, folder)) == undisturbed
        states = [[trial.state for trial in stored(at).trials] for at in (folder, tmp_path / "whole")]
        assert states[0] == states[1]


def stored(folder):
    """The study of a finished search."""
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "study.log"))
    return optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend))


def test_a_lock_that_a_kill_left_behind_is_removed(tmp_path, whole, monkeypatch):
    """Optuna would wait for it for ever: a relative link that leads nowhere."""
    data, undisturbed = whole
    monkeypatch.chdir(tmp_path)
    folder = Path("killed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optuna.study.Study.tell", dies(optuna.study.Study.tell, 4))
        with pytest.raises(Killed):
            search(space(data), problem(data, folder))
    (folder / "study.log.lock").symlink_to("killed/study.log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", lambda seconds: pytest.fail("it waits for a lock that nobody holds"))
        patch.setattr("os.symlink", dies(os.symlink, 1))
        assert search(space(data), problem(data, folder)) == undisturbed
    assert not (folder / "study.log.lock").is_symlink()


@pytest.mark.parametrize("damage", ["cut", "zeros", "middle", "garbage", "lost"])
def test_a_damaged_journal_costs_only_what_it_held(tmp_path, whole, damage, capsys):
    """Lost with it: scores of trials whose checkpoints have gone further."""
    data, undisturbed = whole
    folder = tmp_path / "damaged"
    with pytest.MonkeyPatch.context() as patch:
        # In the trial with the first promotion, after its second rung: its checkpoint holds two epochs.
        patch.setattr("optuna.trial.Trial.should_prune", dies(optuna.trial.Trial.should_prune, 2))
        with pytest.raises(Killed):
            search(space(data), problem(data, folder))
    log = folder / "study.log"
    lines = log.read_bytes().splitlines(keepends=True)
    kept = {"cut": len(lines) - 1, "zeros": len(lines), "middle": 3, "garbage": 0, "lost": 0}[damage]
    content = b"".join(lines)
    if damage == "lost":
        log.unlink()
    else:
        content = {
            "cut": content[:-5],
            "zeros": content + bytes(512),
            "middle": b"".join([*lines[:3], b'{"op_code": \n', *lines[4:]]),
            "garbage": b"garbage \xff" * 100,
        }[damage]
        log.write_bytes(content)
    assert search(space(data), problem(data, folder)) == undisturbed
    message = capsys.readouterr().err
    if damage != "lost":
        assert f"{log}: damaged at line {kept + 1} of" in message
        assert (folder / "refused-1.log").read_bytes() == content
        assert log.read_bytes().splitlines(keepends=True)[:kept] == lines[:kept]
    if kept <= 3:
        assert "refused, it goes to epoch 2 where 1 epochs are asked for" in message


def test_finished_trials_leave_no_checkpoint(tmp_path, whole):
    assert [path.name for path in (tmp_path / "whole").iterdir()] == ["study.log"]


def planted_curve(best, noise=8.0):
    """Stands for training: the error grows with the distance of lr from ``best``, and early scores are noisy."""

    def metric_after(trial, epochs):
        distance = abs(math.log10(trial.training.lr / best))
        rng = np.random.default_rng([trial.seed % 2**32, epochs])
        return 30 * distance + noise / epochs * rng.standard_normal()

    return metric_after


def test_it_finds_the_planted_learning_rate(tmp_path, monkeypatch):
    """Within a tenth of the log-uniform range: most seeds find it, with a third of the epochs of training all fully."""
    data = synthetic.write(tmp_path)
    rates = [space(data).sample(np.random.default_rng(number))["lr"] for number in range(500)]
    low, high = (math.log10(bound) for bound in (min(rates), max(rates)))
    best, width = 10 ** (low + 0.7 * (high - low)), 0.1 * (high - low)

    def good(architecture):
        return abs(math.log10(architecture["lr"] / best)) < width / 2

    assert 0.05 < sum(abs(math.log10(rate / best)) < width / 2 for rate in rates) / len(rates) < 0.15
    monkeypatch.setattr(Trial, "metric_after", planted_curve(best))
    settings = {"trials": 40, "reduction_factor": 3, "min_epochs": 1, "rungs": 4, "max_epochs": 27}
    found, first, epochs = [], [], []
    for seed in range(5):
        given = problem(data, tmp_path / str(seed), seed, **settings)
        result = search(space(data), given)
        found.append(good(result.architecture))
        first.append(good(space(data).sample(generator(seed, "trial", 0))))
        lengths = {row["trial"]: row["epochs"] for row in result.history}
        epochs.append(sum(lengths.values()) / (40 * 27))
    assert sum(found) >= 4, found
    assert sum(hit and not drawn for hit, drawn in zip(found, first, strict=True)) >= 3, (found, first)
    assert max(epochs) < 1 / 3, epochs
