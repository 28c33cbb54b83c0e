"""One experiment of the study: a (task, method, seed) with its data, its settings and the machine it runs on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasperf360.files import digest_file, digest_json
from nasperf360.locks import locked
from nasperf360.seeds import derive_seed
from nasperf360.tasks.shared.task_spec import label_classes

if TYPE_CHECKING:
    from nasperf360.data.datasets import Dataset
    from nasperf360.stages.modules import Stage


@dataclass(frozen=True)
class Experiment:
    """An experiment at one stage."""

    stage: Stage
    task: str
    method: str
    seed: int

    def __str__(self) -> str:
        return f"{self.stage} {self.task} {self.method} seed {self.seed}"

    @classmethod
    def of(cls, stage: Stage, wildcards: Any) -> Experiment:
        """From the ``wildcards`` of a job."""
        return cls(stage, wildcards.task, wildcards.method, int(wildcards.seed))

    @property
    def derived_seed(self) -> int:
        """Seed of every random number of the experiment."""
        return derive_seed(self.task, self.method, self.seed, self.stage)

    def names(self) -> dict[str, Any]:
        """Task, method, space and algorithm as in the paper's tables, and seed."""
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
    data_memory_mb: int
    jobs_per_gpu: int = 1
    mem_mb: int = 0

    @classmethod
    def of(cls, params: Any, resources: Any) -> Machine:
        """From the ``params`` and ``resources`` of a job."""
        return cls(
            params.compute_threads,
            resources.device,
            int(resources.gpu),
            resources.checkpoints,
            float(resources.checkpoint_seconds),
            int(resources.data_memory),
            int(resources.jobs_per_gpu),
            int(resources.mem_mb),
        )


def verify_once(dataset: Dataset, folder: Path) -> None:
    """Compare data with their manifest's digest; of all jobs with the same ``folder``, one reads the whole file.

    Raises:
        DataError: they differ.
    """
    with locked(folder):
        dataset.verify(folder / "verified.json", label_classes(dataset.manifest["task"]))


def provenance(
    experiment: Experiment, data: Mapping[str, Any], settings: Mapping[str, Any], code: Mapping[str, str]
) -> dict[str, Any]:
    """What a result rests on: digests of data and code, resolved settings, seeds.

    Args:
        experiment: whose result it is.
        data: the data set's manifest.
        settings: all params of the job but the code, ``compute_threads`` too.
        code: digest of each source file, by path.
    """
    return {
        "data_sha256": data["sha256"],
        "code_sha256": digest_json(code),
        "settings": dict(settings),
        "seed": experiment.derived_seed,
    }


def checksummed(content: Mapping[str, Any]) -> dict[str, Any]:
    """``content`` with a digest of itself, so that a later edit shows. It keeps no one from writing both anew."""
    return {**content, "sha256": digest_json(content)}


def is_checksummed(content: Mapping[str, Any]) -> bool:
    """Whether ``content`` is what :func:`checksummed` made."""
    return dict(content) == checksummed({key: value for key, value in content.items() if key != "sha256"})


def digests(*paths: str) -> dict[str, str]:
    """Sha256 of each file, by its name."""
    return {Path(path).name: digest_file(path) for path in paths}
