"""What searches share that train candidates one by one: a trial's network, trained as retraining does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nasperf360.algorithms.base import Problem
from nasperf360.seeds import derive_seed
from nasperf360.spaces.base import Architecture, SearchSpace

if TYPE_CHECKING:
    from nasperf360.data.datasets import Split
    from nasperf360.training.checkpoints import Checkpoint


class Candidate:
    """The network of one trial. Its settings: those of retraining < the search's ``training`` < the architecture's own.

    Args:
        space: of the architecture.
        problem: of the search.
        architecture: what the trial tries.
        number: of the trial; with the problem's seed it seeds all that is random here.
        train: split to train on.
        valid: split to score on.
        settings: override all others.
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
        import torch

        self.problem, self.number, self.train, self.valid = problem, number, train, valid
        self.training = {
            **problem.retrain_settings,
            **problem.settings.get("training", {}),
            **space.hyperparameters(architecture),
            **settings,
        }
        self.seed = derive_seed(problem.seed, "trial", number)
        torch.manual_seed(derive_seed(self.seed, "initial weights"))
        self.model = space.build(architecture).to(problem.device)

    def score_after(self, epochs: int) -> float:
        """Score on the validation split after so many epochs; more of them later go on from here.

        Raises:
            DivergedError: the training diverged.
        """
        from nasperf360.training.fitting import evaluate, fit

        problem = self.problem
        fit(
            self.model,
            problem.task,
            self.train,
            self.training,
            seed=self.seed,
            device=problem.device,
            checkpoint=trial_checkpoint(problem, self.number),
            epochs=epochs,
            label=f"{problem.label} trial {self.number + 1} of {problem.settings['trials']}",
        )
        return evaluate(self.model, problem.task, self.valid, self.training, device=problem.device)["value"]


def trial_checkpoint(problem: Problem, number: int) -> Checkpoint:
    """Of a trial's training; of no use once the search has kept its score."""
    return problem.checkpoint.part(f"trial-{number}")
