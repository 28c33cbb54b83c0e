"""The training loop: it learns, resumes bit for bit, refuses foreign checkpoints, and stops where a loss diverges."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import synthetic
from nasperf360.errors import DivergedError, UserError
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.training.batches import Loader, ScheduledBatches, prediction_loader
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.fitting import fit, predict
from nasperf360.training.settings import PredictionSettings, TrainingSettings
from nasperf360.training.step import autocast

CPU = torch.device("cpu")
SETTINGS = TrainingSettings.model_validate(
    {
        "epochs": 6,
        "batch_size": 16,
        "lr": 0.05,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 5e-4,
        "schedule": {"name": "step", "factor": 0.2, "at": [0.5]},
    }
)


def network(data, seed=0, **settings):
    torch.manual_seed(seed)
    space = search_space("wrn", data.signature, {"depth": 10, "widen": 1, "width": 4, "width_1d": 8, **settings})
    return space.build({"space": "wrn", "dropout": 0.3})


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(left, right):
    return all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize(("dimensions", "kind"), [(2, "point"), (1, "point"), (2, "dense")])
def test_it_beats_the_majority(tmp_path, dimensions, kind):
    data = synthetic.write(tmp_path, dimensions, kind)
    train, test = data.dataset.final(merge_valid=True)
    model = network(data)
    history = fit(model, data.task, train, SETTINGS.but({"epochs": 10}), seed=1, device=CPU)
    outputs = predict(model, data.task, test, PredictionSettings(batch_size=32), device=CPU)
    error = synthetic.metric(outputs, test.targets())
    labels = test.load("y")
    majority = 100 * min(np.mean(labels == label) for label in (0, 1))
    assert error < 0.7 * majority
    assert history[-1]["train_loss"] < history[0]["train_loss"]


class Killed(Exception):
    """Stands for SIGKILL between two epochs."""


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_killed_training_resumes_bit_for_bit(tmp_path, dimensions):
    data = synthetic.write(tmp_path, dimensions)
    train = data.dataset.split("train")
    undisturbed = network(data)
    history = fit(undisturbed, data.task, train, SETTINGS, seed=1, device=CPU)

    identity = {"code": "a", "settings": SETTINGS.params()}

    def kill(epoch):
        if epoch == 3:
            raise Killed
        return {}

    with pytest.raises(Killed):
        fit(
            network(data),
            data.task,
            train,
            SETTINGS,
            seed=1,
            device=CPU,
            checkpoint=Checkpoint(tmp_path / "checkpoint", identity),
            after_epoch=kill,
        )
    torch.manual_seed(12345)  # the new process has another global state
    resumed = network(data, seed=99)
    checkpoint = Checkpoint(tmp_path / "checkpoint", identity)
    assert len(checkpoint.load()["history"]) == 3
    again = fit(resumed, data.task, train, SETTINGS, seed=1, device=CPU, checkpoint=checkpoint)
    assert again == history
    assert same(weights(resumed), weights(undisturbed))


def test_seeds_are_real(tmp_path):
    data = synthetic.write(tmp_path)
    train = data.dataset.split("train")
    results = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        model = network(data)
        fit(model, data.task, train, SETTINGS.but({"epochs": 1}), seed=seed, device=CPU)
        results[name] = weights(model)
    assert same(results["a"], results["b"])
    assert not same(results["a"], results["c"])


@pytest.mark.parametrize("damage", ["truncate", "garbage", "foreign"])
def test_a_bad_checkpoint_is_set_aside_with_a_line(tmp_path, capsys, damage):
    checkpoint = Checkpoint(tmp_path, {"code": "a", "seed": 1})
    checkpoint.save({"history": []})
    path = tmp_path / "state.pt"
    content = path.read_bytes()
    if damage == "truncate":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "garbage":
        path.write_bytes(b"garbage" * 100)
    else:
        checkpoint = Checkpoint(tmp_path, {"code": "b", "seed": 1})
    content = path.read_bytes()
    assert checkpoint.load() is None
    line = capsys.readouterr().err
    assert "refused" in line
    assert str(path) in line
    if damage == "foreign":
        assert "code" in line
    assert (tmp_path / "refused-1.pt").read_bytes() == content
    assert not path.exists()


def test_a_checkpoint_with_any_bit_flipped_or_any_part_cut_off_is_set_aside(tmp_path, capsys):
    checkpoint, rng = Checkpoint(tmp_path, {"code": "a"}), np.random.default_rng(5)
    checkpoint.save({"history": [{"loss": 0.5}], "weights": torch.arange(40.0)})
    path = tmp_path / "state.pt"
    content = path.read_bytes()
    damaged = [content[: rng.integers(len(content))] for _ in range(20)]
    for place in rng.integers(8 * len(content), size=200):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << (place % 8)
        damaged.append(bytes(flipped))
    for number, other in enumerate(damaged, start=1):
        path.write_bytes(other)
        assert checkpoint.load() is None, number
        aside = tmp_path / f"refused-{number}.pt"
        assert aside.read_bytes() == other
        assert capsys.readouterr().err == (
            f"{path}: refused, it is damaged (its bytes are not those of its digest); "
            f"set aside as {aside.name}, starting from the beginning\n"
        )
    path.write_bytes(content)
    assert checkpoint.load()["weights"].tolist() == list(range(40))


@pytest.mark.parametrize("part", ["model", "steps", "seconds", "a weight", "moments"])
def test_a_checkpoint_that_lacks_a_part_is_set_aside_and_leaves_no_trace(tmp_path, capsys, part):
    data = synthetic.write(tmp_path)
    train, folder = data.dataset.split("train"), tmp_path / "checkpoint"

    def run(epochs, checkpoint):
        model = network(data)
        history = fit(model, data.task, train, SETTINGS, seed=1, device=CPU, checkpoint=checkpoint, epochs=epochs)
        return history, weights(model)

    expected = run(2, None)
    run(1, Checkpoint(folder, {}))
    held = Checkpoint(folder, {}).load()
    if part == "a weight":
        held["model"].popitem()
    elif part == "moments":
        del held["steps"]["optimizer"]["state"]
    else:
        del held[part]
    Checkpoint(folder, {}).save(held)
    history, found = run(2, Checkpoint(folder, {}))
    assert "state.pt: refused, it lacks a part (" in capsys.readouterr().err
    assert history == expected[0]
    assert same(found, expected[1])


def test_a_checkpoint_of_more_epochs_than_asked_is_set_aside(tmp_path, capsys):
    """Its weights are those of a later epoch."""
    data = synthetic.write(tmp_path)
    train, folder, identity = data.dataset.split("train"), tmp_path / "checkpoint", {"code": "a"}

    def run(epochs, checkpoint):
        model = network(data)
        history = fit(model, data.task, train, SETTINGS, seed=1, device=CPU, checkpoint=checkpoint, epochs=epochs)
        return history, weights(model)

    history, expected = run(2, None)
    run(3, Checkpoint(folder, identity))
    later = (folder / "state.pt").read_bytes()
    assert "refused" not in capsys.readouterr().err
    again, found = run(2, Checkpoint(folder, identity))
    assert again == history
    assert same(found, expected)
    assert f"{folder / 'state.pt'}: refused, it goes to epoch 3 where 2 epochs are asked for" in capsys.readouterr().err
    assert (folder / "refused-1.pt").read_bytes() == later
    run(3, Checkpoint(folder, identity))
    assert not (folder / "refused-2.pt").exists()  # more epochs than held: it goes on


def test_a_discarded_part_leaves_what_was_set_aside(tmp_path):
    checkpoint = Checkpoint(tmp_path, {}).part("trial-0")
    checkpoint.discard()  # nothing there yet
    checkpoint.save({"history": []})
    checkpoint.refuse("it is foreign")
    checkpoint.save({"history": []})
    checkpoint.discard()
    assert [path.name for path in (tmp_path / "trial-0").iterdir()] == ["refused-1.pt"]
    other = Checkpoint(tmp_path, {}).part("trial-1")
    other.save({"history": []})
    other.discard()
    assert not other.folder.exists()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_differs_slightly(tmp_path, precision):
    data = synthetic.write(tmp_path)
    train, losses, scores = data.dataset.split("train"), [], []
    for name in ("float32", precision):
        model, settings = network(data), SETTINGS.but({"lr": 0.005, "precision": name, "clip": 5.0})
        losses.append([row["train_loss"] for row in fit(model, data.task, train, settings, seed=1, device=CPU)])
        scores.append(predict(model, data.task, train, settings, device=CPU))
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
    assert np.isfinite(scores[1]).all()
    assert np.corrcoef(scores[0].ravel(), scores[1].ravel())[0, 1] > 0.95


@pytest.mark.parametrize("precision", [None, "float32", "tf32", "bfloat16"])
def test_a_gpu_rounds_products_of_float32_only_where_asked_to(precision):
    """Also those of the backward pass, which comes after the forward pass is left."""
    wanted = "tf32" if precision == "tf32" else "ieee"
    for before in ("tf32", "ieee"):
        torch.backends.cuda.matmul.fp32_precision = torch.backends.cudnn.conv.fp32_precision = before
        with autocast(CPU, precision):
            assert torch.is_autocast_enabled("cpu") == (precision == "bfloat16")
        assert torch.backends.cuda.matmul.fp32_precision == wanted
        assert torch.backends.cudnn.conv.fp32_precision == wanted


def test_on_a_cpu_tf32_is_float32(tmp_path):
    data = synthetic.write(tmp_path)
    train, found = data.dataset.split("train"), []
    for name in ("float32", "tf32"):
        model = network(data)
        fit(model, data.task, train, SETTINGS.but({"epochs": 1, "precision": name}), seed=1, device=CPU)
        found.append(weights(model))
    assert same(*found)


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValidationError, match=r"precision\n.*'float32', 'tf32', 'bfloat16' or 'float16'.*'bf16'"):
        SETTINGS.but({"precision": "bf16"})


def test_a_diverging_loss_stops_and_keeps_the_last_good_state(tmp_path):
    data = synthetic.write(tmp_path)
    checkpoint = Checkpoint(tmp_path / "checkpoint", {})
    calls = []

    class Diverges(type(data.task)):
        def loss(self, output, batch):
            calls.append(1)
            return super().loss(output, batch) * (float("nan") if len(calls) > 20 else 1)

    with pytest.raises(
        DivergedError, match=r"train_loss became nan at step \d+ in epoch 3 of 6; lower the learning rate"
    ):
        fit(
            network(data),
            Diverges(),
            data.dataset.split("train"),
            SETTINGS,
            seed=1,
            device=CPU,
            checkpoint=checkpoint,
            label="experiment",
        )
    assert len(checkpoint.load()["history"]) == 2


def test_a_batch_larger_than_the_split_is_refused(tmp_path):
    data = synthetic.write(tmp_path)
    with pytest.raises(UserError, match=r"a batch of 500 .*'train'.*128"):
        Loader(data.dataset.split("train"), 500, CPU)


def test_a_last_single_sample_is_left_out(tmp_path):
    data = synthetic.write(tmp_path, samples={"train": 33, "valid": 8, "test": 8})
    loader = Loader(data.dataset.split("train"), 16, CPU)
    assert [len(batch["x"]) for batch in loader.shuffled(np.random.default_rng(0))] == [16, 16]


def test_batches_of_one_sample_are_no_step_more(tmp_path):
    """And so a poly schedule comes to its end: the last of eight steps has an eighth left, to the power of 0.9."""
    data = synthetic.write(tmp_path, samples={"train": 8, "valid": 4, "test": 4})
    loader = Loader(data.dataset.split("train"), 1, CPU)
    settings = SETTINGS.but({"epochs": 1, "batch_size": 1, "lr": 1.0, "schedule": {"name": "poly", "power": 0.9}})
    rates = [rate for _, rate in ScheduledBatches(data.task, loader, settings, seed=0, epoch=0)]
    assert len(rates) == loader.steps == 8
    assert rates[-1] == pytest.approx(0.125**0.9)  # 0.154


def test_outputs_do_not_depend_on_the_batch_size(tmp_path):
    data = synthetic.write(tmp_path)
    model, split = network(data), data.dataset.split("test")
    settings = PredictionSettings(batch_size=64)
    whole = predict(model, data.task, split, settings, device=CPU)
    assert (whole.dtype, whole.shape) == (np.float32, (64, 2))
    others = PredictionSettings(batch_size=64, test_batch_size=7)
    np.testing.assert_allclose(predict(model, data.task, split, others, device=CPU), whole, atol=1e-5)
    loader = prediction_loader(split, settings, CPU)
    for _ in range(2):  # a loader serves again and again
        np.testing.assert_array_equal(predict(model, data.task, loader, settings, device=CPU), whole)


def test_outputs_that_are_not_finite_are_refused(tmp_path):
    data = synthetic.write(tmp_path)
    model = network(data)
    with torch.no_grad():
        model.head.bias[0] = float("inf")
    with pytest.raises(DivergedError, match="synthetic: the network's output on 'valid' is not finite; lower lr"):
        predict(model, data.task, data.dataset.split("valid"), PredictionSettings(batch_size=8), device=CPU)


class Watched(torch.nn.Linear):
    """Says which hooks are called, and when."""

    def __init__(self, log):
        super().__init__(3 * 16 * 16, 2)
        self.log = log

    def forward(self, x):
        return super().forward(x.flatten(1))


class Ramped(Watched):
    def start_epoch(self, epoch, epochs):
        self.log.append((epoch, epochs))


class Projected(Watched):
    def project_weights(self):
        with torch.no_grad():
            self.weight.clamp_(-0.001, 0.001)
        self.log.append("projected")


def test_networks_are_told_of_epochs_and_steps(tmp_path):
    data = synthetic.write(tmp_path, samples={"train": 32, "valid": 4, "test": 4})
    train = data.dataset.split("train")
    ramped = Ramped([])
    fit(ramped, data.task, train, SETTINGS, seed=1, device=CPU, epochs=2)
    assert ramped.log == [(0, 6), (1, 6)]
    projected = Projected([])
    fit(projected, data.task, train, SETTINGS, seed=1, device=CPU, epochs=2)
    assert projected.log == ["projected"] * 4
    assert projected.weight.abs().max() <= 0.001 < ramped.weight.abs().max()
