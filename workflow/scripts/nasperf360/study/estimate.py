"""A dry estimate: how many jobs a study has, and about how many hours of a device they take. Trains nothing.

Work is counted in multiply-adds: training a sample takes three times its forward pass (the backward pass is twice as
much), evaluating it takes one. A network's forward pass is counted on torch's meta device, which holds no numbers; the
architecture that a search will find is not known, so the mean over a few drawn at random stands for it. Hours follow
from a device's peak in float32 and the fraction of it that training reaches, which is an assumption: expect a factor of
two or three between the estimate and the clock.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from nasperf360.algorithms.random.search import derivation
from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.data.datasets import Dataset, Split
from nasperf360.errors import UserError
from nasperf360.seeds import generator
from nasperf360.spaces.shared.encoding import Architecture
from nasperf360.spaces.shared.search_space import SearchSpace, search_space
from nasperf360.study import configuration
from nasperf360.study.configuration import Config
from nasperf360.study.paths import search_seed
from nasperf360.tasks.shared.task_spec import task_spec
from nasperf360.tasks.shared.task_training import task_training

TRAINING = 3  # forward passes that a training step of a sample is worth
DRAWS = 4  # architectures that stand for an unknown one
ORDERS = 1000  # of the trials of a search, that stand for an unknown one

PEAKS = {"t4": 8.1e12, "v100": 15.7e12, "a100": 19.5e12, "h100": 67e12}
"""Float32 operations per second, without tensor cores, as the maker states them; a multiply-add is two."""

UTILISATION = 0.3
"""Fraction of the peak that training reaches."""

UTILISATION_OF = {"darts": 0.07, "autodl": 0.07}
"""The same for spaces of depthwise convolutions, which wait for memory: DARTS' evaluation network trains 600 epochs of
CIFAR-10 in 1.5 days on a GTX 1080 Ti (Liu et al. 2019), 7 percent of its peak."""


@dataclass(frozen=True)
class Size:
    """Samples of a task, each of the shape of a stored training sample; larger test samples count as several.

    Args:
        shape: of a stored training sample ``x``.
        train: in an epoch of a search.
        valid: evaluated once per validation.
        final_train: in an epoch of retraining.
        test: evaluated after retraining.
        groups: of validation samples, where a validation loss looks at one of each.
    """

    shape: tuple[int, ...]
    train: int
    valid: int
    final_train: int
    test: int
    groups: int | None = None


PUBLISHED = {
    "cifar100": Size((3, 32, 32), 40_000, 10_000, 50_000, 10_000),
    "spherical": Size((3, 60, 60), 40_000, 10_000, 50_000, 10_000),
    "ninapro": Size((1, 16, 52), 2_638, 659, 3_297, 659),
    # An epoch visits a chunk per clip; every chunk, two per second of sound, is evaluated: about 8 and 28 hours.
    "fsd50k": Size((1, 96, 101), 36_796, 55_000, 36_796, 191_000, groups=4_170),
    "darcy": Size((1, 85, 85), 900, 100, 1_000, 100),
    "psicov": Size((57, 128, 128), 3_356, 100, 3_456, 150 * 16),  # test proteins of 512 x 512
    "cosmic": Size((1, 128, 128), 4_347, 483, 4_830, 420),
    "ecg": Size((1, 1000), 261_740, 33_281, 296_044, 32_471),
    "satellite": Size((1, 46), 800_000, 100_000, 900_000, 100_000),
    "deepsea": Size((4, 1000), 71_753, 2_490, 71_753, 149_400),
}
"""The tasks at full size."""


def size_of(task: str, data: Path) -> Size:
    """Of the processed data where they are there, else as published.

    Raises:
        UserError: a task that is neither.
    """
    path = data / f"{task}.h5"
    if path.is_file():
        return _size_on_disk(task, path)
    if task not in PUBLISHED:
        raise UserError(f"{path}: no such file, and the task has no published size; run: snakemake {path}")
    return PUBLISHED[task]


def _size_on_disk(name: str, path: Path) -> Size:
    spec = task_spec(name)
    with Dataset(path) as dataset:
        train, valid = dataset.tuning()
        final_train, test = dataset.final(spec.merge_valid)

        def epoch(split: Split) -> int:
            return len(np.unique(split.load("group"))) if spec.one_per_group else len(split)

        larger = math.prod(test.shape("x")) / math.prod(train.shape("x"))
        groups = epoch(valid) if spec.one_per_group else None
        return Size(train.shape("x"), epoch(train), len(valid), epoch(final_train), round(len(test) * larger), groups)


@dataclass(frozen=True)
class Work:
    """Multiply-adds of one seed of a (task, method)."""

    task: str
    method: str
    search: float
    retrain: float


# -- networks --------------------------------------------------------------------------------------------------------


class MultiplyAdds(TorchDispatchMode):
    """Counts those of convolutions and matrix products that run within.

    Unlike :func:`nasperf360.spaces.shared.counts.count_multiply_adds` it sees operations, not layers: supernets run
    some without.
    """

    products = (torch.ops.aten.mm.default, torch.ops.aten.addmm.default, torch.ops.aten.bmm.default)

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function is torch.ops.aten.convolution.default:
            self.total += result.numel() * math.prod(args[1].shape[1:])
        elif function in self.products:
            self.total += result.numel() * args[-1].shape[-2]
        return result


def forward_pass(network: nn.Module, input_shape: tuple[int, ...], *, training: bool = False) -> float:
    """Multiply-adds for one sample of a network on the meta device."""
    network.train(training)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.forward = _unchanged  # type: ignore[assignment]  # no product, and slow there
    with torch.no_grad(), MultiplyAdds() as counter:
        network(torch.zeros(1, *input_shape, device="meta"))
    return float(counter.total)


def _unchanged(x: Any) -> Any:
    return x


class Counted:
    """The networks of a space, counted.

    Args:
        space: for one task; what algorithms need of it is not looked at again.
        sample: draws an architecture by number.
    """

    def __init__(self, space: SearchSpace, sample: Callable[[int], Architecture] | None = None):
        self.space: Any = space
        self.shape = space.signature.input_shape
        self.sample = sample or (lambda number: space.sample(generator("estimate", space.spec.name, number)))

    def drawn(self) -> float:
        """Forward pass of an architecture to train, the mean over some."""
        return float(np.mean([self._built(self.sample(number)) for number in range(DRAWS)]))

    def default(self) -> float:
        """Forward pass of the default architecture."""
        return self._built(self.space.default())

    def supernet(self) -> float:
        """Forward pass of the supernet, all operations mixed."""
        with torch.device("meta"):
            return forward_pass(self.space.supernet(), self.shape)

    def sampled_supernet(self, count: int) -> float:
        """The same with ``count`` operations per layer, drawn uniformly; the mean over some draws."""
        with torch.device("meta"):
            supernet = self.space.supernet()
        passes = []
        for number in range(DRAWS):
            rng = generator("estimate", "operations", number)
            for name in supernet.sampled_names:
                rows, options = supernet.architecture[name].shape
                drawn = [sorted(rng.permutation(options)[:count].tolist()) for _ in range(rows)]
                supernet.sampled[name] = torch.tensor(drawn, dtype=torch.long, device="cpu").view(
                    rows, min(count, options)
                )
            passes.append(forward_pass(supernet, self.shape))
        return float(np.mean(passes))

    def shared(self, *, training: bool = False) -> float:
        """Forward pass of a path through the network with shared weights, the mean over some.

        In training it may run more than the path.
        """
        with torch.device("meta"):
            shared = self.space.shared()
        passes = []
        for number in range(DRAWS):
            shared.path = self.space.path(self.sample(number))
            passes.append(forward_pass(shared, self.shape, training=training))
        return float(np.mean(passes))

    def _built(self, architecture: Architecture) -> float:
        with torch.device("meta"):
            return forward_pass(self.space.build(architecture), self.shape)


# -- searches --------------------------------------------------------------------------------------------------------

Search = Callable[[Counted, Any, Size], float]
"""Multiply-adds of a search, from its networks, its settings and the task's size."""


