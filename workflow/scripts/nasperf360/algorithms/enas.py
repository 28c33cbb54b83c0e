"""``enas``: an LSTM controller trained by REINFORCE on rewards of a network with shared weights (Pham et al. 2018).

Source: paper section 4.1; reference code, AMBER/amber/architect/generalController.py and AMBER/examples/amber_*.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nasperf360.algorithms.base import Problem, SearchAlgorithm, SearchResult
from nasperf360.ranking import auroc
from nasperf360.seeds import derive_seed, generator
from nasperf360.setting_names import OPTIMIZER, PRECISION, SettingNames
from nasperf360.spaces.base import SearchSpace

if TYPE_CHECKING:
    import numpy as np
    import torch

    from nasperf360.networks.controller import Controller, Draw
    from nasperf360.tasks.base import Task
    from nasperf360.training.batches import Batch
    from nasperf360.training.optimizers import Optimizer

ADVANTAGE = 10.0  # advantages are clipped to plus or minus this


class Enas(SearchAlgorithm):
    """Each episode trains the shared weights on sampled architectures, scores some, and updates the controller.

    Settings: ``episodes``, ``warmup_epochs`` (of the shared weights, before the first episode), ``child_steps`` and
    ``batch_size`` (of the shared weights, one fresh architecture per batch), ``lr`` and ``optimizer`` of these,
    optionally ``precision``,
    ``samples`` (architectures scored), ``controller_epochs`` and ``controller_batch`` over these, ``controller_lr``,
    ``skip_target`` and ``skip_weight`` (of the penalty that draws the rate of skips to its target), ``reward``
    (``auroc``: mean one-against-rest AUROC on the validation split; ``score``: the task's metric).
    """

    name = "enas"
    setting_names = (
        OPTIMIZER
        + PRECISION
        + SettingNames.of(
            required="episodes:count warmup_epochs:whole child_steps:count batch_size:count samples:count "
            "controller_epochs:count controller_batch:count controller_lr:positive skip_target:share "
            "skip_weight:amount reward:auroc|score",
            optional="test_batch_size:count",
        )
    )

    def refuse(self, space: type[SearchSpace]) -> str | None:
        needed = ("compose", "shared", "path")
        if all(hasattr(space, name) for name in needed):
            return None
        return "it has no layers of operations and skips with shared weights for a controller to choose from"

    def search(self, space: SearchSpace, problem: Problem) -> SearchResult:
        import torch

        from nasperf360.networks.controller import Controller
        from nasperf360.training.loop import run_epochs

        torch.manual_seed(derive_seed(problem.seed, "initial weights"))
        shared = space.shared().to(problem.device)  # type: ignore[attr-defined]
        controller = Controller(space.depth, len(space.operations))  # type: ignore[attr-defined]
        search = _Search(space, problem, shared, controller)
        history = run_epochs(
            search.episode,
            problem.settings["episodes"],
            search.state(),
            seed=problem.seed,
            checkpoint=problem.checkpoint,
            label=problem.label,
            unit="episode",
        )
        return SearchResult(search.memory.best, history)


class Memory:
    """What outlives an episode besides weights: the baseline, and the best architecture of the whole search."""

    def __init__(self) -> None:
        self.baseline: float | None = None
        self.reward = float("-inf")
        self.best: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)

    def keep(self, rewards: np.ndarray, architecture: Callable[[int], dict[str, Any]]) -> None:
        """Remember the best architecture."""
        row = int(rewards.argmax())
        if rewards[row] > self.reward:
            self.reward, self.best = float(rewards[row]), architecture(row)


def update_controller(
    controller: Controller,
    optimizer: Optimizer,
    draw: Draw,
    advantages: torch.Tensor,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> float:
    """REINFORCE over the architectures of an episode; returns the mean loss.

    The loss of a batch is the sum of ``-log p(architecture) * advantage``, plus ``skip_weight`` times the mean
    divergence of the skips' probabilities from ``skip_target``.
    """
    import torch

    target = torch.tensor(settings["skip_target"])
    losses = []
    for _ in range(settings["controller_epochs"]):
        order = torch.from_numpy(rng.permutation(len(draw)))
        for rows in order.split(settings["controller_batch"]):
            log_probability, skip_logits = controller.log_probability(draw[rows])
            rate = skip_logits.sigmoid().clamp(1e-6, 1 - 1e-6)
            divergence = rate * (rate / target).log() + (1 - rate) * ((1 - rate) / (1 - target)).log()
            loss = -(log_probability * advantages[rows]).sum() + settings["skip_weight"] * divergence.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return sum(losses) / len(losses)


class _Search:
    """The parts of one search, and its episode."""

    def __init__(self, space: Any, problem: Problem, shared: Any, controller: Controller):
        from nasperf360.training.batches import Loader
        from nasperf360.training.fitting import MEMORY_BYTES, evaluation_loader, grad_scaler, make_optimizer

        self.space, self.problem, self.shared, self.controller = space, problem, shared, controller
        train, valid = problem.dataset.tuning()
        problem.task.fit(train)
        settings = problem.settings
        # Each of thousands of rewards reads the validation split: it is loaded once.
        self.valid, self.extras = evaluation_loader(valid, settings, problem.device), valid.extras()
        self.loader = Loader(
            train, settings["batch_size"], problem.device, MEMORY_BYTES, one_per_group=problem.task.one_per_group
        )
        self.weights = make_optimizer(shared.parameters(), settings)
        self.policy = make_optimizer(controller.parameters(), {"optimizer": "adam", "lr": settings["controller_lr"]})
        self.memory = Memory()
        self.precision = settings.get("precision", "float32")
        self.scaler = grad_scaler(problem.device, self.precision)

    def state(self) -> dict[str, Any]:
        return {
            "shared": self.shared,
            "controller": self.controller,
            "weights": self.weights,
            "policy": self.policy,
            "scaler": self.scaler,
            "memory": self.memory,
        }

    def episode(self, number: int) -> dict[str, float]:
        import numpy as np
        import torch

        settings, problem = self.problem.settings, self.problem
        draws = torch.Generator().manual_seed(derive_seed(problem.seed, "architectures", number))
        steps = settings["child_steps"]
        if number == 0:
            steps += settings["warmup_epochs"] * self.loader.steps
        loss = self._train_shared(number, steps, draws)
        draw = self.controller.sample(settings["samples"], draws)
        rewards = np.array([self._reward(draw, row) for row in range(len(draw))])
        self.memory.keep(rewards, lambda row: self.space.compose(*draw.choices(row)))
        # The baseline is the mean reward of the episode before; of the first, its own.
        baseline = rewards.mean() if self.memory.baseline is None else self.memory.baseline
        self.memory.baseline = float(rewards.mean())
        advantages = torch.from_numpy(np.clip(rewards - baseline, -ADVANTAGE, ADVANTAGE)).float()
        controller_loss = update_controller(
            self.controller, self.policy, draw, advantages, settings, generator(problem.seed, "controller", number)
        )
        return {
            "train_loss": loss,
            "reward": float(rewards.mean()),
            "best_reward": self.memory.reward,
            "controller_loss": controller_loss,
            "skip_rate": float(draw.skips.sum() / (len(draw) * self.space.depth * (self.space.depth - 1) / 2)),
        }

    def _train_shared(self, number: int, steps: int, draws: torch.Generator) -> float:
        from nasperf360.training.fitting import autocast
        from nasperf360.training.loop import Losses

        task = self.problem.task
        self.shared.train()
        losses = Losses("train_loss")
        for _, batch in zip(range(steps), self._endless(number), strict=False):
            draw = self.controller.sample(1, draws)
            self.shared.path = self.space.path(self.space.compose(*draw.choices(0)))
            with autocast(self.problem.device, self.precision):
                output = self.shared(task.inputs(batch))
            loss = task.loss(output.float(), batch)
            self.weights.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()
            self.scaler.step(self.weights)  # type: ignore[arg-type]
            self.scaler.update()
            losses.add(loss)
        return losses.mean()

    def _endless(self, number: int) -> Iterator[Batch]:
        from nasperf360.training.fitting import training_batches

        turn = 0
        while True:
            yield from training_batches(
                self.problem.task, self.loader, derive_seed(self.problem.seed, "episode", number), turn
            )
            turn += 1

    def _reward(self, draw: Draw, row: int) -> float:
        from nasperf360.training.fitting import outputs

        self.shared.path = self.space.path(self.space.compose(*draw.choices(row)))
        task, settings = self.problem.task, self.problem.settings
        values = outputs(self.shared, task, self.valid, settings, device=self.problem.device)
        return reward(task, values, self.extras, settings["reward"])


def reward(task: Task, outputs: np.ndarray, extras: Mapping[str, np.ndarray], kind: str) -> float:
    """Reward of an architecture on a split, larger is better.

    Args:
        task: gives the metric for ``score``.
        outputs: logits (N, classes).
        extras: the split's fields, of which ``y`` holds classes (N,) or labels (N, classes).
        kind: ``auroc`` or ``score``.
    """
    if kind == "score":
        value = task.score(outputs, extras)["value"]
        return value if task.metric.higher_is_better else -value
    import numpy as np

    labels = np.asarray(extras["y"])
    if labels.ndim == 2:
        areas = auroc(outputs, labels)
    else:
        areas = auroc(_softmax(outputs), labels[:, None] == np.arange(outputs.shape[1]))
    return float(np.nanmean(areas))


def _softmax(logits: np.ndarray) -> np.ndarray:
    import numpy as np

    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


ALGORITHM = Enas
