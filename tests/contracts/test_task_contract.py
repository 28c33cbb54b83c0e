"""What every task has to fulfil, one's own too: its folder is found by its name, see ``demo.py``.

From raw files through preprocessing, training and evaluation as the stages run them; the number of ``result.json`` is
computed anew from ``model.pt``.
"""

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from demo import NUMBERS, config, processed, simulated, summary
from torch import nn

from nasperf360.data.datasets import Dataset, Split
from nasperf360.data.raw import RawFiles
from nasperf360.errors import UserError
from nasperf360.estimate.sizes import PUBLISHED
from nasperf360.files import read_json
from nasperf360.library import load_experiment
from nasperf360.registry import has_room, names
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.stages import retrain as stage
from nasperf360.stages.evaluate import evaluate
from nasperf360.stages.experiment import Experiment, Machine
from nasperf360.stages.retrain import retrain
from nasperf360.stages.scoring import shape
from nasperf360.study import configuration
from nasperf360.tasks.shared.metrics import task_metric
from nasperf360.tasks.shared.per_sample import Redrawn, task_per_sample
from nasperf360.tasks.shared.task_spec import task_spec
from nasperf360.tasks.shared.task_training import TaskTraining, task_training

METHOD = "wrn-default"


@dataclass
class Made:
    """A task's raw files and data set."""

    task: str
    folder: Path
    raw: RawFiles
    dataset: Dataset

    def fitted(self) -> TaskTraining:
        training = task_training(self.task)
        training.fit(self.dataset.final(training.spec.merge_valid)[0])
        return training

    def splits(self) -> dict[str, Split]:
        return {name: self.dataset.split(name) for name in self.dataset.manifest["splits"]}


@pytest.fixture(scope="module", params=names("tasks"))
def made(request, tmp_path_factory) -> Made:
    if task_spec(task_spec(request.param).raw).simulate is None:
        pytest.skip("no simulator writes raw files of it")
    folder = tmp_path_factory.mktemp(request.param)
    raw = simulated(request.param, folder / "raw")
    return Made(request.param, folder, raw, processed(request.param, raw, folder / "data" / f"{request.param}.h5"))


@pytest.fixture(autouse=True)
def _restored_determinism():
    """A job turns deterministic algorithms on for its whole process."""
    yield
    torch.set_deterministic_debug_mode("default")


def batch_of(split: Split, count: int) -> dict[str, torch.Tensor]:
    return {field: torch.from_numpy(split.load(field)[:count]) for field in split.fields}


def rows(split: Split) -> set[bytes]:
    return {row.tobytes() for row in split.load("x")}


def test_splits_share_no_sample(made):
    splits = made.splits()
    assert {"train", "valid", "test"} <= splits.keys()
    apart = [("train", "valid"), ("train", "test"), ("valid", "test")]
    if "final_train" in splits:
        apart.append(("final_train", "final_test"))
        assert not rows(splits["final_train"]) & rows(made.dataset.final(True)[1])
    for first, second in apart:
        assert not rows(splits[first]) & rows(splits[second]), (first, second)


def test_files_hold_their_content_alone(made):
    """No time of day in raw files, so that equal seeds give equal bytes; no room that was taken and not needed."""
    for path in made.raw.manifest.parent.rglob("*.mat"):
        assert b"Created on" not in path.read_bytes()[:128]
    with h5py.File(made.dataset.path, locking=False) as file:
        assert file.id.get_filesize() == made.dataset.path.stat().st_size


def test_the_demo_s_data_are_those_of_before(made):
    """A change of what is simulated or preprocessed shows; if meant, ``write_demo_data.py`` writes the numbers anew."""
    expected = read_json(NUMBERS).get(made.task)
    if expected is None:
        pytest.skip("nothing is noted of it")
    found = summary(made.dataset)
    assert found.keys() == expected.keys()
    for split, fields in found.items():
        assert fields.keys() == expected[split].keys()
        for field, numbers in fields.items():
            scale = abs(expected[split][field][1]) + expected[split][field][2]
            assert numbers == pytest.approx(expected[split][field], rel=1e-4, abs=1e-4 * scale), (split, field)


