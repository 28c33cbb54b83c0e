"""``asha``: asynchronous successive halving over architectures or hyperparameters drawn at random, on Optuna.

Source: paper section 4.1 (Li et al. 2018); reference code, backbone*/scripts/*_tuning.yaml; docs/protocol.md.
"""

import optuna
from optuna.trial import FrozenTrial, TrialState

from nasperf360.algorithms.asha.study import one_at_a_time, open_study
from nasperf360.algorithms.shared.problem import Problem, SearchResult
from nasperf360.algorithms.shared.trial_rows import as_text
from nasperf360.algorithms.shared.trials import Trial, trial_checkpoint
from nasperf360.data.datasets import Split
from nasperf360.errors import DivergedError, UserError
from nasperf360.locks import worker_folder, works_in
from nasperf360.seeds import generator
from nasperf360.spaces.shared.search_space import SearchSpace
from nasperf360.training.loop import History


def search(space: SearchSpace, problem: Problem) -> SearchResult:
    """Trials train by the retraining settings; at each rung the best ``1 / reduction_factor`` so far go on.

    The study lies in the checkpoint's folder, so that a later process resumes it: finished trials count, a killed one
    goes on from its last epoch. Of a trial's course it records metrics and seconds alone: who goes on is decided from
    these metrics, anew in each process, so that no kill can come in between.

    Several workers (:func:`share`) take trials from the same study, and this is what is left for the last.
    """
    study = _run_trials(space, problem)
    alive = [trial for trial in study.trials if trial.intermediate_values]
    if not alive:
        raise UserError(f"{problem.label}: all {problem.settings.trials} trials diverged; narrow the space of lr")
    # The longest trials first: a value after 12 epochs is not compared with one after 200.
    sign = -1 if problem.task.spec.metric.higher_is_better else 1
    best = min(alive, key=lambda trial: (-trial.last_step, sign * trial.intermediate_values[trial.last_step]))
    return SearchResult(best.user_attrs["architecture"], _history(study))


def share(space: SearchSpace, problem: Problem) -> None:
    """Run trials as one of several workers, until all are taken.

    What trial ``k`` tries follows from the seed and ``k``, whoever runs it; but it is compared with the trials that are
    at its rung by then, whose order nothing fixes. Those of a worker that was killed go on in another, or in its
    successor.
    """
    _run_trials(space, problem)


def _run_trials(space: SearchSpace, problem: Problem) -> optuna.Study:
    """Run trials until there is none to take."""
    train, valid = problem.dataset.tuning()
    problem.task.fit(train)
    study = open_study(problem)
    while trial := _take(study, problem):
        _run_trial(study, trial, space, problem, train, valid)
        trial_checkpoint(problem, trial.number).discard()
    return study


def _take(study: optuna.Study, problem: Problem) -> FrozenTrial | None:
    """The next trial: what a killed process has left of one, else a new one; None once all are taken."""
    with one_at_a_time(problem):
        trials = study.get_trials(deepcopy=False)
        left = [trial for trial in trials if trial.state == TrialState.RUNNING and not _runs(trial, problem)]
        # A worker that came to its end between the two looks has told of its trial by now.
        now = study.get_trials(deepcopy=False)
        left = [trial for trial in left if now[trial.number].state == TrialState.RUNNING]
        if not left and len(trials) >= problem.settings.trials:
            return None
        taken = optuna.Trial(study, left[0]._trial_id) if left else study.ask()
        if problem.settings.workers > 1:
            taken.set_user_attr("worker", problem.worker)
        return study.get_trials(deepcopy=False)[taken.number]


def _runs(trial: FrozenTrial, problem: Problem) -> bool:
    """Whether another worker runs a trial now."""
    worker = trial.user_attrs.get("worker", problem.worker)
    folder = worker_folder(problem.checkpoint.folder, worker)
    holder = works_in(folder)
    # Where the lock cannot be looked at, as on a file system that fails for a moment, it may be held.
    return worker != problem.worker and (bool(holder) or (holder is None and folder.exists()))


def _run_trial(
    study: optuna.Study, stored: FrozenTrial, space: SearchSpace, problem: Problem, train: Split, valid: Split
) -> None:
    """Run a trial to its end, from where a killed process left it."""
    rungs, number = problem.settings.rung_epochs, stored.number
    recorded = optuna.Trial(study, stored._trial_id)
    architecture = space.sample(generator(problem.seed, "trial", number))
    recorded.set_user_attr("architecture", architecture)
    trial = Trial(space, problem, architecture, number, train, valid, epochs=rungs[-1])
    metrics, seconds = dict(stored.intermediate_values), dict(stored.user_attrs.get("seconds", {}))
    for epochs in rungs:
        if epochs not in metrics:
            try:
                metrics[epochs] = trial.metric_after(epochs)
            except DivergedError:
                # A learning rate drawn too high is a result, not a failure.
                recorded.set_user_attr("seconds", {**seconds, str(epochs): trial.seconds})
                study.tell(recorded, state=TrialState.PRUNED)
                return
            seconds[str(epochs)] = trial.seconds
            recorded.set_user_attr("seconds", seconds)
            recorded.report(metrics[epochs], epochs)
        if epochs == max(metrics) < rungs[-1] and _stops(study, number, epochs, problem):
            study.tell(recorded, state=TrialState.PRUNED)
            return
    study.tell(recorded, metrics[rungs[-1]])


def _stops(study: optuna.Study, number: int, epochs: int, problem: Problem) -> bool:
    """Whether a trial ends at a rung: by Optuna's pruner, shown in memory what all trials have there by now."""
    factor = problem.settings.reduction_factor
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=epochs, reduction_factor=factor, bootstrap_count=0)
    judging = optuna.create_study(direction=study.direction, pruner=pruner)
    there = {trial.number: trial.intermediate_values.get(epochs) for trial in study.get_trials(deepcopy=False)}
    own = there.pop(number)
    for value in [*(value for value in there.values() if value is not None), own]:
        shown = judging.ask()
        shown.report(value, epochs)
        stops = shown.should_prune()
    return bool(stops)


def _history(study: optuna.Study) -> History:
    """A row for each rung that a trial reached, and for the one at which it diverged; seconds count from its start."""
    history = History()
    for trial in study.trials:
        given, scores = trial.user_attrs, trial.intermediate_values
        for epochs, seconds in sorted((int(rung), seconds) for rung, seconds in given["seconds"].items()):
            row = {"trial": float(trial.number), "epochs": float(epochs), "diverged": float(epochs not in scores)}
            if epochs in scores:
                row["valid_score"] = scores[epochs]
            history.append({**row, "architecture": as_text(given["architecture"])})
            history.seconds.append(round(seconds, 3))
    return history
