"""``enas``: an LSTM controller trained by REINFORCE on rewards of a network with shared weights (Pham et al. 2018).

Source: paper section 4.1; reference code, AMBER/amber/architect/generalController.py and AMBER/examples/amber_*.py.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer

from nasperf360.algorithms.enas.controller import Controller, Draw
from nasperf360.algorithms.enas.repeated import RepeatedBatches
from nasperf360.algorithms.enas.reward import mean_auroc, mean_auroc_on_device
from nasperf360.algorithms.enas.spec import EnasSettings
from nasperf360.algorithms.shared.problem import Problem, SearchResult
from nasperf360.algorithms.shared.trial_rows import as_text
from nasperf360.seeds import derive_seed, generator
from nasperf360.spaces.shared.encoding import Architecture
from nasperf360.spaces.shared.search_space import HasSharedLayers
from nasperf360.tasks.shared.task_training import Batch
from nasperf360.training.batches import prediction_loader, training_loader
from nasperf360.training.epochs import Epoch, Generator, Losses, Numbers
from nasperf360.training.fitting import outputs_on_device, predict
from nasperf360.training.loop import History, Row, run_epochs
from nasperf360.training.optimizers import make_optimizer
from nasperf360.training.settings import OptimizerSettings
from nasperf360.training.step import WeightSteps, autocast

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


def skip_penalty(skip_logits: Sequence[Tensor], settings: EnasSettings) -> Tensor:
    """Divergence of the skips' rates from ``skip_target``, of each architecture (B,).

    The mean over the skips of a layer, then over layers. As published the rate is that of one logit, sigmoid(t), though
    that of sampling is sigmoid(2 t).

    Args:
        skip_logits: of :meth:`Controller.log_probability`.
        settings: ``skip_target`` and ``skip_penalty``.
    """
    factor = 2 if settings.skip_penalty == "sampled" else 1
    log_target = math.log(settings.skip_target), math.log1p(-settings.skip_target)
    layers = []
    for logits in skip_logits:
        log_taken, log_left = F.logsigmoid(factor * logits), F.logsigmoid(-factor * logits)
        divergence = log_taken.exp() * (log_taken - log_target[0]) + log_left.exp() * (log_left - log_target[1])
        layers.append(divergence.mean(1))
    return torch.stack(layers).mean(0)


def update_controller(
    controller: Controller,
    optimizer: Optimizer,
    draw: Draw,
    advantages: Tensor,
    settings: EnasSettings,
    rng: np.random.Generator,
) -> float:
    """REINFORCE over the architectures of an episode; returns the mean loss.

    The loss of a batch is the sum of ``-log p(architecture) * advantage``, plus ``skip_weight`` times the mean of
    :func:`skip_penalty`.
    """
    losses = []
    for _ in range(settings.controller_epochs):
        order = torch.from_numpy(rng.permutation(len(draw)))
        for rows in order.split(settings.controller_batch):
            log_probability, skip_logits = controller.log_probability(draw[rows])
            penalty = skip_penalty(skip_logits, settings).mean()
            loss = -(log_probability * advantages[rows]).sum() + settings.skip_weight * penalty
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
        self.labels, self.rank_on_device = torch.from_numpy(self.targets["y"]).to(device), device.type != "cpu"
        self.loader = training_loader(task, train, settings.batch_size, device)
        optimizer = make_optimizer(shared.parameters(), settings)
        # What a step does not use has gradient zero, from the first step on, so Adam's moments go on moving it.
        self.weights = WeightSteps(shared, task, optimizer, device, settings.precision, unused=True)
        adam = OptimizerSettings(
            optimizer="adam", lr=settings.controller_lr, eps=settings.eps, eps_uncorrected=settings.eps_uncorrected
        )
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

    def episode(self, number: Epoch) -> Row:
        """Train the shared weights, reward architectures of the controller and update it."""
        settings, seed = self.settings, self.problem.seed
        draws = torch.Generator().manual_seed(derive_seed(seed, "architectures", number))
        if number == 0:
            for turn in range(settings.warmup_epochs):
                steps = len(self.loader) // settings.batch_size
                self._train_shared(number, ("warm-up", turn), steps, settings.dropout, draws)
        dropout = settings.dropout if settings.dropout_after_warmup else 0.0
        loss = self._train_shared(number, ("episode", number), settings.child_steps, dropout, draws)
        draw = self.controller.sample(settings.samples, draws)
        rewarded = Numbers()
        for row in number.steps(range(len(draw)), rewarded=rewarded):
            rewarded.append(self.reward(draw, row))
        rewards = np.array(rewarded)
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

    def _train_shared(
        self, episode: Epoch, name: tuple[str, int], steps: int, dropout: float, draws: torch.Generator
    ) -> float:
        self.shared.train()
        self.shared.dropout = dropout
        losses = Losses("train_loss")
        batches = RepeatedBatches(self.problem.task, self.loader, self.problem.seed, name, steps)
        for batch in episode.steps(batches, losses=losses, draws=Generator(draws)):
            losses.add(self.weight_step(batch, draws))
        if self.settings.validation_statistics:
            self._see_validation(episode, draws)
        return losses.mean()

    def weight_step(self, batch: Batch, draws: torch.Generator) -> Tensor:
        """A step of the shared weights on an architecture that the controller draws; returns the loss."""
        self._take_path(self.controller.sample(1, draws), 0)
        return self.weights.step(batch, self.settings.lr)

    @torch.no_grad()
    def _see_validation(self, episode: Epoch, draws: torch.Generator) -> None:
        """Passes in training mode, each of a fresh architecture, that move running statistics and nothing else."""
        self.shared.dropout = 0.0
        for batch in episode.steps(self.valid.ahead(self.valid.in_order()), draws=Generator(draws)):
            if len(batch["x"]) > 1:  # statistics need two
                self._take_path(self.controller.sample(1, draws), 0)
                with autocast(self.problem.device, self.settings.precision):
                    self.shared(self.problem.task.inputs(batch))

    def _take_path(self, draw: Draw, row: int) -> None:
        """Make the shared network the architecture of that row."""
        self.shared.path = self.space.path(self.space.compose(*draw.choices(row)))

    def reward(self, draw: Draw, row: int) -> float:
        """Of an architecture on the validation split, larger is better."""
        self._take_path(draw, row)
        task = self.problem.task
        if self.settings.reward == "auroc" and self.rank_on_device:
            there = outputs_on_device(self.shared, task, self.valid, self.settings, device=self.problem.device)
            return mean_auroc_on_device(there, self.labels)
        outputs = predict(self.shared, task, self.valid, self.settings, device=self.problem.device)
        if self.settings.reward == "auroc":
            return mean_auroc(outputs, self.targets)
        metric = self.problem.measure(outputs, self.targets)
        return metric if task.spec.metric.higher_is_better else -metric