def test_inputs_are_as_the_signature_says(made):
    training, (train, test) = made.fitted(), made.dataset.final(task_spec(made.task).merge_valid)
    expected = training.signature(train.shape("x")).input_shape
    batch = batch_of(train, 4)
    kept = {field: values.clone() for field, values in batch.items()}
    inputs = training.inputs(batch)
    assert inputs.shape == (4, *expected)
    assert inputs.dtype == torch.float32
    assert bool(inputs.isfinite().all())
    assert inputs.std() > 0
    assert all(torch.equal(batch[field], values) for field, values in kept.items()), "the batch is left alone"
    assert training.inputs(batch_of(test, 2)).shape[1] == expected[0]


def test_the_published_size_is_of_values_as_they_are_stored(made):
    if made.task not in PUBLISHED:
        pytest.skip("no size of it is published")
    train, _ = made.dataset.final(task_spec(made.task).merge_valid)
    assert PUBLISHED[made.task].value_bytes == train.read("x", np.arange(1)).itemsize


def test_augmentation_draws_from_its_generator_alone(made):
    training, train = made.fitted(), made.dataset.split("train")
    batch = batch_of(train, 8)
    kept = {field: values.clone() for field, values in batch.items()}

    def augmented(seed: int) -> dict[str, torch.Tensor]:
        return training.augment(batch, torch.Generator().manual_seed(seed))

    state = torch.get_rng_state()
    first, again, other = augmented(1), augmented(1), augmented(2)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(batch[field], values) for field, values in kept.items()), "the batch is left alone"
    assert first.keys() == batch.keys()
    assert all(torch.equal(first[field], again[field]) for field in first)
    assert all(first[field].shape == batch[field].shape for field in first)
    assert torch.equal(first["y"], batch["y"]) or task_spec(made.task).dense
    random = type(training).augment is not TaskTraining.augment
    assert torch.equal(first["x"], other["x"]) != random


def test_loss_is_a_finite_scalar_that_training_lowers(made):
    """By steps on one batch; its gradient reaches the output of every sample."""
    training, train = made.fitted(), made.dataset.split("train")
    batch = batch_of(train, 4)
    target = shape(made.task, made.dataset.final(task_spec(made.task).merge_valid)[1])[1:]
    sides = training.inputs(batch).shape[2:] if task_spec(made.task).dense else target[1:]
    output = nn.Parameter(torch.zeros(4, target[0], *sides))
    optimizer = torch.optim.Adam([output], 0.05)
    losses = []
    for _ in range(10):
        loss = training.loss(output, batch)
        assert loss.shape == ()
        optimizer.zero_grad()
        loss.backward()
        assert all(bool(gradient.any()) for gradient in output.grad)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


class Jobs:
    """The last two stages of an experiment on the task, as the scripts of the rules run them."""

    def __init__(self, made: Made, folder: Path):
        self.made, self.folder = made, folder
        self.config = config(made.task, METHOD)
        self.space = configuration.space_settings(self.config, made.task, METHOD)
        self.settings = {**configuration.retrain_settings(self.config, made.task, METHOD), "epochs": 1}

    def run(self, seed: int, architecture: dict[str, Any], **settings: Any) -> dict[str, Any]:
        """``result.json``."""
        number = len(list(self.folder.iterdir())) if self.folder.exists() else 0
        out = self.folder / f"run{number}" / "retrain" / self.made.task / METHOD / str(seed)
        out.mkdir(parents=True)
        (out / "architecture.json").write_text(json.dumps({"architecture": architecture}))
        machine = Machine(1, "cpu", 0, str(out / "checkpoints"), 0.0, 1024)
        files = {"history": "history.csv", "model": "model.pt", "predictions": "predictions.h5", "cost": "cost.json"}
        retrain(
            Experiment("retrain", self.made.task, METHOD, seed),
            "wrn",
            self.space,
            {**self.settings, **settings},
            {},
            machine,
            data=str(self.made.dataset.path),
            architecture=str(out / "architecture.json"),
            outputs={name: str(out / file) for name, file in files.items()},
        )
        evaluate(
            Experiment("evaluate", self.made.task, METHOD, seed),
            {},
            data=str(self.made.dataset.path),
            predictions=str(out / "predictions.h5"),
            cost=str(out / "cost.json"),
            output=str(out / "result.json"),
            verified=out / "verified",
        )
        self.out = out
        return read_json(out / "result.json")

    def rescored(self, split: Split) -> float:
        """The metric of ``model.pt`` on a split, by batches of seven."""
        training = self.made.fitted()
        train = self.made.dataset.final(training.spec.merge_valid)[0]
        space = search_space("wrn", training.signature(train.shape("x")), self.space)
        model = space.build({"space": "wrn"})
        model.load_state_dict(torch.load(self.out / "model.pt", weights_only=True)["network"])
        model.eval()
        fields = {field: torch.from_numpy(split.load(field)) for field in split.fields}
        with torch.no_grad():
            outputs = [
                training.predict(model, {field: values[start : start + 7] for field, values in fields.items()})
                for start in range(0, len(split), 7)
            ]
        targets = {field: split.load(field) for field in split.fields if field != "x"}
        return task_metric(self.made.task)(torch.cat(outputs).numpy().astype(np.float32), targets)


