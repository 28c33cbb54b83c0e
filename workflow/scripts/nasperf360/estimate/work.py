"""What the searches and trainings of a study have to do: how many samples go through which network, forwards and back.

Training a sample takes three times its forward pass, the backward pass being twice as much; an architecture step 2.2
times: it needs gradients of the activations, but none of the weights. The architecture that a search will find is not
known, so some drawn at random stand for it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from nasperf360.algorithms.random.search import derivation
from nasperf360.estimate.cards import Card
from nasperf360.estimate.counting import Pass, forward_pass, without_numbers
from nasperf360.estimate.sizes import Size
from nasperf360.seeds import generator
from nasperf360.spaces.shared.encoding import Architecture
from nasperf360.spaces.shared.search_space import SearchSpace

TRAINING = 3.0  # forward passes that a training step of a sample is worth
ARCHITECTURE = 2.2  # and one of the architecture parameters
DRAWS = 2  # architectures that stand for an unknown one
ORDERS = 1000  # of the trials of a search, that stand for an unknown one

SHARE = 0.4
"""Of the roofline, that training reaches: the larger of operations over the card's peak and bytes over its bandwidth,
each result being written once and read once. So DARTS' 600 epochs of CIFAR-10 on a GTX 1080 Ti, which took 36 hours
(Liu et al. 2019), are estimated at 20."""
LAUNCH = 8e-6
"""Seconds in which PyTorch starts one kernel; the GPU works meanwhile."""
LOADING = 0.8e9
"""Bytes per second that one background thread has ready as batches (``benchmarks/README.md``)."""
RANKED, COMPARED = 3e-7, 2e-9
"""CPU seconds of a metric for each sample and output: of one that sorts by labels, and of others."""
RANKING = ("mAP", "AUROC")
CONTEXT = 0.6
"""GiB that CUDA and its libraries take."""
GIB = 2**30


@dataclass(frozen=True)
class Phase:
    """Samples that go through one network in batches.

    Args:
        samples: how many, all epochs together.
        batch: of a step.
        one: the forward pass.
        forwards: how many of these a sample is worth.
        turn: whether a turn of training consists of a step of this phase and of the others of the kind.
        copies: of the weights, that are held: gradients, states of optimisers; 0: the phase trains nothing.
        cpu_seconds: of metrics.
    """

    samples: float
    batch: int
    one: Pass
    forwards: float
    turn: bool = False
    copies: int = 0
    cpu_seconds: float = 0.0

    @property
    def multiply_adds(self) -> float:
        """Of all samples."""
        return self.samples * self.forwards * self.one.multiply_adds


@dataclass(frozen=True)
class Stage:
    """One search or training.

    Args:
        phases: in any order.
        precision: of the configuration.
        sample_bytes: that are loaded for a sample.
        longest: what one trial does at most, which several workers cannot share.
    """

    phases: tuple[Phase, ...]
    precision: str
    sample_bytes: float
    longest: tuple[Phase, ...] = ()

    def roofline(self, phase: Phase, card: Card) -> float:
        """Seconds of a step at the card's peaks."""
        passes = phase.batch * phase.forwards
        operations = 2 * phase.one.multiply_adds * passes / card.peak(self.precision)
        return max(operations, 2 * phase.one.written * self._size * passes / card.bandwidth)

    def step(self, phase: Phase, card: Card, share: float) -> float:
        """Seconds of a step: the GPU works while kernels are launched and the next batch is loaded."""
        launching = phase.one.launches * phase.forwards * LAUNCH
        return max(self.roofline(phase, card) / share, launching, phase.batch * self.sample_bytes / LOADING)

    def turn(self, card: Card, share: float) -> float:
        """Seconds of a turn of training, such as a weight step and an architecture step."""
        return sum(self.step(phase, card, share) for phase in self.phases if phase.turn)

    def seconds(self, card: Card, share: float, slower: float = 1.0) -> float:
        """Of all phases.

        Args:
            card: which does it.
            share: of its roofline.
            slower: than estimated, by so many times, was a step when it was measured.
        """
        return self._seconds(self.phases, card, share, slower)

    def longest_seconds(self, card: Card, share: float, slower: float = 1.0) -> float:
        """Of the longest part that one worker does alone."""
        return self._seconds(self.longest, card, share, slower)

    def _seconds(self, phases: Sequence[Phase], card: Card, share: float, slower: float) -> float:
        return sum(
            phase.samples / phase.batch * self.step(phase, card, share) * slower + phase.cpu_seconds for phase in phases
        )

    @property
    def memory(self) -> float:
        """GiB that a step needs, at least: what the backward pass needs, weights and their copies, a batch."""
        trained = [phase for phase in self.phases if phase.copies]
        return CONTEXT * bool(trained) + max(
            (
                phase.batch * (phase.one.kept * self._size + self.sample_bytes) + phase.copies * phase.one.weights
                for phase in trained
            ),
            default=0.0,
        ) / GIB  # fmt: skip

    @property
    def _size(self) -> float:
        return 1.0 if self.precision in ("float32", "tf32") else 0.5


