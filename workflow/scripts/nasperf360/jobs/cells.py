"""One cell of the study: a (task, method, seed) with its data, its settings and the machine it runs on."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasperf360.files import atomic_path, digest_file, digest_json
from nasperf360.jobs.provenance import versions
from nasperf360.locks import locked
from nasperf360.seeds import derive_seed

if TYPE_CHECKING:
    from nasperf360.data.datasets import Dataset
    from nasperf360.training.checkpoints import Checkpoint


@dataclass(frozen=True)
class Cell:
    """A cell at one stage, ``search`` or ``retrain``."""

    stage: str
    task: str
    method: str
    seed: int

    def __str__(self) -> str:
        return f"{self.stage} {self.task} {self.method} seed {self.seed}"

    @property
    def derived_seed(self) -> int:
        """Seed of every random number of the cell."""
        return derive_seed(self.task, self.method, self.seed, self.stage)

    def names(self) -> dict[str, Any]:
        """Task, method, its two halves as in the paper's tables, and seed."""
        space, _, algorithm = self.method.partition("-")
        return {
            "task": self.task,
            "method": self.method,
            "space": space,
            "algorithm": algorithm,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Machine:
    """What a job was given. Threads change bits and stand in the provenance; the device does, and nothing else."""

    threads: int
    device: str
    gpu: int
    checkpoints: str
    checkpoint_seconds: float

    @classmethod
    def of(cls, params: Any, resources: Any) -> Machine:
        """From the ``params`` and ``resources`` of a job."""
        return cls(
            params.compute_threads,
            resources.device,
            int(resources.gpu),
            resources.checkpoints,
            float(resources.checkpoint_seconds),
        )

    def folder(self, cell: Cell) -> Path:
        """Of the cell's checkpoint."""
        return Path(self.checkpoints) / cell.task / cell.method / str(cell.seed)

    def locked(self, cell: Cell) -> AbstractContextManager[None]:
        """The cell's lock: held until the results are written, so that an orphan and its successor never meet."""
        return locked(self.folder(cell))

    def verify(self, cell: Cell, dataset: Dataset) -> None:
        """Compare the data with their manifest's digest; of all the jobs on a task, one reads the whole file.

        Raises:
            DataError: they differ.
        """
        folder = Path(self.checkpoints) / cell.task
        with locked(folder):
            dataset.verify(folder / "verified.json")

    def checkpoint(self, cell: Cell, provenance: Mapping[str, Any], device: str) -> Checkpoint:
        """The cell's checkpoint, valid for this code, these settings, data, versions and kind of device only."""
        from nasperf360.training.checkpoints import Checkpoint

        identity = {**provenance, "versions": versions(), "device": device, "cell": str(cell)}
        return Checkpoint(self.folder(cell), identity, self.checkpoint_seconds)


def provenance(cell: Cell, data: Mapping[str, Any], settings: Mapping[str, Any], code: Any) -> dict[str, Any]:
    """What a result rests on: digests of data and code, resolved settings, seeds.

    Args:
        cell: the cell.
        data: the data set's manifest.
        settings: all params of the job but the code, ``compute_threads`` too.
        code: digest of each source file, by path.
    """
    return {
        "data_sha256": data["sha256"],
        "code_sha256": digest_json(code),
        "settings": dict(settings),
        "seed": cell.derived_seed,
    }


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """``content`` with a digest of itself, so that a later edit shows. It keeps no one from writing both anew."""
    return {**content, "sha256": digest_json(content)}


def is_sealed(content: Mapping[str, Any]) -> bool:
    """Whether ``content`` is what :func:`sealed` made."""
    return dict(content) == sealed({key: value for key, value in content.items() if key != "sha256"})


def digests(*paths: str) -> dict[str, str]:
    """Sha256 of each file, by its name."""
    return {Path(path).name: digest_file(path) for path in paths}


def write_history(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """History as csv, one row per epoch or trial; the columns are those of all rows."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_path(path) as partial, open(partial, "w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _tidy(value) for name, value in row.items()})


def _tidy(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value