def test_the_result_is_the_metric_of_the_model_on_the_test_split(made, tmp_path, monkeypatch):
    """And of no other; the training saw the final training split, and so did what the task learned of the data."""
    spec, seen = task_spec(made.task), []
    made_of = stage.task_training

    def noted(*arguments):
        training = made_of(*arguments)
        fit = training.fit
        monkeypatch.setattr(training, "fit", lambda split: (seen.append(split.load("y")), fit(split))[1])
        return training

    monkeypatch.setattr(stage, "task_training", noted)
    train, test = made.dataset.final(spec.merge_valid)
    jobs = Jobs(made, tmp_path)
    result = jobs.run(0, {"space": "wrn"})
    assert result["value"] == pytest.approx(jobs.rescored(test), rel=1e-5)
    assert result["metric"] == {"name": spec.metric.name, "higher_is_better": spec.metric.higher_is_better}
    assert result["samples"] == {"train": len(train), "test": len(test)}
    (fitted,) = seen
    stored = made.dataset.manifest["splits"]
    names_of = ["final_train"] if "final_train" in stored else ["train", "valid"] if spec.merge_valid else ["train"]
    expected = np.concatenate([made.dataset.split(name).load("y") for name in names_of])
    assert np.array_equal(fitted, expected)
    expected_test = made.dataset.split("final_test" if "final_test" in stored else "test")
    assert np.array_equal(test.load("y"), expected_test.load("y"))


def test_a_loaded_experiment_predicts_what_was_saved(made, tmp_path):
    """To the bit, from its folder alone: what ``fit`` learned is saved with the weights; of a split and of arrays."""
    jobs = Jobs(made, tmp_path)
    jobs.run(0, {"space": "wrn"})
    loaded = load_experiment(jobs.out)
    test = made.dataset.final(loaded.training.spec.merge_valid)[1]
    with h5py.File(jobs.out / "predictions.h5") as file:
        saved = file["outputs"][:]
    threads = torch.get_num_threads()
    assert np.array_equal(loaded.predict(test), saved)
    assert np.array_equal(loaded.predict({field: test.load(field) for field in test.fields}), saved)
    assert torch.get_num_threads() == threads
    assert not loaded.network.training
    for device in ("cuda:99", "gpu"):
        with pytest.raises(UserError, match=f"^device: '{device}' cannot be used .+; leave it out to use the CPU$"):
            load_experiment(jobs.out, device)