@dataclass(frozen=True)
class Scope:
    """What a search or training works on.

    Args:
        size: of the task.
        batch: of training.
        test_batch: of predictions.
        outputs: of the task, per sample.
        ranks: whether its metric sorts.
        adam: whether weights learn by Adam.
    """

    size: Size
    batch: int
    test_batch: int
    outputs: int = 1
    ranks: bool = False
    adam: bool = False

    def metric(self, samples: float, *, ranks: bool | None = None) -> float:
        """CPU seconds of the metric."""
        return samples * self.outputs * (RANKED if (self.ranks if ranks is None else ranks) else COMPARED)

    def training(
        self, samples: float, one: Pass, *, batch: int | None = None, forwards: float = TRAINING, turn: bool = True
    ) -> Phase:
        """Steps that train."""
        return Phase(samples, batch or self.batch, one, forwards, turn, copies=4 if self.adam else 3)

    def testing(self, samples: float, one: Pass, *, times: float = 1.0, ranks: bool | None = None) -> Phase:
        """Predictions of so many samples, and their metric, several times."""
        return Phase(times * samples, self.test_batch, one, 1.0, cpu_seconds=times * self.metric(samples, ranks=ranks))


Keep = Callable[[str, Callable[[], Sequence[Pass]]], Sequence[Pass]]
"""Gives the passes of that name: counted by the function, or those that were counted before."""


def _anew(name: str, count: Callable[[], Sequence[Pass]]) -> Sequence[Pass]:
    return count()


class Counted:
    """The networks of a space, each counted once.

    Args:
        space: for one task; what algorithms need of it is not looked at again.
        derives: whether architectures are drawn by :func:`derivation`.
        keep: where passes stay that were counted.
    """

    def __init__(self, space: SearchSpace, *, derives: bool = False, keep: Keep = _anew):
        self.space: Any = space
        self.shape = space.signature.input_shape
        self._derives, self._keep = derives, keep

    @cached_property
    def sample(self) -> Callable[[int], Architecture]:
        """Draws an architecture by a number."""
        return self._derivation() if self._derives else self._sample

    def _sample(self, number: int) -> Architecture:
        return self.space.sample(generator("estimate", self.space.spec.name, number))

    def _derivation(self) -> Callable[[int], Architecture]:
        """On a supernet that has numbers in its architecture parameters alone."""
        with without_numbers():
            supernet = self.space.supernet()
        for name, parameter in supernet.architecture.items():
            supernet.architecture[name] = nn.Parameter(torch.zeros(parameter.shape))
        return derivation(SimpleNamespace(supernet=lambda: supernet, derive=self.space.derive))

    @cached_property
    def drawn(self) -> Pass:
        """Of an architecture to train, the mean over some."""
        return Pass.mean(self._keep("drawn", lambda: [self._pass(self.sample(number)) for number in range(DRAWS)]))

    @cached_property
    def default(self) -> Pass:
        """Of the default architecture."""
        return self.built(self.space.default())

    @cached_property
    def supernet(self) -> Pass:
        """Of the supernet, all operations mixed."""

        def count() -> list[Pass]:
            with without_numbers():
                supernet = self.space.supernet()
            return [forward_pass(supernet, self.shape)]

        return self._keep("supernet", count)[0]

    @cached_property
    def sampled_supernets(self) -> tuple[Pass, Pass]:
        """Of the supernet with one, and with two operations per layer, drawn uniformly; the means over some draws."""

        def count() -> list[Pass]:
            with without_numbers():
                supernet = self.space.supernet()
            return [self._sampled(supernet, size) for size in (1, 2)]

        one, two = self._keep("sampled supernets", count)
        return one, two

    def _sampled(self, supernet: Any, count: int) -> Pass:
        """Of the supernet with so many operations per layer; draws may be equal: two of two operations always are."""
        found: dict[str, Pass] = {}
        draws = [_operations(supernet, count, number) for number in range(DRAWS)]
        for drawn in draws:
            if str(drawn) not in found:
                for name, rows in drawn.items():
                    options = supernet.architecture[name].shape[1]
                    shape = len(rows), min(count, options)
                    supernet.sampled[name] = torch.tensor(rows, dtype=torch.long, device="cpu").view(shape)
                found[str(drawn)] = forward_pass(supernet, self.shape)
        return Pass.mean([found[str(drawn)] for drawn in draws])

    @cached_property
    def shared(self) -> tuple[Pass, Pass]:
        """Of a path through the network with shared weights, the mean over some; in training it may run more."""

        def count() -> list[Pass]:
            with without_numbers():
                shared = self.space.shared()
            passes: dict[bool, list[Pass]] = {False: [], True: []}
            for number in range(DRAWS):
                shared.path = self.space.path(self.sample(number))
                for training, found in passes.items():
                    found.append(forward_pass(shared, self.shape, training=training))
            return [Pass.mean(passes[False]), Pass.mean(passes[True])]

        path, in_training = self._keep("shared", count)
        return path, in_training

    def built(self, architecture: Architecture) -> Pass:
        """Of the network of an architecture."""
        return self._keep(json.dumps(architecture, sort_keys=True), lambda: [self._pass(architecture)])[0]

    def _pass(self, architecture: Architecture) -> Pass:
        with without_numbers():
            network = self.space.build(architecture)
        return forward_pass(network, self.shape)


