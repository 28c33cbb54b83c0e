"""GAEA and first-order DARTS: the simplex, descent, planted answers, their splits, resuming, refusals."""

import math
from collections.abc import Mapping
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.amp import GradScaler

import synthetic
from nasperf360.algorithms.darts.search import AdamRule
from nasperf360.algorithms.gaea.search import SimplexRule, exponentiated_gradient
from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.algorithms.shared.problem import Problem, SearchResult, run_search
from nasperf360.algorithms.shared.supernet_steps import (
    RandomBatches,
    architecture_gradients,
)
from nasperf360.data.datasets import Split
from nasperf360.errors import UserError
from nasperf360.spaces.shared.search_space import SearchSpace, search_space
from nasperf360.spaces.shared.space_spec import space_spec
from nasperf360.training.batches import Loader
from nasperf360.training.checkpoints import Checkpoint
from planted import CHOICES, OPTIONS, PlantedNet, planted

SETTINGS = {
    "epochs": 30, "batch_size": 32, "lr": 0.1, "momentum": 0.9, "weight_decay": 3e-4, "clip": 5.0,
    "schedule": {"name": "cosine"}, "architecture_after": 5, "validate_every": 0,
}  # fmt: skip
METHODS = {
    "gaea": {"architecture_lr": 1.0},
    "gaea simplex": {"architecture_lr": 0.3, "mixture": "simplex"},
    "darts": {"architecture_lr": 0.05, "architecture_betas": [0.5, 0.999]},
    "darts same": {"architecture_lr": 0.05, "split": "same"},
}
RULES = {"gaea": SimplexRule, "darts": AdamRule}
CPU = torch.device("cpu")
SMALL = {"search": {"width": 8, "depth": 3}}


def settings_of(method: str, **changes: Any) -> Any:
    model = algorithm_spec(method.split()[0]).settings
    return model.model_validate({**SETTINGS, **METHODS[method], **changes})


def scaler(enabled: bool) -> GradScaler:
    return GradScaler("cpu", enabled=enabled)


def search(
    space: SearchSpace, data: synthetic.Synthetic, method: str, folder: Path, seed: int = 0, **changes: Any
) -> SearchResult:
    checkpoint = Checkpoint(folder / "checkpoint", {"test": method})
    settings = settings_of(method, **changes)
    problem = Problem(data.task, data.dataset, settings, {}, None, seed, CPU, checkpoint, label=method)
    return run_search(method.split()[0], space, problem)


@pytest.mark.parametrize("method", METHODS)
def test_finds_the_planted_option(tmp_path: Path, method: str) -> None:
    """Every choice right in at least four of five seeds; random choice gets all four right once in 4096."""
    hits = 0
    for seed in range(5):
        folder = tmp_path / str(seed)
        folder.mkdir()
        right = (3 * seed + 1) % OPTIONS
        data, space = planted(folder, right, seed)
        hits += search(space, data, method, folder, seed).architecture["options"] == [right] * CHOICES
    assert hits >= 4
    rng = np.random.default_rng(0)
    assert not any(space.sample(rng)["options"] == [right] * CHOICES for _ in range(5))


@pytest.mark.parametrize("floor", [0.0, 1e-5])
def test_exponentiated_gradient_stays_on_the_simplex_and_descends(floor: float) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(14, 8, generator=generator, dtype=torch.float64)
    values /= values.sum(-1, keepdim=True)
    target = torch.rand(14, 8, generator=generator, dtype=torch.float64)
    target /= target.sum(-1, keepdim=True)

    def loss(point: torch.Tensor) -> torch.Tensor:
        return (point - target).square().sum()

    losses = [float(loss(values))]
    for _ in range(300):
        point = values.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(point), point)
        values = exponentiated_gradient(values, gradient, 0.5, floor)
        assert (values > 0).all()
        torch.testing.assert_close(values.sum(-1), torch.ones(14, dtype=torch.float64))
        losses.append(float(loss(values)))
    assert all(later < earlier for earlier, later in pairwise(losses[:100]))
    assert losses[-1] < 1e-2 * losses[0]


