"""``asha``: asynchronous successive halving over architectures or hyperparameters drawn at random, on Optuna.

Source: paper section 4.1 (Li et al. 2018); reference code, backbone*/scripts/*_tuning.yaml; docs/protocol.md.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any

from nasperf360.algorithms.base import Problem, SearchAlgorithm, SearchResult
from nasperf360.algorithms.candidates import Candidate, trial_checkpoint
from nasperf360.errors import DivergedError, UserError
from nasperf360.files import atomic_path
from nasperf360.job import note
from nasperf360.seeds import generator
from nasperf360.setting_names import OVERRIDES, SettingNames
from nasperf360.spaces.base import SearchSpace

if TYPE_CHECKING:
    from pathlib import Path

    import optuna

    from nasperf360.data.datasets import Split


def rung_epochs(min_epochs: int, reduction_factor: int, rungs: int, max_epochs: int) -> list[int]:
    """Epochs at which a trial is compared with the others, the last being the end, e.g. 12, 48, 200 for three rungs."""
    return [*(min_epochs * reduction_factor**rung for rung in range(rungs - 1)), max_epochs]


def _rungs(settings: Mapping[str, Any]) -> list[int]:
    return rung_epochs(*(settings[name] for name in ("min_epochs", "reduction_factor", "rungs", "max_epochs")))


class Asha(SearchAlgorithm):
    """Trials train by the retraining settings; at each rung the best ``1 / reduction_factor`` so far go on.

    Settings: ``trials``, ``reduction_factor``, ``min_epochs`` (the first rung), ``rungs``, ``max_epochs``, and
    ``training``, which overrides retraining settings in trials only. The study lies in the checkpoint's folder, so that
    a later process resumes it: finished trials count, a killed one goes on from its last epoch. The study keeps scores
    alone: who goes on is decided from these in memory, anew in each process, so that no kill can come in between.
    """

    name = "asha"
    setting_names = OVERRIDES + SettingNames.of(
        required="trials:count reduction_factor:several min_epochs:count rungs:count max_epochs:count"
    )
    trains_candidates = True

    def check_settings(self, settings: Mapping[str, Any], space: SearchSpace) -> None:
        rungs = _rungs(settings)
        if any(after <= before for before, after in pairwise(rungs)):
            raise UserError(
                f"search.asha: rungs {settings['rungs']} would be at {', '.join(map(str, rungs))} epochs, each must be "
                f"later than the one before; lower rungs, min_epochs or reduction_factor, or raise max_epochs"
            )

    def search(self, space: SearchSpace, problem: Problem) -> SearchResult:
        settings, task = problem.settings, problem.task
        train, valid = problem.dataset.tuning()
        task.fit(train)
        rungs = _rungs(settings)
        study, judge = _open_study(problem), _judge(problem)
        for number in range(settings["trials"]):
            _run_trial(study, judge, number, rungs, space, problem, train, valid)
            trial_checkpoint(problem, number).discard()
        alive = [trial for trial in study.trials if trial.intermediate_values]
        if not alive:
            raise UserError(f"{problem.label}: all {settings['trials']} trials diverged; narrow the space of lr")
        # The longest trials first: a value after 12 epochs is not compared with one after 200.
        sign = -1 if task.metric.higher_is_better else 1
        best = min(alive, key=lambda trial: (-trial.last_step, sign * trial.intermediate_values[trial.last_step]))
        history = [
            {"trial": float(trial.number), "epochs": float(epochs), "valid_score": value}
            for trial in study.trials
            for epochs, value in sorted(trial.intermediate_values.items())
        ]
        return SearchResult(best.user_attrs["architecture"], history)


def _open_study(problem: Problem) -> optuna.Study:
    """The stored study; the caller holds the checkpoint's lock."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

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
    from nasperf360.training.checkpoints import refused_name

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
    note(
        f"{path}: damaged at line {len(sound) + 1} of {len(lines)}; set aside as {aside.name}, "
        f"going on from the lines before"
    )


def _is_record(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and "op_code" in json.loads(line)
    except (ValueError, TypeError):  # not JSON, not text, or a number
        return False


def _judge(problem: Problem) -> optuna.Study:
    """A study in memory whose pruner decides which trials go on."""
    import optuna

    settings = problem.settings
    return optuna.create_study(
        direction=_direction(problem),
        pruner=optuna.pruners.SuccessiveHalvingPruner(
            min_resource=settings["min_epochs"], reduction_factor=settings["reduction_factor"], bootstrap_count=0
        ),
    )


def _direction(problem: Problem) -> str:
    return "maximize" if problem.task.metric.higher_is_better else "minimize"


def _run_trial(
    study: optuna.Study,
    judge: optuna.Study,
    number: int,
    rungs: list[int],
    space: SearchSpace,
    problem: Problem,
    train: Split,
    valid: Split,
) -> None:
    """Run a trial to its end, or what a killed process left of it; a finished one is only judged again."""
    from optuna import Trial
    from optuna.trial import TrialState

    stored = study.trials[number] if number < len(study.trials) else None
    scores = dict(stored.intermediate_values) if stored else {}
    judged = judge.ask()
    if stored and stored.state.is_finished():
        for epochs, score in sorted(scores.items()):
            _stops(judged, epochs, score, rungs)
        return
    trial = Trial(study, stored._trial_id) if stored else study.ask()
    architecture = space.sample(generator(problem.seed, "trial", number))
    trial.set_user_attr("architecture", architecture)
    candidate = Candidate(space, problem, architecture, number, train, valid, epochs=problem.settings["max_epochs"])
    for epochs in rungs:
        if epochs not in scores:
            try:
                scores[epochs] = candidate.score_after(epochs)
            except DivergedError:
                # A learning rate drawn too high is a result, not a failure.
                study.tell(trial, state=TrialState.PRUNED)
                return
            trial.report(scores[epochs], epochs)
        if _stops(judged, epochs, scores[epochs], rungs):
            study.tell(trial, state=TrialState.PRUNED)
            return
    study.tell(trial, scores[rungs[-1]])


def _stops(judged: optuna.Trial, epochs: int, score: float, rungs: list[int]) -> bool:
    judged.report(score, epochs)
    return epochs < rungs[-1] and judged.should_prune()


ALGORITHM = Asha
