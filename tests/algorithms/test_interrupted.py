"""A training and every search, ended again and again in the middle of an epoch: the bytes of an undisturbed one."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

import synthetic
from nasperf360 import interruption
from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.algorithms.shared.problem import Problem, run_search
from nasperf360.interruption import Interrupted
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.epochs import Epoch
from nasperf360.training.fitting import fit
from nasperf360.training.settings import TrainingSettings

SAMPLES = {"train": 41, "valid": 11, "test": 8}
CPU = torch.device("cpu")
STEPS = {"batch_size": 8, "lr": 0.05, "momentum": 0.9, "schedule": {"name": "cosine", "per_step": True}}
TRAINING = {**STEPS, "epochs": 3, "precision": "float32"}
WRN = {"depth": 10, "widen": 1, "width": 2}
DENSENAS = {"stem": 4, "stages": [{"channels": [5, 6], "layers": 2, "stride": 2}], "last": 8}
DARTS = {"search": {"width": 4, "depth": 3, "partial": 2}}
AMBER = {"depth": 4, "search_width": 2, "search_hidden": 4}
BILEVEL = {**STEPS, "epochs": 2, "architecture_after": 1, "architecture_lr": 0.1, "validate_every": 1}
COST = {"warmup_epochs": 1, "architecture": {"lr": 0.02}, "cost_weight": 0.2, "cost_base": 3500, "validate_every": 2}
ENAS = {
    "episodes": 2, "warmup_epochs": 1, "child_steps": 6, "batch_size": 8, "lr": 0.01, "samples": 3, "dropout": 0.2,
    "controller_epochs": 1, "controller_batch": 3, "controller_lr": 1e-3, "skip_target": 0.4, "skip_weight": 1.0,
    "reward": "auroc", "validation_statistics": True, "dropout_after_warmup": True,
}  # fmt: skip
RUNGS = {"trials": 2, "reduction_factor": 2, "min_epochs": 1, "rungs": 2, "max_epochs": 2}
SEARCHES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "darts-gaea": ("darts", DARTS, BILEVEL),
    "densenas-gaea": ("densenas", DENSENAS, {**BILEVEL, "precision": "bfloat16"}),
    "darts-darts": ("darts", DARTS, {**BILEVEL, "split": "same"}),
    "densenas-densenas": ("densenas", DENSENAS, {**STEPS, "batch_size": 2, "epochs": 2, **COST}),
    "amber-enas": ("amber", AMBER, ENAS),
    "wrn-asha": ("wrn", WRN, RUNGS),
    "densenas-random": ("densenas", DENSENAS, {"trials": 2, "epochs": 2}),
}


class Noisy(synthetic.SyntheticTask):
    """Augmentation and dropout draw random numbers in each step."""

    def augment(self, batch: Any, generator: torch.Generator) -> Any:
        return {**batch, "x": batch["x"] + 0.1 * torch.randn(batch["x"].shape, generator=generator)}


def search(method: str, folder: Path) -> Callable[[], Any]:
    name, given_space, given = SEARCHES[method]
    algorithm = method.split("-")[1]
    dimensions = 1 if name == "amber" else 2
    data = synthetic.write(folder, dimensions, shape=(3, 8, 8)[: dimensions + 1], samples=SAMPLES)
    spec = algorithm_spec(algorithm)
    settings = spec.settings.model_validate(given)

    def run() -> Any:
        torch.manual_seed(torch.seed() % 1000)  # another process has another state
        space: Any = search_space(name, data.signature, given_space)
        problem = Problem(
            Noisy(dimensions),
            data.dataset,
            settings,
            TRAINING if spec.trains_trials else {},
            synthetic.metric if spec.ranks_by_metric(settings) else None,
            3,
            CPU,
            Checkpoint(folder / "checkpoint", {}, interval=1e9),
            label=method,
        )
        found = run_search(algorithm, space, problem)
        return found.architecture, list(found.history)

    return run


def training(folder: Path, **changes: Any) -> Callable[[], Any]:
    data = synthetic.write(folder, 2, shape=(3, 8, 8), samples=SAMPLES)
    settings = TrainingSettings.model_validate({**TRAINING, **changes})

    def run() -> Any:
        torch.manual_seed(torch.seed() % 1000)
        model = search_space("wrn", data.signature, WRN).build({"space": "wrn", "dropout": 0.3})
        torch.manual_seed(0)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        history = fit(
            model,
            Noisy(),
            data.dataset.split("train"),
            settings,
            seed=1,
            device=CPU,
            checkpoint=Checkpoint(folder / "checkpoint", {}, interval=1e9),
        )
        return list(history), model.state_dict()

    return run


class Killed(BaseException):
    """In place of SIGKILL: nothing in the library catches it."""


@contextmanager
def ended(monkeypatch: pytest.MonkeyPatch, after: int, how: str) -> Iterator[None]:
    """Within, after so many steps a signal comes; or the process is killed just after a save was due."""
    taken, between = [0], Epoch._between_steps

    def step(epoch: Epoch) -> None:
        taken[0] += 1
        if taken[0] == after and how == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
        if taken[0] == after and how == "kill":
            with monkeypatch.context() as due:
                due.setattr(Checkpoint, "due", True)
                between(epoch)
            raise Killed
        between(epoch)

    with monkeypatch.context() as patch, interruption.handled():
        patch.setattr(Epoch, "_between_steps", step)
        yield


def attempts(run: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, after: int, how: str) -> tuple[Any, int]:
    """What a job gives that is ended after so many steps of each attempt, and how many attempts it took."""
    said: list[str] = []
    before = {number: signal.getsignal(number) for number in interruption.SIGNALS}
    for count in range(1, 400):
        try:
            with ended(monkeypatch, after, how):
                found = run()
                assert all("which is saved" in sentence for sentence in said), said
                return found, count
        except Killed:
            pass
        except Interrupted as end:
            said.append(str(end))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    raise AssertionError("it never ends")


def same(left: Any, right: Any) -> bool:
    """Down to the bits."""
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def state(folder: Path) -> Any:
    """What the last checkpoint of a job holds, but for the time."""
    path = folder / "checkpoint" / "state.pt"
    if not path.exists():
        return None
    held = torch.load(path)["state"]
    del held["seconds"]
    return held


def check(
    make: Callable[[Path], Callable[[], Any]], folder: Path, patch: pytest.MonkeyPatch, after: int, how: str, least: int
) -> None:
    for name in ("calm", "ended"):
        (folder / name).mkdir()
    expected = make(folder / "calm")()
    found, count = attempts(make(folder / "ended"), patch, after, how)
    assert count > least
    assert same(found, expected)
    assert same(state(folder / "ended"), state(folder / "calm"))
    for name in ("calm", "ended"):  # of trials that are over nothing is kept
        assert not [path for path in (folder / name / "checkpoint").iterdir() if path.is_dir()]


@pytest.mark.parametrize("method", SEARCHES)
def test_a_search_that_is_interrupted_between_steps(tmp_path, monkeypatch, method):
    check(lambda folder: search(method, folder), tmp_path, monkeypatch, 4, "signal", 1)


@pytest.mark.slow
@pytest.mark.parametrize(("after", "how"), [(1, "signal"), (2, "kill")])
@pytest.mark.parametrize("method", SEARCHES)
def test_a_search_that_is_ended_all_the_time(tmp_path, monkeypatch, method, after, how):
    check(lambda folder: search(method, folder), tmp_path, monkeypatch, after, how, 2)


@pytest.mark.parametrize("how", ["signal", "kill"])
@pytest.mark.parametrize(
    "changes", [{}, {"optimizer": "adam", "lr": 0.01, "precision": "float16"}], ids=["sgd", "adam"]
)
def test_a_training_that_is_ended_after_each_step(tmp_path, monkeypatch, changes, how):
    check(lambda folder: training(folder, **changes), tmp_path, monkeypatch, 1, how, 15)
