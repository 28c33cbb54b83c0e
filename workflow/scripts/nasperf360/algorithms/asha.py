"""``asha``: asynchronous successive halving over architectures or hyperparameters drawn at random, on Optuna.

Source: paper section 4.1 (Li et al. 2018); reference code, backbone*/scripts/*_tuning.yaml; docs/protocol.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nasperf360.algorithms.base import Problem, SearchAlgorithm, SearchResult
from nasperf360.errors import DivergedError, UserError
from nasperf360.seeds import derive_seed, generator
from nasperf360.setting_names import OVERRIDES, SettingNames
from nasperf360.spaces.base import SearchSpace

if TYPE_CHECKING:
    import optuna


def rung_epochs(min_epochs: int, reduction_factor: int, rungs: int, max_epochs: int) -> list[int]:
    """Epochs at which a trial is compared with the others, the last being the end, e.g. 12, 48, 200 for three rungs."""
    return [*(min_epochs * reduction_factor**rung for rung in range(rungs - 1)), max_epochs]


class Asha(SearchAlgorithm):
    """Trials train by the retraining settings; at each rung the best ``1 / reduction_factor`` so far go on.

    Settings: ``trials``, ``reduction_factor``, ``min_epochs`` (the first rung), ``rungs``, ``max_epochs``, and
    ``training``, which overrides retraining settings in trials only. The study lies in the checkpoint's folder, so that
    a later process resumes it: finished trials count, a killed one goes on from its last epoch.
    """

    name = "asha"
    setting_names = OVERRIDES + SettingNames.of(required="trials reduction_factor min_epochs rungs max_epochs")
    trains_candidates = True

    def search(self, space: SearchSpace, problem: Problem) -> SearchResult:
        settings, task = problem.settings, problem.task
        train, valid = problem.dataset.tuning()
        task.fit(train)
        rungs = rung_epochs(
            settings["min_epochs"], settings["reduction_factor"], settings["rungs"], settings["max_epochs"]
        )
        study = _open_study(problem)
        for number in range(settings["trials"]):
            _run_trial(study, number, rungs, space, problem, train, valid)
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
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder = problem.checkpoint.folder
    folder.mkdir(parents=True, exist_ok=True)
    settings = problem.settings
    return optuna.create_study(
        # The name holds what makes a stored study valid for this job; another code or setting starts its own.
        study_name=problem.checkpoint.digest,
        storage=JournalStorage(JournalFileBackend(str(folder / "study.log"))),
        load_if_exists=True,
        direction="maximize" if problem.task.metric.higher_is_better else "minimize",
        pruner=optuna.pruners.SuccessiveHalvingPruner(
            min_resource=settings["min_epochs"], reduction_factor=settings["reduction_factor"], bootstrap_count=0
        ),
    )


def _run_trial(
    study: optuna.Study, number: int, rungs: list[int], space: SearchSpace, problem: Problem, train: Any, valid: Any
) -> None:
    import optuna
    import torch

    from nasperf360.training import evaluate, fit

    trials = study.trials
    if number < len(trials) and trials[number].state.is_finished():
        return
    # A killed trial is still running in the storage: it goes on where its checkpoint stands.
    trial = optuna.Trial(study, trials[number]._trial_id) if number < len(trials) else study.ask()
    architecture = space.sample(generator(problem.seed, "trial", number))
    trial.set_user_attr("architecture", architecture)
    training = _training_settings(problem, space.hyperparameters(architecture))
    seed = derive_seed(problem.seed, "trial", number)
    torch.manual_seed(derive_seed(seed, "initial weights"))
    model = space.build(architecture).to(problem.device)
    reported = study.trials[number].intermediate_values
    for epochs in [rung for rung in rungs if rung not in reported]:
        label = f"{problem.label} trial {number + 1} of {problem.settings['trials']}"
        try:
            fit(
                model,
                problem.task,
                train,
                training,
                seed=seed,
                device=problem.device,
                checkpoint=problem.checkpoint.part(f"trial-{number}"),
                epochs=epochs,
                label=label,
            )
            score = evaluate(model, problem.task, valid, training, device=problem.device)["value"]
        except DivergedError:
            # A learning rate drawn too high is a result, not a failure.
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return
        trial.report(score, epochs)
        if epochs < rungs[-1] and trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return
    study.tell(trial, study.trials[number].intermediate_values[rungs[-1]])


def _training_settings(problem: Problem, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    settings = {**problem.retrain_settings, **problem.settings.get("training", {}), **hyperparameters}
    return {**settings, "epochs": problem.settings["max_epochs"]}


ALGORITHM = Asha
