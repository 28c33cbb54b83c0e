"""Each split by itself: the one that is missing is named, and each is used for what it is for."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import synthetic
from nasperf360.data.datasets import Dataset, DatasetWriter
from nasperf360.data.raw import RawFiles, write_manifest
from nasperf360.errors import DataError, UserError
from nasperf360.stages.retrain import held_out
from nasperf360.tasks.darcy.data import preprocess
from nasperf360.training.optimizers import make_optimizer
from nasperf360.training.settings import RetrainSettings
from nasperf360.training.step import WeightSteps

CPU = torch.device("cpu")
NEEDED, FINAL = ("train", "valid", "test"), ("final_train", "final_test")
SETTINGS = RetrainSettings.model_validate({"epochs": 1, "batch_size": 8, "lr": 0.1, "schedule": {"name": "constant"}})


def write(path, names):
    with DatasetWriter(path, task="ecg", origin="simulated", licence="none") as writer:
        for size, name in enumerate(names, 2):
            split = writer.split(name, x=((1, 4), "float32"), y=((), "int64"), classes=4)
            split.append(x=np.zeros((size, 1, 4), np.float32), y=np.zeros(size, np.int64))


@pytest.mark.parametrize("name", NEEDED)
def test_a_split_that_was_not_written(tmp_path, name):
    with pytest.raises(DataError, match=f"data.h5: no split '{name}' was written"):
        write(tmp_path / "data.h5", [other for other in NEEDED if other != name])


@pytest.mark.parametrize("name", [*NEEDED, *FINAL])
def test_a_split_that_the_manifest_lacks(tmp_path, name):
    path = tmp_path / "data.h5"
    write(path, (*NEEDED, *FINAL))
    manifest = path.with_suffix(".json")
    content = json.loads(manifest.read_text())
    del content["splits"][name]
    manifest.write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"no split '{name}' in the manifest"):
        Dataset(path)


def test_splits_of_the_final_number(tmp_path):
    write(tmp_path / "own.h5", (*NEEDED, *FINAL))
    write(tmp_path / "none.h5", NEEDED)
    with Dataset(tmp_path / "own.h5") as own, Dataset(tmp_path / "none.h5") as none:
        assert [len(split) for split in (*own.tuning(), *own.final(True), *own.final(False))] == [2, 3, 5, 6, 5, 6]
        assert [len(split) for split in (*none.tuning(), *none.final(True), *none.final(False))] == [2, 3, 5, 4, 2, 4]


@pytest.mark.parametrize("name", NEEDED)
def test_darcy_s_rows_are_given_for_each_split(tmp_path, name):
    rows = {split: [2 * number, 2 * number + 2] for number, split in enumerate(NEEDED) if split != name}
    (tmp_path / "smooth.mat").write_bytes(b"")
    entry = (tmp_path / "smooth.mat", "solutions", {"rows": rows, "stride": 5})
    write_manifest(tmp_path / "files.json", "darcy", "original", "none", [entry])
    with pytest.raises(UserError, match=f"smooth.mat: no file has rows for {name}; add"):
        preprocess(RawFiles.open(tmp_path / "files.json"), None, None)


def test_a_final_training_without_the_validation_split_is_validated_on_that(tmp_path):
    data = synthetic.write(tmp_path, samples={"train": 16, "valid": 12, "test": 8})
    job = SimpleNamespace(dataset=data.dataset, device=CPU, experiment="an experiment")
    model, looking = torch.nn.Flatten(), SETTINGS.model_copy(update={"validate_every": 1})
    train, merged = data.dataset.split("train"), data.dataset.split("train", "valid")
    assert held_out(model, data.task, train, job, looking).loader.split.name == "valid"
    assert held_out(model, data.task, train, job, SETTINGS).loader is None
    assert held_out(model, data.task, merged, job, looking) is None


def test_the_scale_of_losses_in_float16_goes_on_from_a_checkpoint(tmp_path):
    data = synthetic.write(tmp_path, samples={"train": 16, "valid": 12, "test": 8})

    def steps(precision):
        model = torch.nn.Linear(2, 2)
        return WeightSteps(model, data.task, make_optimizer(model.parameters(), SETTINGS), CPU, precision)

    first, second = steps("float16"), steps("float16")
    first.scaler.scale(torch.ones(()))
    first.scaler.update(8.0)
    second.load_state_dict(first.state_dict())
    assert second.scaler.get_scale() == 8.0
    assert not steps("bfloat16").scaler.is_enabled()


def test_a_step_that_overflows_in_float16_changes_no_weight_and_halves_the_scale():
    task = SimpleNamespace(inputs=lambda batch: batch["x"], loss=lambda output, batch: 1e6 * output.sum())
    model = torch.nn.Linear(2, 2)
    steps = WeightSteps(model, task, make_optimizer(model.parameters(), SETTINGS), CPU, "float16")
    before, scale = model.weight.clone(), steps.scaler.get_scale()
    steps.step({"x": torch.ones(3, 2)}, 0.1)
    assert torch.equal(model.weight, before)
    assert steps.scaler.get_scale() == scale / 2
