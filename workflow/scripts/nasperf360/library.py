"""What ``import nasperf360`` gives outside of the workflow: trained experiments, to look at and to predict with.

No job imports this file, so a change of it reruns nothing.
"""

import math
import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch
from torch import nn

from nasperf360.data.datasets import Dataset, Split
from nasperf360.data.memory import DataMemory
from nasperf360.errors import DataError, UserError
from nasperf360.files import digest_file, read_json
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.stages.evaluate import read_files
from nasperf360.study.paths import Key, data_folder, history_path, made_path, result_path
from nasperf360.tasks.shared.task_training import TaskTraining, task_training
from nasperf360.training import fitting
from nasperf360.training.epochs import Stateful
from nasperf360.training.settings import RetrainSettings


def load_experiment(folder: str | Path, device: str = "cpu") -> "LoadedExperiment":
    """A trained experiment, from the folder of its training; needs no data until it is asked for some.

    Args:
        folder: ``results/<run>/retrain/<task>/<method>/<seed>``.
        device: where the network shall be, as torch names it.

    Raises:
        UserError: no finished training lies there, a file is not that of the training, an earlier version wrote it, or
            there is no such device.
    """
    run, key = _place(Path(folder))
    cost = made_path(run, "retrain", key)
    if not cost.is_file():
        raise UserError(
            f"{folder}: no finished training lies there, which {cost.name} would tell; run it, or correct the name"
        )
    path = cost.with_name("model.pt")
    written = read_files(str(cost), path.name)[path.name]
    if not path.is_file() or digest_file(path) != written:
        raise UserError(f"{path}: not there, or not the file that {cost} names; make both anew by --forcerun {cost}")
    try:
        provenance = read_json(cost)["provenance"]
        settings = provenance["settings"]
        task = task_training(key[0], settings["retrain"]["task"])
        saved = torch.load(path, map_location="cpu", weights_only=True)
        shape = tuple(saved["sample_shape"])
        if isinstance(task, Stateful):
            task.load_state_dict(saved["task"])
        signature, architecture = task.signature(shape), settings["architecture"]
        with torch.random.fork_rng(devices=[]):  # the first weights are drawn, and no concern of who loads others
            network = search_space(architecture["space"], signature, settings["space"]).build(architecture)
        network.load_state_dict(saved["network"])
    except (KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
        raise UserError(
            f"{path}: not a network that this version of nasperf360 wrote ({str(error).splitlines()[0]}); take the "
            f"version that trained it, or train it anew by --forcerun {cost}"
        ) from error
    try:
        network = network.eval().to(device)
    except (AssertionError, RuntimeError) as error:  # torch without CUDA asserts that it has it
        raise UserError(
            f"device: '{device}' cannot be used ({str(error).splitlines()[0]}); leave it out to use the CPU"
        ) from error
    return LoadedExperiment(run, key, provenance, shape, network, task)


def _place(folder: Path) -> tuple[Path, Key]:
    """The folder of the run, and the experiment."""
    if len(folder.parts) < 5 or ".." in folder.parts:
        folder = Path(os.path.abspath(folder))
    parts = folder.parts[-4:]
    if len(parts) < 4 or parts[0] != "retrain" or not parts[3].isdecimal():
        raise UserError(f"{folder}: no folder of a training; name one as results/<run>/retrain/<task>/<method>/<seed>")
    return folder.parents[3], (parts[1], parts[2], int(parts[3]))


class LoadedExperiment:
    """A trained experiment: a task, a method and a seed.

    Attributes:
        run: its folder, ``results/<run>``.
        task, method, seed: whose it is.
        architecture: what the method found, as in ``architecture.json``.
        provenance: what the training rests on: ``settings``, digests of data and code, ``seed``.
        sample_shape: of a stored training sample ``x``.
        network: trained, in evaluation mode. It takes what ``training.inputs`` makes of a batch.
        training: how networks learn the task; it holds the normalisation that the network was trained with.
    """

    def __init__(
        self,
        run: Path,
        key: Key,
        provenance: Mapping[str, Any],
        sample_shape: tuple[int, ...],
        network: nn.Module,
        training: TaskTraining,
    ):
        self.run, self.provenance, self.sample_shape = run, provenance, sample_shape
        self.task, self.method, self.seed = self._key = key
        self.architecture: dict[str, Any] = provenance["settings"]["architecture"]
        self.network, self.training = network, training
        self._prediction = RetrainSettings.model_validate(provenance["settings"]["retrain"])

    def __repr__(self) -> str:
        return f"<{self.task} {self.method} seed {self.seed} of {self.run}>"

    def predict(self, samples: Split | np.ndarray | Mapping[str, np.ndarray]) -> np.ndarray:
        """What ``predictions.h5`` holds for the final test split: the same bits on the same kind of CPU.

        Args:
            samples: a split of the data; or ``x`` (N, ...) in the data set's own units, as its splits hold it; or
                arrays by field, where the task needs more of a sample than ``x`` (psicov: the ``length`` of a protein).

        Returns:
            (N, outputs) float32, or (N, outputs, H, W) of dense tasks: logits, or values in the units of ``y``.

        Raises:
            UserError: a wrong shape, or a field is lacking.
        """
        device = next(self.network.parameters()).device
        with _threads(self.provenance["settings"]["compute_threads"]), self._split(samples) as split:
            try:
                return fitting.predict(self.network, self.training, split, self._prediction, device=device)
            except KeyError as error:
                raise UserError(
                    f"{self.task}: predict: the field {error} of the samples is needed too; "
                    f"give {{'x': ..., {error}: ...}}"
                ) from error

    @cached_property
    def data(self) -> Dataset:
        """The data set: ``data.split("train")``, ``data.manifest``; stays open as long as the experiment lives.

        Raises:
            DataError: it is another one than that of the training.
        """
        path = data_folder(self.run.absolute()) / "data" / f"{self.task}.h5"
        dataset = Dataset(path)
        if dataset.manifest["sha256"] != self.provenance["data_sha256"]:
            raise DataError(f"{path}: not the data that {self!r} was trained on; load it beside its own data")
        return dataset

    @property
    def train(self) -> Split:
        """What the network was trained on."""
        return self.data.final(self.training.spec.merge_valid)[0]

    @property
    def test(self) -> Split:
        """What the result is of."""
        return self.data.final(self.training.spec.merge_valid)[1]

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row per epoch: ``epoch``, ``lr``, ``train_loss``, and ``valid_loss`` where it was taken."""
        return pd.read_csv(history_path(self.run, "retrain", self._key))

    @cached_property
    def result(self) -> dict[str, Any]:
        """``result.json``: ``value``, ``metric``, ``scores``, ``parameters``, ``provenance``.

        Raises:
            UserError: it was not evaluated yet.
        """
        found: dict[str, Any] = read_json(result_path(self.run, self._key))
        return found

    @contextmanager
    def _split(self, samples: Split | np.ndarray | Mapping[str, np.ndarray]) -> Iterator[Split]:
        """Samples as a split: arrays become one in memory."""
        if isinstance(samples, Split):
            yield samples
            return
        given = samples if isinstance(samples, Mapping) else {"x": samples}
        fields = {name: _single(np.asarray(values)) for name, values in given.items()}
        for name, values in fields.items():
            if values.dtype.kind not in "biuf" or not values.ndim or "/" in name or not name:
                raise UserError(f"{self.task}: predict: '{name}' is no field of numbers, samples first; give an array")
        if "x" not in fields:
            raise UserError(
                f"{self.task}: predict: no field 'x' among {', '.join(fields) or 'no fields'}; give the inputs"
            )
        expected, found = self.sample_shape, fields["x"].shape
        if not self.training.predicts(found[1:], expected) or not len(fields["x"]):
            raise UserError(
                f"{self.task}: predict: 'x' has shape {found}; give samples of {expected}, their number first"
            )
        for name, values in fields.items():
            if len(values) != len(fields["x"]):
                raise UserError(f"{self.task}: predict: {len(values)} of '{name}' for {len(fields['x'])} of 'x'")
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise UserError(f"{self.task}: predict: '{name}' holds NaN or infinity; leave such samples out")
        with h5py.File("samples", "w", driver="core", backing_store=False) as file:
            for name, values in fields.items():
                file[name] = values
            yield Split([file], "samples", DataMemory(math.inf))


def _single(values: np.ndarray) -> np.ndarray:
    """float64, numpy's own, as the float32 that data sets hold; others as they are."""
    return values.astype(np.float32) if values.dtype == np.float64 else values


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Within, torch computes with so many threads: their number changes bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