def test_exponentiated_gradient_of_huge_gradients() -> None:
    values = exponentiated_gradient(torch.full((1, 3), 1 / 3), torch.tensor([[1e6, -1e6, 0.0]]), 0.1)
    torch.testing.assert_close(values, torch.tensor([[0.0, 1.0, 0.0]]))


def supernet_after(mixture: str, steps: int = 60) -> Any:
    """A DARTS supernet after steps of GAEA that all favour sep_conv_3x3 and each node's first edge."""
    space: Any = search_space("darts", synthetic.SyntheticTask().signature((3, 16, 16)), SMALL)
    supernet = space.supernet()
    rule = SimplexRule(supernet, settings_of("gaea", architecture_lr=1.0, mixture=mixture))
    gradients = {name: torch.zeros_like(value) for name, value in supernet.architecture_parameters().items()}
    for name, gradient in gradients.items():
        if name.startswith("operations"):
            gradient[:, 4] = -1
        else:
            gradient[[0, 2, 5, 9]] = -1
    for _ in range(steps):
        rule.step(gradients)
    return supernet


def test_published_mixture_stays_soft() -> None:
    """A softmax on top of the simplex: no operation can leave [0.103, 0.280], and edges share one simplex."""
    supernet = supernet_after("softmax")
    weights = supernet.mixture("operations_normal")
    assert weights.max().item() == pytest.approx(math.e / (math.e + 7), abs=1e-4)
    assert weights.min().item() == pytest.approx(1 / (math.e + 7), abs=1e-4)
    rows = supernet.architecture["operations_normal"].sum(-1)
    torch.testing.assert_close(rows, torch.ones(14))
    edges = supernet.architecture["edges_normal"]
    assert edges.sum().item() == pytest.approx(1, abs=1e-5)
    assert edges[0].item() == pytest.approx(1 / 4, abs=1e-4)


def test_simplex_mixture_can_decide() -> None:
    supernet = supernet_after("simplex")
    assert supernet.mixture("operations_normal")[:, 4].min().item() > 0.999
    torch.testing.assert_close(supernet.mixture("operations_normal"), supernet.architecture["operations_normal"])
    for group in supernet.groups("edges_reduce"):
        assert group.sum().item() == pytest.approx(1, abs=1e-5)
        assert group[0].item() > 0.999


def test_start_is_uniform() -> None:
    supernet = supernet_after("softmax", steps=0)
    torch.testing.assert_close(supernet.mixture("operations_reduce"), torch.full((14, 8), 1 / 8))
    torch.testing.assert_close(supernet.mixture("edges_reduce")[2:5], torch.full((3,), 1 / 3))


