"""``random``: architectures drawn, each trained briefly as retraining does; the best on validation wins.

Source: paper section 4.1, random search with a size limit; reference code, densenas/*/generate_random.py.
"""

from collections.abc import Callable
from functools import cache

import torch

from nasperf360.algorithms.shared.problem import Problem, SearchResult
from nasperf360.algorithms.shared.trial_rows import as_text
from nasperf360.algorithms.shared.trials import Trial, trial_checkpoint
from nasperf360.errors import DivergedError, UserError
from nasperf360.seeds import derive_seed, generator
from nasperf360.spaces.shared.counts import count_parameters
from nasperf360.spaces.shared.encoding import Architecture
from nasperf360.spaces.shared.search_space import HasSupernet, SearchSpace
from nasperf360.training.loop import Row, run_epochs

NOISE = 1e-3  # standard deviation of re-initialised architecture parameters
MOST_DRAWS = 1000  # per trial, before a size limit counts as out of reach

Sampler = Callable[[int], Architecture]
"""Draws an architecture; its argument numbers the draw, which depends on nothing else."""


def search(space: SearchSpace, problem: Problem) -> SearchResult:
    """Trials train by the retraining settings, whose schedule keeps its full length.

    Architectures larger than the problem's size limit are drawn again.
    """
    settings, task = problem.settings, problem.task
    train, valid = problem.dataset.tuning()
    task.fit(train)
    sampler = make_sampler(space, settings.sampler)
    sign = 1 if task.spec.metric.higher_is_better else -1

    @cache
    def drawn(number: int) -> tuple[Architecture, int]:
        return draw(space, problem, sampler, number)

    def run_trial(number: int) -> Row:
        if number:
            # Not sooner: its metric was no part of this search's own checkpoint before.
            trial_checkpoint(problem, number - 1).discard()
        architecture, parameters = drawn(number)
        row = {"trial": float(number), "parameters": float(parameters)}
        try:
            trial = Trial(space, problem, architecture, number, train, valid)
            score = trial.metric_after(settings.epochs)
            return row | {"diverged": 0.0, "valid_score": score, "seconds": trial.seconds}
        except DivergedError:
            # A learning rate or a network drawn badly is a result, not a failure.
            return row | {"diverged": 1.0}

    # A trial is the epoch of this search: finished ones are in the checkpoint, the rest is drawn again by number.
    history = run_epochs(
        run_trial, settings.trials, {}, seed=problem.seed, checkpoint=problem.checkpoint, label=problem.label
    )
    trial_checkpoint(problem, settings.trials - 1).discard()
    rows = [row for row in history if not row["diverged"]]
    if not rows:
        raise UserError(f"{problem.label}: all {settings.trials} trials diverged; lower lr")
    number = int(max(rows, key=lambda row: sign * row["valid_score"])["trial"])
    for row in history:
        del row["epoch"]
        row["architecture"] = as_text(drawn(int(row["trial"]))[0])
    return SearchResult(drawn(number)[0], history)


def draw(space: SearchSpace, problem: Problem, sampler: Sampler, trial: int) -> tuple[Architecture, int]:
    """The architecture of a trial and its parameters: the first of its draws within the size limit.

    Raises:
        UserError: no draw is within the limit.
    """
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


def make_sampler(space: SearchSpace, name: str) -> Sampler:
    """``uniform`` over the space, or ``derive``, see :func:`derivation`."""
    if name == "derive":
        assert isinstance(space, HasSupernet), "the spec refuses other spaces"
        return derivation(space)
    return lambda seed: space.sample(generator(seed))


def derivation(space: HasSupernet) -> Sampler:
    """The sampler ``derive``: what the space derives from its supernet with random architecture parameters."""
    supernet = space.supernet()

    @torch.no_grad()
    def derived(seed: int) -> Architecture:
        noise = torch.Generator().manual_seed(seed)
        for parameter in supernet.architecture_parameters().values():
            parameter.normal_(0, NOISE, generator=noise)
        return space.derive(supernet)

    return derived