def test_what_a_loaded_experiment_cannot_predict_is_said(made, tmp_path, monkeypatch):
    jobs = Jobs(made, tmp_path)
    jobs.run(0, {"space": "wrn"})
    monkeypatch.chdir(jobs.out)
    loaded = load_experiment(".")
    assert (loaded.task, loaded.method, loaded.seed) == tuple(load_experiment(f"../{jobs.out.name}")._key)
    test = made.dataset.final(loaded.training.spec.merge_valid)[1]
    fields = {field: test.read(field, np.arange(3)) for field in test.fields}
    x = fields["x"]
    for change, words in {
        "wider": ({"x": np.concatenate([x, x[..., :1]], -1)}, "'x' has shape"),
        "one sample": ({"x": x[0]}, "'x' has shape"),
        "none": ({"x": x[:0]}, "'x' has shape"),
        "words": ({"x": x.astype(str)}, "'x' is no field of numbers"),
        "nothing": ({"other": None}, "'other' is no field of numbers"),
        "name": ({"x/a": x}, "'x/a' is no field of numbers"),
        "fewer": ({"other": np.ones(2)}, "2 of 'other' for 3 of 'x'"),
        "infinite": ({"x": np.where(np.arange(len(x)) == 1, np.inf, x.T).T}, "'x' holds NaN or infinity"),
    }.values():
        with pytest.raises(UserError, match=f"^{made.task}: predict: {words}"):
            loaded.predict({**fields, **change})
    with pytest.raises(UserError, match=r"7: no finished training lies there, which cost\.json would tell; "):
        load_experiment(jobs.out.with_name("7"))


def test_what_the_task_learned_of_the_training_split_is_of_these_rows_alone(made):
    """Inputs change with the training rows where ``fit`` learns of their values, and else with none."""
    train = made.dataset.split("train")
    batch = batch_of(train, 4)
    first, second = copy.copy(made.fitted()), copy.copy(made.fitted())
    first.fit(train)
    second.fit(train.subset(np.arange(len(train) // 2), "first half"))
    whole, half = first.inputs(batch), second.inputs(batch)
    learned = {name: value for name, value in vars(first).items() if name != "switches"}
    # A size is none of the rows' values, and neither is noise that stands beside them.
    by_value = any(not isinstance(value, int | Split | None) for value in learned.values())
    assert torch.equal(whole, half) != by_value


def test_the_metric_follows_from_its_samples(made):
    """Of predictions at random and near the truth, of every sample once and of samples drawn anew, as paired tests do.

    The metric's own code on the drawn samples says what should come out.
    """
    test = made.dataset.final(task_spec(made.task).merge_valid)[1]
    targets, rng = test.targets(), np.random.default_rng(0)
    for near in (0.0, 2.0):
        outputs = rng.normal(size=shape(made.task, test)).astype(np.float32)
        y = targets["y"]
        if y.shape == outputs.shape or y.ndim + 1 == outputs.ndim > 2:
            outputs += near * y.reshape(outputs.shape)
        elif y.ndim == 1:
            outputs[np.arange(len(y)), y] += near
        outputs = outputs.round(1)  # some scores tie
        found = task_per_sample(made.task, outputs, targets)
        assert isinstance(found, Redrawn) != has_room("tasks", made.task, "per_sample")
        anew = Redrawn(task_metric(made.task), outputs, targets)
        once = np.ones((1, found.samples), np.int64)
        assert found.values(once)[0] == pytest.approx(task_metric(made.task)(outputs, targets), rel=1e-9)
        drawn = rng.multinomial(found.samples, np.full(found.samples, 1 / found.samples), size=6)
        if found.samples == anew.samples:
            np.testing.assert_allclose(found.values(drawn), anew.values(drawn), rtol=1e-9)
        assert not near or len(np.unique(found.values(drawn))) > 1


def test_seeds_and_hyperparameters_of_the_architecture_reach_the_training(made, tmp_path):
    """On one task of one channel: a seed is a training of its own, and what the architecture names wins."""
    if made.task != "satellite":
        pytest.skip("one task is enough: the stage is the same")
    jobs = Jobs(made, tmp_path)

    def weights(seed: int, architecture: dict[str, Any], **settings: Any) -> bytes:
        jobs.run(seed, {"space": "wrn", **architecture}, **settings)
        return (jobs.out / "model.pt").read_bytes()

    first = weights(0, {})
    assert first != weights(1, {})
    found = {"lr": 0.0123, "momentum": 0.6, "weight_decay": 0.03}
    assert first != weights(0, found) == weights(0, {}, **found)