def test_weight_and_architecture_steps_leave_each_other_alone() -> None:
    space: Any = search_space("darts", synthetic.SyntheticTask().signature((3, 16, 16)), SMALL)
    supernet, x = space.supernet(), torch.randn(2, 3, 16, 16)
    with supernet.fixed_architecture():
        supernet(x).sum().backward()
    assert all(value.grad is None for value in supernet.architecture_parameters().values())
    supernet.zero_grad()
    value, gradients = architecture_gradients(supernet, lambda: supernet(x).square().sum(), scaler(enabled=False))
    assert float(value) > 0
    assert gradients is not None
    assert all(weight.grad is None for weight in supernet.weight_parameters())
    assert all(float(gradient.abs().sum()) > 0 for gradient in gradients.values())
    _, scaled = architecture_gradients(supernet, lambda: supernet(x).square().sum(), scaler(enabled=True))
    assert scaled is not None
    for name, gradient in gradients.items():
        torch.testing.assert_close(scaled[name], gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", ["gaea", "darts"])
@pytest.mark.parametrize(("dimensions", "kind"), [(1, "point"), (2, "point"), (2, "dense")])
def test_searches_the_darts_space(tmp_path: Path, method: str, dimensions: int, kind: str) -> None:
    shape = (1, 32) if dimensions == 1 else (1, 9, 10)
    data = synthetic.write(tmp_path, dimensions, kind, shape)
    space = search_space("darts", data.signature, SMALL)
    found = search(space, data, method, tmp_path, epochs=2, batch_size=16, architecture_after=1)
    space.check(found.architecture)
    assert [("architecture_loss" in row) for row in found.history] == [False, True]
    assert found.history[1]["certainty"] > found.history[0]["certainty"]


@pytest.mark.parametrize(
    ("method", "space_name"),
    [*((method, "planted") for method in METHODS), pytest.param("gaea", "darts", marks=pytest.mark.slow)],
)
def test_resumed_search_equals_an_undisturbed_one(
    tmp_path: Path, method: str, space_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, space = planted(tmp_path, 3)
    if space_name == "darts":
        space = search_space("darts", data.signature, SMALL)
    whole = search(space, data, method, tmp_path / "whole", epochs=4, architecture_after=1)

    saves: list[Mapping[str, Any]] = []
    original = Checkpoint.save

    def interrupted(self: Checkpoint, state: Mapping[str, Any]) -> None:
        original(self, state)
        saves.append(state)
        if len(saves) == 2:
            raise KeyboardInterrupt

    (tmp_path / "cut").mkdir()
    monkeypatch.setattr(Checkpoint, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search(space, data, method, tmp_path / "cut", epochs=4, architecture_after=1)
    monkeypatch.undo()
    resumed = search(space, data, method, tmp_path / "cut", epochs=4, architecture_after=1)
    assert resumed == whole
    assert len(whole.history) == 4


@pytest.mark.parametrize(("method", "split"), [("gaea", "halves"), ("darts", "halves"), ("darts", "same")])
def test_weights_and_architecture_learn_on_their_own_splits(
    tmp_path: Path, method: str, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, space = planted(tmp_path, 3)
    seen: dict[str, set[bytes]] = {"weights": set(), "architecture": set()}
    learns, loss = ["weights"], data.task.loss

    def gradients(*arguments: Any) -> Any:
        learns[0] = "architecture"
        result = architecture_gradients(*arguments)
        learns[0] = "weights"
        return result

    def recorded(output: torch.Tensor, batch: Any) -> torch.Tensor:
        seen[learns[0]] |= {row.numpy().tobytes() for row in batch["x"]}
        return loss(output, batch)

    monkeypatch.setattr("nasperf360.algorithms.shared.bilevel.architecture_gradients", gradients)
    data.task.loss = recorded  # type: ignore[method-assign]
    search(space, data, method, tmp_path, epochs=2, architecture_after=1, split=split)
    rows = [row.tobytes() for row in data.dataset.split("train").load("x")]
    if split == "halves":
        assert len(seen["weights"]) == len(seen["architecture"]) == len(rows) // 2
        assert seen["weights"] | seen["architecture"] == set(rows)
        return
    assert seen["weights"] == set(rows)
    # Random batches: from both halves of the file, and so many of them in one epoch leave some samples out.
    assert seen["architecture"] < set(rows)
    halves = set(rows[: len(rows) // 2]), set(rows[len(rows) // 2 :])
    assert all(seen["architecture"] & half for half in halves)


@pytest.mark.parametrize("memory_bytes", [1 << 30, 0])
def test_random_batches(tmp_path: Path, memory_bytes: int) -> None:
    """Each the first of a fresh shuffle: no sample twice in a batch, each as often as others, the same for a seed."""
    data, _ = planted(tmp_path, 0)
    data.dataset.memory.free = memory_bytes
    split = data.dataset.split("train").subset(np.arange(60), "60 samples")
    loader = Loader(split, 8, torch.device("cpu"))
    rows = [row.tobytes() for row in split.load("x")]

    def draw(seed: int, epoch: int, batches: int) -> np.ndarray:
        drawn = islice(RandomBatches(data.task, loader, seed, epoch), batches)
        return np.array([[rows.index(row.numpy().tobytes()) for row in batch["x"]] for batch in drawn])

    drawn = draw(0, 0, 600)
    assert drawn.shape == (600, 8)
    assert all(len(set(batch)) == 8 for batch in drawn.tolist())
    counts = np.bincount(drawn.ravel(), minlength=60)
    assert np.abs(counts - 80).max() < 6 * 80**0.5
    assert len(set(drawn[:7].ravel().tolist())) < 56  # seven batches of an epoch would hold 56
    assert (draw(0, 0, 600) == drawn).all()
    assert (draw(0, 1, 9) != drawn[:9]).any()
    assert (draw(1, 0, 9) != drawn[:9]).any()


def test_batch_larger_than_the_half_is_refused(tmp_path: Path) -> None:
    data, space = planted(tmp_path, 0)
    with pytest.raises(UserError, match="a batch of 97 is larger"):
        search(space, data, "darts", tmp_path, batch_size=97)


def test_max_samples_is_a_part_of_the_training_rows(tmp_path: Path) -> None:
    (data, space), one = planted(tmp_path, 0), {"epochs": 1, "architecture_after": 0}
    assert search(space, data, "darts", tmp_path, **one, max_samples=64, batch_size=32).history
    with pytest.raises(UserError, match="'train, 64 samples, weight split' with 32 samples"):
        search(space, data, "darts", tmp_path, **one, max_samples=64, batch_size=33)
    with pytest.raises(UserError, match="'train, 1 samples' with 1 samples is too small to be cut"):
        search(space, data, "darts", tmp_path, **one, max_samples=1)


@pytest.mark.parametrize("algorithm", ["gaea", "darts"])
def test_refuses_spaces_without_a_supernet(algorithm: str) -> None:
    spec = algorithm_spec(algorithm)
    assert "no supernet" in str(spec.refuse(space_spec("wrn")))
    assert spec.refuse(space_spec("darts")) is None


def test_a_search_without_architecture_steps_is_refused() -> None:
    words = "architecture_after 30 of 30 epochs leaves no architecture step; lower architecture_after or raise epochs"
    with pytest.raises(ValidationError, match=words):
        settings_of("gaea", architecture_after=30)


def test_one_split_for_both_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, space = planted(tmp_path, 3)
    loaded, real = [], Split.load

    def load(split: Split, field: str) -> np.ndarray:
        loaded.append((split.name, field))
        return real(split, field)

    monkeypatch.setattr(Split, "load", load)
    search(space, data, "darts same", tmp_path, epochs=1, architecture_after=0)
    assert sorted(loaded) == [("train", "x"), ("train", "y")]


@pytest.mark.parametrize("method", ["gaea", "gaea simplex", "darts"])
def test_overflow_leaves_out_the_step_and_lowers_the_scale(method: str) -> None:
    """In float16 a scaled gradient can overflow where the loss does not."""
    supernet, scaling = PlantedNet(), scaler(enabled=True)
    rule = RULES[method.split()[0]](supernet, settings_of(method))

    def loss() -> torch.Tensor:
        half = supernet.mixture("options").half()
        return (half[0, 0] * half.new_tensor(2.0)).float() + half[1, 1].float()

    scale, steps = 2.0**16, 0
    while steps < 3:
        _, gradients = architecture_gradients(supernet, loss, scaling)
        if gradients is None:
            assert steps == 0
            scale /= 2
            assert scaling.get_scale() == scale
        else:
            rule.step(gradients)
            steps += 1
        assert all(value.isfinite().all() for value in supernet.architecture_parameters().values())
    assert 2.0**13 <= scale < 2.0**16


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("method", ["gaea", "darts"])
def test_lower_precision_differs_slightly(tmp_path: Path, method: str, precision: str) -> None:
    data = synthetic.write(tmp_path, 2, "point", (1, 8, 8))
    space = search_space("darts", data.signature, SMALL)
    settings = {"epochs": 2, "batch_size": 16, "lr": 0.01, "architecture_after": 1}
    exact, rough = (
        search(space, data, method, tmp_path / name, precision=name, **settings).history
        for name in ("float32", precision)
    )
    for row, other in zip(exact, rough, strict=True):
        assert row != other
        for name, value in row.items():
            assert other[name] == pytest.approx(value, rel=0.1)
