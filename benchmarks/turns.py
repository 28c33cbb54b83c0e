"""Turns of the paper's experiments: one step of a search, one step of a training, as the pipeline takes them.

A turn of a search is a step of the weights and, where there is one, a step of the architecture parameters.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests" / "methods")]

from true_shapes import SHAPES, write  # noqa: E402

from nasperf360.algorithms.darts.search import AdamRule  # noqa: E402
from nasperf360.algorithms.densenas.search import PARTS, WEIGHT_PARTS, DenseNasSteps  # noqa: E402
from nasperf360.algorithms.enas.controller import Controller  # noqa: E402
from nasperf360.algorithms.enas.search import EnasSteps  # noqa: E402
from nasperf360.algorithms.gaea.search import SimplexRule  # noqa: E402
from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec  # noqa: E402
from nasperf360.algorithms.shared.bilevel import BilevelSteps  # noqa: E402
from nasperf360.algorithms.shared.problem import Problem  # noqa: E402
from nasperf360.data.datasets import Dataset  # noqa: E402
from nasperf360.seeds import generator  # noqa: E402
from nasperf360.settings.layers import merge  # noqa: E402
from nasperf360.settings.yaml_files import read_yaml  # noqa: E402
from nasperf360.spaces.shared.search_space import search_space  # noqa: E402
from nasperf360.study import configuration  # noqa: E402
from nasperf360.tasks.shared.task_training import Batch, TaskTraining, task_training  # noqa: E402
from nasperf360.training.batches import Loader, training_loader  # noqa: E402
from nasperf360.training.checkpoints import Checkpoint  # noqa: E402
from nasperf360.training.optimizers import make_optimizer  # noqa: E402
from nasperf360.training.settings import RetrainSettings, TrainingSettings  # noqa: E402
from nasperf360.training.step import WeightSteps  # noqa: E402

FEW = 2  # of a batch, where every batch is the smallest; DenseNAS' weights take four times its own
RULES = {"gaea": SimplexRule, "darts": AdamRule}


@dataclass(frozen=True)
class Turn:
    """Of a network, with the loss of its weights; each draws the next batches.

    Args:
        network: as it is trained.
        take: takes one.
        batch: samples of a step of the weights.
    """

    network: nn.Module
    take: Callable[[], Tensor]
    batch: int


class Experiments:
    """Those of a study, on random samples of the true shapes.

    Args:
        folder: of the samples.
        device: where to train.
        scale: of the settings.
        smallest: batches of :data:`FEW`.
        given: further keys of the configuration, such as ``precision``.
    """

    def __init__(
        self, folder: Path, device: torch.device, scale: str = "paper", *, smallest: bool = False, **given: Any
    ):
        self.folder, self.device, self.smallest = folder, device, smallest
        shipped = read_yaml(ROOT / "config" / "config.yaml")
        self.config = configuration.resolve(merge(shipped, {"scale": scale, "source": "simulated", **given}))

    def cells(self) -> list[tuple[str, str]]:
        """Tasks and methods."""
        return configuration.experiments(self.config)

    def turn(self, task: str, method: str, stage: str) -> Turn | None:
        """Of an experiment's ``search`` or ``retrain``; None where the search trains nothing."""
        definition = configuration.method(self.config, method)
        algorithm = algorithm_spec(definition["algorithm"])
        if stage == "retrain":
            return self._training(task, method, {})
        search = configuration.search_settings(self.config, task, method)["search"]
        settings: Any = algorithm.settings.model_validate(search)
        if algorithm.trains_trials:
            return self._training(task, method, settings.params().get("training", {}))
        return self._search(algorithm.name, task, method, settings) if algorithm.trains else None

    def _training(self, task_name: str, method: str, changes: dict[str, Any]) -> Turn:
        """Of the method's default architecture, or of one drawn from its space."""
        retrain = configuration.retrain_settings(self.config, task_name, method)
        settings = RetrainSettings.model_validate(retrain)
        training = TrainingSettings.model_validate({**settings.of_trials(), **changes})
        batch = FEW if self.smallest else training.batch_size
        task, dataset = task_training(task_name, training.task), self.dataset(task_name, batch)
        train = dataset.split("train")
        task.fit(train)
        space = self.space(task, method, dataset)
        default = configuration.method(self.config, method)["algorithm"] in ("default", "asha")
        torch.manual_seed(0)
        network = space.build(space.default() if default else space.sample(generator("check", task_name, method)))
        network = network.to(self.device).train()
        optimizer = make_optimizer(network.parameters(), training)
        steps = WeightSteps(network, task, optimizer, self.device, training.precision, training.clip)
        batches = Batches(task, training_loader(task, train, batch, self.device))
        return Turn(network, lambda: steps.step(next(batches), training.lr), batch)

    def _search(self, algorithm: str, task_name: str, method: str, settings: Any) -> Turn:
        settings = settings.but({"batch_size": FEW}) if self.smallest else settings
        task = task_training(task_name, settings.task)
        parts = {"densenas": PARTS, "enas": 1}.get(algorithm, 2)
        dataset = self.dataset(task_name, parts * settings.batch_size)
        nowhere = Checkpoint(self.folder / "checkpoint", {})
        space = self.space(task, method, dataset)
        problem = Problem(task, dataset, settings, {}, None, 0, self.device, nowhere)
        torch.manual_seed(0)
        if algorithm == "enas":
            shared = space.shared().to(self.device).train()
            enas = EnasSteps(space, problem, shared, Controller(space.depth, len(space.operations)))
            own, draws = Batches(task, enas.loader), torch.Generator().manual_seed(0)
            return Turn(shared, lambda: enas.weight_step(next(own), draws), settings.batch_size)
        if algorithm == "densenas":
            dense = DenseNasSteps(space.supernet().to(self.device).train(), problem)
            weights, others = Batches(task, dense.weight_loader), Batches(task, dense.architecture_loader)

            def turn() -> Tensor:
                dense.architecture_step(next(others))
                return dense.weight_step(next(weights), settings.lr, uniform=False)

            return Turn(dense.supernet, turn, WEIGHT_PARTS * settings.batch_size)
        steps = BilevelSteps(space, problem, RULES[algorithm])
        steps.supernet.train()
        first, second = Batches(task, steps.weight_loader), Batches(task, steps.architecture_loader)

        def both() -> Tensor:
            loss = steps.weight_step(next(first), settings.lr)
            steps.architecture_step(next(second))
            return loss

        return Turn(steps.supernet, both, settings.batch_size)

    def space(self, task: TaskTraining, method: str, dataset: Dataset) -> Any:
        """The search space of a method on a data set."""
        signature = task.signature(dataset.split("train").shape("x"))
        assert signature.input_shape == SHAPES[task.spec.name].inputs
        settings = configuration.space_settings(self.config, task.spec.name, method)
        return search_space(configuration.method(self.config, method)["space"], signature, settings)

    def dataset(self, task: str, train: int) -> Dataset:
        """Random samples, so many to train on."""
        path = self.folder / f"{task}-{train}.h5"
        return Dataset(path) if path.exists() else write(path, task, {"train": train, "valid": 4, "test": 4})


class Batches:
    """Augmented batches without end, each a fresh draw of all samples."""

    def __init__(self, task: TaskTraining, loader: Loader):
        self.task, self.loader, self.number = task, loader, 0
        self.augmentation = torch.Generator().manual_seed(0)

    def __next__(self) -> Batch:
        self.number += 1
        return self.task.augment(self.loader.random(generator("check", self.number)), self.augmentation)


def numbers_of(network: nn.Module) -> list[np.ndarray]:
    """All weights and statistics, in the order of their names."""
    state = sorted(network.state_dict().items())
    return [value.detach().cpu().numpy() for _, value in state if isinstance(value, Tensor)]