def _default(networks: Counted, settings: Any, size: Size) -> float:
    return 0.0


def _asha(networks: Counted, settings: Any, size: Size) -> float:
    """Trials train up to the last rung that they reach, and are validated at each."""
    factor, rungs = settings.reduction_factor, settings.rung_epochs
    samples, before = 0.0, 0
    for trials, rung in zip(reaching(settings.trials, factor, len(rungs)), rungs, strict=True):
        samples += trials * ((rung - before) * size.train * TRAINING + size.valid)
        before = rung
    return samples * networks.drawn()


@cache
def reaching(trials: int, factor: int, rungs: int) -> tuple[float, ...]:
    """Trials that reach each rung: the mean over random orders of trials whose ranking is the same at every rung.

    Of few trials more than one in ``factor`` goes on: the first does, and each that beats all before it. Who goes on is
    likely to go on again, being better than most who went before: only the second number has a simple formula.
    """
    scores = generator("estimate", "asha").random((ORDERS, trials))
    there = np.ones(scores.shape, dtype=bool)
    counts = [float(trials)]
    for _ in range(rungs - 1):
        better = [(there[:, :n] & (scores[:, :n] < scores[:, n, None])).sum(1) for n in range(trials)]
        there &= np.stack(better, 1) < np.maximum(there.cumsum(1) // factor, 1)
        counts.append(float(there.sum(1).mean()))
    return tuple(counts)


def _random(networks: Counted, settings: Any, size: Size) -> float:
    return settings.trials * (settings.epochs * size.train * TRAINING + size.valid) * networks.drawn()


def _bilevel(networks: Counted, settings: Any, size: Size) -> float:
    """An architecture step follows each weight step, once they begin, on as many samples."""
    train = min(size.train, settings.max_samples or size.train)
    epoch = train if settings.split == "same" else train / 2
    epochs = settings.epochs + max(0, settings.epochs - settings.architecture_after)
    return (epochs * epoch * TRAINING + _validations(settings, size)) * networks.supernet()


def _densenas(networks: Counted, settings: Any, size: Size) -> float:
    """Weight steps and validations run one operation per layer, architecture steps two.

    Weights train on four fifths of the data, the architecture on the last fifth.
    """
    one, two = networks.sampled_supernet(1), networks.sampled_supernet(2)
    weights = settings.epochs * size.train * 4 / 5 * one
    searching = max(0, settings.epochs - settings.warmup_epochs)
    return TRAINING * (weights + searching * size.train / 5 * two) + _validations(settings, size) * one


def _validations(settings: Any, size: Size) -> int:
    """Samples that validation losses of a search look at."""
    looks: int = settings.epochs // settings.validate_every if settings.validate_every else 0
    return looks * (size.groups or size.valid)


def _enas(networks: Counted, settings: Any, size: Size) -> float:
    """Steps of the shared weights, in which all operations run forwards, and the validation of each architecture."""
    trained = settings.episodes * settings.child_steps * settings.batch_size + settings.warmup_epochs * size.train
    seen = (settings.episodes + settings.warmup_epochs) * size.valid if settings.validation_statistics else 0
    in_training, path = networks.shared(training=True), networks.shared()
    backwards = (TRAINING - 1) * path
    return (
        trained * (in_training + backwards)
        + seen * in_training
        + settings.episodes * settings.samples * size.valid * path
    )


SEARCHES: dict[str, Search] = {
    "default": _default,
    "asha": _asha,
    "random": _random,
    "gaea": _bilevel,
    "darts": _bilevel,
    "densenas": _densenas,
    "enas": _enas,
}
"""By algorithm."""


# -- the study -------------------------------------------------------------------------------------------------------


def work(config: Config, task: str, method: str, size: Size) -> Work:
    """Multiply-adds of one seed of a (task, method).

    Raises:
        UserError: an algorithm that :data:`SEARCHES` does not know.
    """
    definition = configuration.method(config, method)
    name = definition["algorithm"]
    if name not in SEARCHES:
        raise UserError(
            f"estimate: nothing is known of algorithm '{name}'; leave out method '{method}', or add the algorithm to "
            f"SEARCHES in nasperf360/study/estimate.py"
        )
    given = configuration.search_settings(config, task, method)["search"]
    search: Any = algorithm_spec(name).settings.model_validate(given)
    retrain = configuration.retrain_settings(config, task, method)
    signature = task_training(task).signature(size.shape)
    space: Any = search_space(definition["space"], signature, configuration.space_settings(config, task, method))
    derives = name == "random" and search.sampler == "derive"
    networks = Counted(space, derivation(space) if derives else None)
    found = networks.default() if name == "default" else networks.drawn()
    return Work(
        task,
        method,
        search=SEARCHES[name](networks, search, size),
        retrain=(retrain["epochs"] * size.final_train * TRAINING + size.test) * found,
    )


def throughput(device: str, space: str, utilisation: float | None = None) -> float:
    """Multiply-adds per second of training.

    Raises:
        UserError: an unknown device, or a fraction that is none.
    """
    if device not in PEAKS:
        raise UserError(f"estimate: unknown device '{device}', allowed are {', '.join(PEAKS)}")
    if utilisation is None:
        utilisation = UTILISATION_OF.get(space, UTILISATION)
    if not 0 < utilisation <= 1:
        raise UserError(f"estimate: utilisation {utilisation:g}, allowed is a fraction above 0 and at most 1")
    return PEAKS[device] / 2 * utilisation


@dataclass(frozen=True)
class Estimate:
    """Jobs and hours of one method, over all its tasks and seeds."""

    method: str
    searches: int
    retrainings: int
    search_hours: float
    retrain_hours: float

    @property
    def hours(self) -> float:
        """Of both stages."""
        return self.search_hours + self.retrain_hours


def estimate(config: Mapping[str, Any], device: str, utilisation: float | None = None) -> list[Estimate]:
    """One row per method, in the order of the configuration.

    A method that was not selected but whose networks limit the size of another's follows, with its searches alone.
    """
    config = dict(config)
    limits = [configuration.method(config, name).get("size_limit", {}).get("method") for name in config["methods"]]
    others = [name for name in dict.fromkeys(limits) if name and name not in config["methods"]]
    return [
        *(_estimate(config, name, device, utilisation) for name in config["methods"]),
        *(_estimate(config, name, device, utilisation, retrained=False) for name in others),
    ]


def _estimate(
    config: Config, method: str, device: str, utilisation: float | None, *, retrained: bool = True
) -> Estimate:
    rate = throughput(device, configuration.method(config, method)["space"], utilisation)  # refuses before it counts
    data, seeds = Path("results", config["data_run"], "data"), config["seeds"]
    searches = len({search_seed(seed, config["searches"]) for seed in seeds})
    tasks = [task for task, _ in configuration.experiments({**config, "methods": [method]})]
    works = [work(config, task, method, size_of(task, data)) for task in tasks]
    return Estimate(
        method,
        searches=len(tasks) * searches,
        retrainings=len(tasks) * len(seeds) * retrained,
        search_hours=searches * sum(each.search for each in works) / 3600 / rate,
        retrain_hours=len(seeds) * sum(each.retrain for each in works) / 3600 / rate * retrained,
    )


def data_jobs(config: Mapping[str, Any]) -> int:
    """Jobs that make the data sets: one per set of raw files, which tasks may share, and one per task.

    Published data sets take the second only.
    """
    tasks = config["tasks"]
    return len(tasks) + (0 if config["source"] == "published" else len({task_spec(task).raw for task in tasks}))


def table(rows: Sequence[Estimate]) -> str:
    """The rows and their sum, as aligned text."""
    total = Estimate(
        "all",
        sum(row.searches for row in rows),
        sum(row.retrainings for row in rows),
        sum(row.search_hours for row in rows),
        sum(row.retrain_hours for row in rows),
    )
    lines = [f"{'method':<20} {'searches':>8} {'retrainings':>11} {'search h':>10} {'retrain h':>10} {'both h':>10}"]
    for row in [*rows, total]:
        lines.append(
            f"{row.method:<20} {row.searches:>8} {row.retrainings:>11} "
            f"{row.search_hours:>10,.1f} {row.retrain_hours:>10,.1f} {row.hours:>10,.1f}"
        )
    return "\n".join(lines)
