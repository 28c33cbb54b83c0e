"""ASHA: its decisions equal an independent simulation, it finds a planted learning rate, and it resumes."""

import pytest
import torch

import synthetic
from nasperf360.algorithms import get_algorithm
from nasperf360.algorithms.asha import rung_epochs
from nasperf360.algorithms.base import Problem
from nasperf360.checkpoints import Checkpoint
from nasperf360.spaces import get_space

TRAINING = {
    "batch_size": 32,
    "lr": 0.05,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "schedule": {"name": "constant"},
}
SEARCH = {"trials": 9, "reduction_factor": 2, "min_epochs": 1, "rungs": 3, "max_epochs": 4}


def problem(data, folder, **search):
    settings = {**SEARCH, **search}
    return Problem(
        task=data.task,
        dataset=data.dataset,
        settings=settings,
        retrain_settings=TRAINING,
        seed=11,
        device=torch.device("cpu"),
        checkpoint=Checkpoint(folder, {"settings": settings}),
        label="cell",
    )


def space(data):
    return get_space("wrn", data.signature, {"depth": 10, "widen": 1, "width": 2})


def test_rungs_of_the_paper():
    assert rung_epochs(12, 4, 3, 200) == [12, 48, 200]
    assert rung_epochs(3, 4, 4, 200) == [3, 12, 48, 200]


def simulate(curves, rungs, factor):
    """Stopping variant, written from its description: at a rung, go on if among the best ``1 / factor`` so far."""
    seen = {rung: [] for rung in rungs}
    length = {}
    for number, curve in sorted(curves.items()):
        for rung in rungs:
            length[number] = rung
            if rung == rungs[-1]:
                break
            seen[rung].append(curve[rung])
            best = sorted(seen[rung])[max(len(seen[rung]) // factor, 1) - 1]
            if curve[rung] > best:
                break
    return length


def test_decisions_equal_an_independent_simulation(tmp_path):
    data = synthetic.write(tmp_path)
    found = get_algorithm("asha").search(space(data), problem(data, tmp_path / "study"))
    curves = {}
    for row in found.history:
        curves.setdefault(int(row["trial"]), {})[int(row["epochs"])] = row["valid_score"]
    assert len(curves) == SEARCH["trials"]
    assert simulate(curves, [1, 2, 4], 2) == {number: max(curve) for number, curve in curves.items()}
    assert len({max(curve) for curve in curves.values()}) > 1  # some were stopped


def test_a_killed_study_resumes_to_the_same_result(tmp_path, monkeypatch):
    from nasperf360.algorithms import asha

    data = synthetic.write(tmp_path)
    whole = get_algorithm("asha").search(space(data), problem(data, tmp_path / "whole"))
    real, calls = asha._training_settings, []

    def dies(*arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(asha, "_training_settings", dies)
    with pytest.raises(KeyboardInterrupt):
        get_algorithm("asha").search(space(data), problem(data, tmp_path / "killed"))
    monkeypatch.setattr(asha, "_training_settings", real)
    again = get_algorithm("asha").search(space(data), problem(data, tmp_path / "killed"))
    assert again == whole


@pytest.mark.slow
def test_it_finds_a_learning_rate_that_learns(tmp_path):
    """Most of the space (lr below 0.003) learns nothing in 6 epochs: ASHA's choice does better than a draw's median."""
    data = synthetic.write(tmp_path, samples={"train": 192, "valid": 96, "test": 8})
    found = get_algorithm("asha").search(
        space(data), problem(data, tmp_path / "study", trials=16, max_epochs=8, rungs=2, reduction_factor=4)
    )
    first = {int(row["trial"]): row["valid_score"] for row in found.history if row["epochs"] == 1}
    assert found.architecture["lr"] > 3e-3
    assert len(first) == 16