def _operations(supernet: Any, count: int, number: int) -> dict[str, list[list[int]]]:
    """So many of each layer, drawn uniformly, by the name of their weights."""
    rng = generator("estimate", "operations", number)
    drawn = {}
    for name in supernet.sampled_names:
        rows, options = supernet.architecture[name].shape
        drawn[name] = [sorted(rng.permutation(options)[:count].tolist()) for _ in range(rows)]
    return drawn


# -- searches --------------------------------------------------------------------------------------------------------

Search = Callable[[Any, Any, Scope], list[Phase]]
"""What a search does, from its :class:`Counted` networks, its settings and its scope."""


def _none(networks: Any, settings: Any, scope: Scope) -> list[Phase]:
    return []


def _asha(networks: Any, settings: Any, scope: Scope) -> list[Phase]:
    """Trials train up to the last rung that they reach, and are validated at each."""
    factor, rungs = settings.reduction_factor, settings.rung_epochs
    epochs, validations, before = 0.0, 0.0, 0
    for trials, rung in zip(reaching(settings.trials, factor, len(rungs)), rungs, strict=True):
        epochs += trials * (rung - before)
        validations += trials
        before = rung
    size, one = scope.size, networks.drawn
    return [scope.training(epochs * size.train, one), scope.testing(size.valid, one, times=validations)]


def longest_trial(networks: Any, settings: Any, scope: Scope) -> list[Phase]:
    """Of ASHA, the algorithm whose trials workers share: one that reaches the last rung."""
    size, one, rungs = scope.size, networks.drawn, settings.rung_epochs
    return [scope.training(rungs[-1] * size.train, one), scope.testing(size.valid, one, times=len(rungs))]


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


def _random(networks: Any, settings: Any, scope: Scope) -> list[Phase]:
    size, one, trials = scope.size, networks.drawn, settings.trials
    return [
        scope.training(trials * settings.epochs * size.train, one),
        scope.testing(size.valid, one, times=trials),
    ]


def _bilevel(networks: Any, settings: Any, scope: Scope) -> list[Phase]:
    """An architecture step follows each weight step, once they begin, on as many samples."""
    size, one = scope.size, networks.supernet
    train = min(size.train, settings.max_samples or size.train)
    epoch = train if settings.split == "same" else train / 2
    searching = max(0, settings.epochs - settings.architecture_after)
    return [
        scope.training(settings.epochs * epoch, one),
        scope.training(searching * epoch, one, forwards=ARCHITECTURE),
        _validations(settings, scope, one),
    ]


def _densenas(networks: Any, settings: Any, scope: Scope) -> list[Phase]:
    """Weight steps and validations run one operation per layer, architecture steps two.

    Weights train on four fifths of the data, by four times the batch, the architecture on the last fifth.
    """
    one, two = networks.sampled_supernets
    train, searching = scope.size.train, max(0, settings.epochs - settings.warmup_epochs)
    return [
        scope.training(settings.epochs * train * 4 / 5, one, batch=4 * scope.batch),
        scope.training(searching * train / 5, two, forwards=ARCHITECTURE),
        _validations(settings, scope, one),
    ]


def _validations(settings: Any, scope: Scope, one: Pass) -> Phase:
    """Validation losses of a search; no metric."""
    looks: int = settings.epochs // settings.validate_every if settings.validate_every else 0
    return Phase(looks * (scope.size.groups or scope.size.valid), scope.batch, one, 1.0)


def _enas(networks: Any, settings: Any, scope: Scope) -> list[Phase]:
    """Steps of the shared weights, in which all operations run forwards, and the validation of each architecture."""
    size, (path, in_training) = scope.size, networks.shared
    trained = settings.episodes * settings.child_steps * settings.batch_size + settings.warmup_epochs * size.train
    seen = (settings.episodes + settings.warmup_epochs) * size.valid if settings.validation_statistics else 0
    rewarded = settings.episodes * settings.samples
    return [
        scope.training(trained, in_training, forwards=1.0),
        Phase(trained, scope.batch, path, TRAINING - 1, turn=True),
        Phase(seen, scope.test_batch, in_training, 1.0),
        scope.testing(size.valid, path, times=rewarded, ranks=settings.reward == "auroc" or scope.ranks),
    ]


SEARCHES: dict[str, Search] = {
    "default": _none,
    "given": _none,
    "asha": _asha,
    "random": _random,
    "gaea": _bilevel,
    "darts": _bilevel,
    "densenas": _densenas,
    "enas": _enas,
}
"""By algorithm."""
