"""What searches share that train networks one by one: a trial's network, trained as retraining does."""

import time
from typing import Any

import torch

from nasperf360.algorithms.shared.problem import Problem
from nasperf360.data.datasets import Split
from nasperf360.errors import DivergedError
from nasperf360.seeds import derive_seed
from nasperf360.spaces.shared.encoding import Architecture
from nasperf360.spaces.shared.search_space import SearchSpace
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.fitting import fit, predict
from nasperf360.training.settings import TrainingSettings


class Trial:
    """The network of one trial. Its settings: those of the problem's trials < the architecture's own < ``settings``.

    Args:
        space: of the architecture.
        problem: of the search.
        architecture: what the trial tries.
        number: of the trial; with the problem's seed it seeds all that is random here.
        train: split to train on.
        valid: split to validate on.
        settings: override all others.

    Attributes:
        seconds: of training, in earlier attempts too, and of this attempt's validations.
    """

    def __init__(
        self,
        space: SearchSpace,
        problem: Problem,
        architecture: Architecture,
        number: int,
        train: Split,
        valid: Split,
        **settings: Any,
    ):
        self.problem, self.number, self.train, self.valid = problem, number, train, valid
        self.training = TrainingSettings.model_validate(
            {**problem.trial_training, **space.hyperparameters(architecture), **settings}
        )
        self.seed = derive_seed(problem.seed, "trial", number)
        torch.manual_seed(derive_seed(self.seed, "initial weights"))
        self.model = space.build(architecture).to(problem.device)
        self.seconds = self._validating = 0.0

    def metric_after(self, epochs: int) -> float:
        """The metric on the validation split after so many epochs; more of them later go on from here.

        Raises:
            DivergedError: the training diverged.
        """
        problem = self.problem
        started = time.monotonic()
        try:
            history = fit(
                self.model,
                problem.task,
                self.train,
                self.training,
                seed=self.seed,
                device=problem.device,
                checkpoint=trial_checkpoint(problem, self.number),
                epochs=epochs,
                label=f"{problem.label} trial {self.number + 1} of {problem.settings.trials}",
            )
        except DivergedError:
            self.seconds += time.monotonic() - started
            raise
        started = time.monotonic()
        outputs = predict(self.model, problem.task, self.valid, self.training, device=problem.device)
        metric = problem.measure(outputs, self.valid.targets())
        self._validating += time.monotonic() - started
        self.seconds = sum(history.seconds) + self._validating
        return metric


def trial_checkpoint(problem: Problem, number: int) -> Checkpoint:
    """Of a trial's training; of no use once the search has recorded its metric."""
    return problem.checkpoint.part(f"trial-{number}")
