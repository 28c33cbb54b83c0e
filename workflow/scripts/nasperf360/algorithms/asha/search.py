"""``asha``: asynchronous successive halving over architectures or hyperparameters drawn at random, on Optuna.

Source: paper section 4.1 (Li et al. 2018); reference code, backbone*/scripts/*_tuning.yaml; docs/protocol.md.
"""

import json
import shutil
from itertools import takewhile
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from nasperf360.algorithms.shared.problem import Problem, SearchResult
from nasperf360.algorithms.shared.trial_rows import as_text
from nasperf360.algorithms.shared.trials import Trial, trial_checkpoint
from nasperf360.data.datasets import Split
from nasperf360.errors import DivergedError, UserError
from nasperf360.files import atomic_path
from nasperf360.job import log
from nasperf360.seeds import generator
from nasperf360.spaces.shared.search_space import SearchSpace
from nasperf360.training.checkpoints import refused_name
from nasperf360.training.loop import History


def search(space: SearchSpace, problem: Problem) -> SearchResult:
    """Trials train by the retraining settings; at each rung the best ``1 / reduction_factor`` so far go on.

    The study lies in the checkpoint's folder, so that a later process resumes it: finished trials count, a killed one
    goes on from its last epoch. Of a trial's course it records metrics and seconds alone: who goes on is decided from
    these metrics in memory, anew in each process, so that no kill can come in between.
    """
    trials, task = problem.settings.trials, problem.task
    train, valid = problem.dataset.tuning()
    task.fit(train)
    study, pruner = _open_study(problem), _pruning_study(problem)
    for number in range(trials):
        _run_trial(study, pruner, number, space, problem, train, valid)
        trial_checkpoint(problem, number).discard()
    alive = [trial for trial in study.trials if trial.intermediate_values]
    if not alive:
        raise UserError(f"{problem.label}: all {trials} trials diverged; narrow the space of lr")
    # The longest trials first: a value after 12 epochs is not compared with one after 200.
    sign = -1 if task.spec.metric.higher_is_better else 1
    best = min(alive, key=lambda trial: (-trial.last_step, sign * trial.intermediate_values[trial.last_step]))
    return SearchResult(best.user_attrs["architecture"], _history(study))


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


def _open_study(problem: Problem) -> optuna.Study:
    """The stored study; the caller holds the checkpoint's lock."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder = problem.checkpoint.folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "study.log"
    # Optuna's own lock outlives a kill during a write; under the checkpoint's lock nobody else can hold it.
    path.with_name("study.log.lock").unlink(missing_ok=True)
    _mend(path)
    return optuna.create_study(
        # The name holds what makes a stored study valid for this job; another code or setting starts its own.
        study_name=problem.checkpoint.digest,
        storage=JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path)))),
        load_if_exists=True,
        direction=_direction(problem),
    )


def _mend(path: Path) -> None:
    """Keep the lines of a damaged journal up to the damage: a kill or a full disk can cut a line short."""
    if not path.exists():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    sound = list(takewhile(_is_record, lines))
    if len(sound) == len(lines):
        return
    aside = refused_name(path)
    shutil.copyfile(path, aside)
    with atomic_path(path) as partial:
        partial.write_bytes(b"".join(sound))
    log(
        f"{path}: damaged at line {len(sound) + 1} of {len(lines)}; set aside as {aside.name}, "
        f"going on from the lines before"
    )


def _is_record(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and "op_code" in json.loads(line)
    except (ValueError, TypeError):  # not JSON, not text, or a number
        return False


def _pruning_study(problem: Problem) -> optuna.Study:
    """A study in memory whose pruner decides which trials go on."""
    return optuna.create_study(
        direction=_direction(problem),
        pruner=optuna.pruners.SuccessiveHalvingPruner(
            min_resource=problem.settings.min_epochs,
            reduction_factor=problem.settings.reduction_factor,
            bootstrap_count=0,
        ),
    )


def _direction(problem: Problem) -> str:
    return "maximize" if problem.task.spec.metric.higher_is_better else "minimize"


def _run_trial(
    study: optuna.Study,
    pruner: optuna.Study,
    number: int,
    space: SearchSpace,
    problem: Problem,
    train: Split,
    valid: Split,
) -> None:
    """Run a trial to its end, or what a killed process left of it; a finished one is only shown to the pruner again."""
    rungs = problem.settings.rung_epochs
    stored = study.trials[number] if number < len(study.trials) else None
    metrics = dict(stored.intermediate_values) if stored else {}
    shown = pruner.ask()
    if stored and stored.state.is_finished():
        for epochs, metric in sorted(metrics.items()):
            _stops(shown, epochs, metric, rungs)
        return
    recorded = optuna.Trial(study, stored._trial_id) if stored else study.ask()
    architecture = space.sample(generator(problem.seed, "trial", number))
    recorded.set_user_attr("architecture", architecture)
    trial = Trial(space, problem, architecture, number, train, valid, epochs=rungs[-1])
    seconds = dict(stored.user_attrs.get("seconds", {})) if stored else {}
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
        if _stops(shown, epochs, metrics[epochs], rungs):
            study.tell(recorded, state=TrialState.PRUNED)
            return
    study.tell(recorded, metrics[rungs[-1]])


def _stops(shown: optuna.Trial, epochs: int, metric: float, rungs: list[int]) -> bool:
    shown.report(metric, epochs)
    return epochs < rungs[-1] and shown.should_prune()
