"""``enas``: an LSTM controller trained by REINFORCE on rewards of a network with shared weights (Pham et al. 2018).

Source: paper section 4.1; reference code, AMBER/amber/architect/generalController.py and AMBER/examples/amber_*.py.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nasperf360.algorithms.enas.controller import Controller, Draw
from nasperf360.algorithms.enas.spec import EnasSettings
from nasperf360.algorithms.shared.problem import Problem, SearchResult
from nasperf360.algorithms.shared.trial_rows import as_text
from nasperf360.seeds import derive_seed, generator
from nasperf360.spaces.shared.encoding import Architecture
from nasperf360.spaces.shared.search_space import HasSharedLayers
from nasperf360.tasks.shared.metrics import Targets
from nasperf360.tasks.shared.ranking import auroc
from nasperf360.tasks.shared.task_training import Batch
from nasperf360.training.batches import prediction_loader, training_batches, training_loader
from nasperf360.training.fitting import predict
from nasperf360.training.loop import History, Losses, Row, run_epochs
from nasperf360.training.optimizers import Optimizer, make_optimizer
from nasperf360.training.settings import OptimizerSettings
from nasperf360.training.step import WeightSteps

ADVANTAGE = 10.0  # advantages are clipped to plus or minus this


def search(space: HasSharedLayers, problem: Problem) -> SearchResult:
    """Each episode trains the shared weights on sampled architectures, rewards some, and updates the controller."""
    torch.manual_seed(derive_seed(problem.seed, "initial weights"))
    shared = space.shared().to(problem.device)
    controller = Controller(space.depth, len(space.operations))
    parts = EnasSteps(space, problem, shared, controller)
    history = run_epochs(
        parts.episode,
        problem.settings.episodes,
        parts.state(),
        seed=problem.seed,
        checkpoint=problem.checkpoint,
        label=problem.label,
        unit="episode",
    )
    return SearchResult(parts.memory.best, by_trial(history, parts.memory.trials, problem.settings.samples))


def by_trial(episodes: History, trials: list[tuple[float, str]], samples: int) -> History:
    """A row for each architecture that was rewarded, with what its episode has, and an even share of its seconds.

    Args:
        episodes: their history.
        trials: reward and architecture, in the order of the search.
        samples: trials per episode.
    """
    history = History()
    for number, (reward, architecture) in enumerate(trials):
        place, sample = divmod(number, samples)
        episode = dict(episodes[place])
        row = {"episode": episode.pop("epoch"), "sample": float(sample), "reward": reward}
        history.append({**row, **episode, "architecture": architecture})
        history.seconds.append(round(episodes.seconds[place] / samples, 6))
    return history


class Memory:
    """What outlives an episode besides weights: the baseline, and every architecture so far with its reward."""

    def __init__(self) -> None:
        self.baseline: float | None = None
        self.reward = float("-inf")
        self.best: Architecture = {}
        self.trials: list[tuple[float, str]] = []

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)

    def keep(self, rewards: np.ndarray, architecture: Callable[[int], Architecture]) -> None:
        """Remember the best architecture, and all as text."""
        self.trials += [(float(reward), as_text(architecture(row))) for row, reward in enumerate(rewards)]
        row = int(rewards.argmax())
        if rewards[row] > self.reward:
            self.reward, self.best = float(rewards[row]), architecture(row)


def update_controller(
    controller: Controller,
    optimizer: Optimizer,
    draw: Draw,
    advantages: Tensor,
    settings: EnasSettings,
    rng: np.random.Generator,
) -> float:
    """REINFORCE over the architectures of an episode; returns the mean loss.

    The loss of a batch is the sum of ``-log p(architecture) * advantage``, plus ``skip_weight`` times the mean
    divergence of the skips' probabilities from ``skip_target``.
    """
    target = torch.tensor(settings.skip_target)
    losses = []
    for _ in range(settings.controller_epochs):
        order = torch.from_numpy(rng.permutation(len(draw)))
        for rows in order.split(settings.controller_batch):
            log_probability, skip_logits = controller.log_probability(draw[rows])
            rate = skip_logits.sigmoid().clamp(1e-6, 1 - 1e-6)
            divergence = rate * (rate / target).log() + (1 - rate) * ((1 - rate) / (1 - target)).log()
            loss = -(log_probability * advantages[rows]).sum() + settings.skip_weight * divergence.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return sum(losses) / len(losses)


class EnasSteps:
    """The shared weights and the controller, each with its steps, and the data."""

    def __init__(self, space: HasSharedLayers, problem: Problem, shared: Any, controller: Controller):
        self.space, self.problem, self.shared, self.controller = space, problem, shared, controller
        settings: EnasSettings = problem.settings
        self.settings, task, device = settings, problem.task, problem.device
        train, valid = problem.dataset.tuning()
        task.fit(train)
        # Each of thousands of rewards reads the validation split: it is loaded once.
        self.valid, self.targets = prediction_loader(valid, settings, device), valid.targets()
        self.loader = training_loader(task, train, settings.batch_size, device)
        optimizer = make_optimizer(shared.parameters(), settings)
        self.weights = WeightSteps(shared, task, optimizer, device, settings.precision)
        adam = OptimizerSettings(optimizer="adam", lr=settings.controller_lr)
        self.policy = make_optimizer(controller.parameters(), adam)
        self.memory = Memory()

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "shared": self.shared,
            "controller": self.controller,
            "weights": self.weights,
            "policy": self.policy,
            "memory": self.memory,
        }

    def episode(self, number: int) -> Row:
        """Train the shared weights, reward architectures of the controller and update it."""
        settings, seed = self.settings, self.problem.seed
        draws = torch.Generator().manual_seed(derive_seed(seed, "architectures", number))
        steps = settings.child_steps
        if number == 0:
            steps += settings.warmup_epochs * self.loader.steps
        loss = self._train_shared(number, steps, draws)
        draw = self.controller.sample(settings.samples, draws)
        rewards = np.array([self.reward(draw, row) for row in range(len(draw))])
        self.memory.keep(rewards, lambda row: self.space.compose(*draw.choices(row)))
        # The baseline is the mean reward of the episode before; of the first, its own.
        baseline = rewards.mean() if self.memory.baseline is None else self.memory.baseline
        self.memory.baseline = float(rewards.mean())
        advantages = torch.from_numpy(np.clip(rewards - baseline, -ADVANTAGE, ADVANTAGE)).float()
        controller_loss = update_controller(
            self.controller, self.policy, draw, advantages, settings, generator(seed, "controller", number)
        )
        return {
            "train_loss": loss,
            "mean_reward": float(rewards.mean()),
            "best_reward": self.memory.reward,
            "controller_loss": controller_loss,
            "skip_rate": float(draw.skips.sum() / (len(draw) * self.space.depth * (self.space.depth - 1) / 2)),
        }

    def _train_shared(self, number: int, steps: int, draws: torch.Generator) -> float:
        self.shared.train()
        losses = Losses("train_loss")
        for batch in islice(self._endless(number), steps):
            self._take_path(self.controller.sample(1, draws), 0)
            losses.add(self.weights.step(batch, self.settings.lr))
        return losses.mean()

    def _endless(self, number: int) -> Iterator[Batch]:
        turn = 0
        while True:
            yield from training_batches(
                self.problem.task, self.loader, derive_seed(self.problem.seed, "episode", number), turn
            )
            turn += 1

    def _take_path(self, draw: Draw, row: int) -> None:
        """Make the shared network the architecture of that row."""
        self.shared.path = self.space.path(self.space.compose(*draw.choices(row)))

    def reward(self, draw: Draw, row: int) -> float:
        """Of an architecture on the validation split, larger is better."""
        self._take_path(draw, row)
        task = self.problem.task
        outputs = predict(self.shared, task, self.valid, self.settings, device=self.problem.device)
        if self.settings.reward == "auroc":
            return mean_auroc(outputs, self.targets)
        metric = self.problem.measure(outputs, self.targets)
        return metric if task.spec.metric.higher_is_better else -metric


def mean_auroc(outputs: np.ndarray, targets: Targets) -> float:
    """Mean over labels of the area under the ROC curve, of each class against the rest.

    Args:
        outputs: logits (N, classes).
        targets: of which ``y`` holds classes (N,) or labels (N, classes).
    """
    labels = np.asarray(targets["y"])
    if labels.ndim == 2:
        areas = auroc(outputs, labels)
    else:
        areas = auroc(_softmax(outputs), labels[:, None] == np.arange(outputs.shape[1]))
    return float(np.nanmean(areas))


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)
