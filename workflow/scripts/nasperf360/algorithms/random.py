"""``random``: architectures drawn, each trained briefly as retraining does; the best on validation wins.

Source: paper section 4.1, random search with a size limit; reference code, densenas/*/generate_random.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nasperf360.algorithms.base import Problem, SearchAlgorithm, SearchResult
from nasperf360.algorithms.candidates import Candidate, trial_checkpoint
from nasperf360.errors import DivergedError, UserError
from nasperf360.seeds import derive_seed, generator
from nasperf360.setting_names import OVERRIDES, SettingNames
from nasperf360.spaces.base import Architecture, SearchSpace

NOISE = 1e-3  # standard deviation of re-initialised architecture parameters
MOST_DRAWS = 1000  # per trial, before a size limit counts as out of reach

Sampler = Callable[[int], Architecture]
"""Draws an architecture; its argument numbers the draw, which depends on nothing else."""


class RandomSearch(SearchAlgorithm):
    """Trials train by the retraining settings, whose schedule keeps its full length.

    Settings: ``trials``; ``epochs`` of each; ``sampler``: ``uniform`` over the space, or ``derive``, as published for
    DenseNAS: what the supernet's derivation makes of architecture parameters drawn anew (far from uniform);
    ``training``, which overrides retraining settings in trials only. Architectures larger than the problem's size limit
    are drawn again.
    """

    name = "random"
    setting_names = OVERRIDES + SettingNames.of(required="trials:count epochs:count", optional="sampler:uniform|derive")
    trains_candidates = True
    keeps_size_limit = True

    def check_settings(self, settings: Mapping[str, Any], space: SearchSpace) -> None:
        if settings.get("sampler") == "derive" and not space.has_supernet:
            raise UserError(
                f"search.random: sampler 'derive' needs a supernet, and space '{space.name}' has none; "
                f"set sampler: uniform"
            )

    def search(self, space: SearchSpace, problem: Problem) -> SearchResult:
        from nasperf360.training.loop import run_epochs

        settings, task = problem.settings, problem.task
        train, valid = problem.dataset.tuning()
        task.fit(train)
        sampler = _sampler(space, problem)
        sign = 1 if task.metric.higher_is_better else -1

        def trial(number: int) -> dict[str, float]:
            if number:
                # Not sooner: its score was no part of this search's own checkpoint before.
                trial_checkpoint(problem, number - 1).discard()
            architecture, parameters = draw(space, problem, sampler, number)
            row = {"trial": float(number), "parameters": float(parameters)}
            try:
                candidate = Candidate(space, problem, architecture, number, train, valid)
                return row | {"diverged": 0.0, "valid_score": candidate.score_after(settings["epochs"])}
            except DivergedError:
                # A learning rate or a network drawn badly is a result, not a failure.
                return row | {"diverged": 1.0}

        # A trial is the epoch of this search: finished ones are in the checkpoint, the rest is drawn again by number.
        history = run_epochs(
            trial, settings["trials"], {}, seed=problem.seed, checkpoint=problem.checkpoint, label=problem.label
        )
        trial_checkpoint(problem, settings["trials"] - 1).discard()
        rows = [row for row in history if not row["diverged"]]
        if not rows:
            raise UserError(f"{problem.label}: all {settings['trials']} trials diverged; lower lr")
        best = max(rows, key=lambda row: sign * row["valid_score"])
        architecture, _ = draw(space, problem, sampler, int(best["trial"]))
        for row in history:
            del row["epoch"]
        return SearchResult(architecture, history)


def draw(space: SearchSpace, problem: Problem, sampler: Sampler, trial: int) -> tuple[Architecture, int]:
    """The architecture of a trial and its parameters: the first of its draws within the size limit.

    Raises:
        UserError: no draw is within the limit.
    """
    from nasperf360.networks.counts import count_parameters

    smallest = None
    for attempt in range(MOST_DRAWS):
        architecture = sampler(derive_seed(problem.seed, "trial", trial, attempt))
        parameters = count_parameters(space.build(architecture))
        if problem.size_limit is None or parameters <= problem.size_limit:
            return architecture, parameters
        smallest = parameters if smallest is None else min(smallest, parameters)
    raise UserError(
        f"{problem.label}: none of {MOST_DRAWS} draws has at most {problem.size_limit} parameters, the smallest has "
        f"{smallest}; raise size_limit.slack"
    )


def _sampler(space: SearchSpace, problem: Problem) -> Sampler:
    if problem.settings.get("sampler") == "derive":
        return derivation(space)
    return lambda seed: space.sample(generator(seed))


def derivation(space: SearchSpace) -> Sampler:
    """The sampler ``derive``: what the space derives from its supernet with random architecture parameters."""
    import torch

    supernet = space.supernet()

    @torch.no_grad()
    def derived(seed: int) -> Architecture:
        noise = torch.Generator().manual_seed(seed)
        for parameter in supernet.architecture_parameters().values():
            parameter.normal_(0, NOISE, generator=noise)
        return space.derive(supernet)

    return derived


ALGORITHM = RandomSearch
