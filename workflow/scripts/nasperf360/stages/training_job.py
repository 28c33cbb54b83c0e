"""What a search and a retraining share: the lock, the data, the cost, the checkpoint, and what they rest on."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nasperf360.data.datasets import Dataset
from nasperf360.devices.claims import Place, place
from nasperf360.errors import UserError
from nasperf360.files import atomic_path, write_json
from nasperf360.job import log, note
from nasperf360.locks import locked, worker_folder
from nasperf360.spaces.shared.counts import count_multiply_adds, count_parameters
from nasperf360.stages.code_digest import check_code
from nasperf360.stages.experiment import Experiment, Machine, provenance, verify_once
from nasperf360.stages.provenance import CostMeter, together, versions
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.fitting import setup_torch
from nasperf360.training.loop import History


@dataclass(frozen=True)
class TrainingJob:
    """A search or a retraining under way; :func:`training_job` makes it.

    Args:
        experiment: task, method, seed, at its stage.
        machine: what the job was given.
        code: digests of the source files that it was planned with.
        folder: of its checkpoint.
        own: what it alone has locked: the same folder, or one in it if it is one of several workers.
        dataset: the processed data, verified.
        device: where to train.
        place: on the GPU that it has claimed, or why it has none.
        meter: of its cost, from here on.
    """

    experiment: Experiment
    machine: Machine
    code: Mapping[str, str]
    folder: Path
    own: Path
    dataset: Dataset
    device: torch.device
    place: Place
    meter: CostMeter

    def provenance(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What the result will rest on, given all resolved settings of the job."""
        given = {**settings, "compute_threads": self.machine.threads}
        return provenance(self.experiment, self.dataset.manifest, given, self.code)

    @contextmanager
    def resumable(self, origin: Mapping[str, Any]) -> Iterator[Checkpoint]:
        """Train within: a checkpoint that is valid for this provenance, these versions and this kind of device only.

        The time spent adds up over attempts. Enter it once all modules are loaded, and write results after it: the
        sources are compared with the planned ones at both ends.

        Raises:
            UserError: the sources changed; the checkpoint stays, for when they are those again.
        """
        check_code(self.code)
        identity = {**origin, "versions": versions(), "device": self.device.type, "experiment": str(self.experiment)}
        checkpoint = Checkpoint(self.folder, identity, self.machine.checkpoint_seconds)
        with self.meter.over_attempts(self.own, checkpoint.digest):
            yield checkpoint
        check_code(self.code)

    def record(self, model: nn.Module, input_shape: tuple[int, ...], origin: Mapping[str, Any]) -> dict[str, Any]:
        """What stands in every result: names, size of the network, origin of the data, provenance."""
        return {
            **self.experiment.names(),
            "parameters": count_parameters(model),
            "multiply_adds": count_multiply_adds(model, input_shape),
            "simulated": self.dataset.simulated,
            "provenance": dict(origin),
        }

    def write_cost(
        self,
        path: str,
        history: Sequence[Mapping[str, Any]],
        shared_with: Sequence[Mapping[str, Any]] = (),
        **further: Any,
    ) -> None:
        """What the job cost so far, and where it ran: all that is not reproducible.

        Args:
            path: of ``cost.json``.
            history: of the job; where it knows the seconds of its rows, they are written too.
            shared_with: costs of the workers that did the same with it, which are added to its own.
            further: entries.
        """
        seconds = history.seconds if isinstance(history, History) else []
        content = {
            **together(self.meter.read(), shared_with),
            "gpu": self.place.gpu,
            "warning": self.place.warning(self.device.type),
            "simulated": self.dataset.simulated,
            "history_seconds": seconds,
            **further,
        }
        write_json(path, content)


@contextmanager
def training_job(
    experiment: Experiment, machine: Machine, code: Mapping[str, str], data: str, *, worker: int = 0
) -> Iterator[TrainingJob]:
    """Wait for the experiment's lock and for a GPU, set torch up, open the data and verify them.

    The lock is held until the results are written, so that an orphan and its successor never meet; who waits for it
    holds no GPU. Workers hold it together, and each that of its own folder.

    Args:
        experiment: at its stage.
        machine: what the job was given.
        code: digests of the source files that it was planned with.
        data: the processed data set.
        worker: its number among those that share the search; 0: it has the experiment for itself.

    Raises:
        UserError: there is no such device, or no locks for workers.
        DataError: the data are not those of their manifest.
    """
    of_task = Path(machine.checkpoints) / experiment.task
    folder = of_task / experiment.method / str(experiment.seed)
    own = worker_folder(folder, worker) if worker else folder
    with (
        locked(folder, shared=bool(worker)),
        locked(own) if worker else nullcontext(),
        ExitStack() as claim,
        Dataset(data, machine.data_memory_mb << 20) as dataset,
    ):
        gpu = claim.enter_context(place(machine.device, machine.gpu, machine.jobs_per_gpu))
        write_json(own / "begun.json", {"mem_mb": machine.mem_mb})  # for the next attempt, should this one be killed
        device = setup_torch(machine.threads, machine.device, gpu=machine.gpu)
        if device.type == "cpu":
            claim.close()  # nobody is to wait for a GPU that torch cannot use
        # A machine without any GPU is no news to who started hundreds of jobs there; one that torch cannot use is.
        say = log if gpu.gpu and device.type == "cpu" else note
        say(f"{experiment}: {gpu.said(device.type)}")
        meter = CostMeter(device.type, machine.threads)
        verify_once(dataset, of_task)
        yield TrainingJob(experiment, machine, code, folder, own, dataset, device, gpu, meter)


def write_history(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """History as csv, one row per epoch or trial; the columns are those of all rows.

    Raises:
        UserError: a value that is no number, text, bool or None.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_path(path) as partial, open(partial, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _tidy(path, name, value) for name, value in row.items()})


def _tidy(path: str | Path, name: str, value: Any) -> Any:
    if not isinstance(value, Number | str | np.generic | None):
        raise UserError(
            f"{path}: the column '{name}' holds a {type(value).__name__}; the search or training is to write a number, "
            "text, bool or None there (item() gives a tensor's number)"
        )
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value
