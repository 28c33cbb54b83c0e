"""Search: data and a method -> ``architecture.json``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.algorithms.shared.problem import Problem, run_search, run_share
from nasperf360.errors import UserError
from nasperf360.files import read_json, write_json
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.stages.experiment import Experiment, Machine, checksummed, digests
from nasperf360.stages.training_job import training_job, write_history
from nasperf360.tasks.shared.metrics import task_metric
from nasperf360.tasks.shared.task_training import task_training


def size_limit(path: str, slack: float) -> int:
    """Most parameters: those of the architecture in ``path``, and ``slack`` more.

    Raises:
        UserError: the file does not say how many these are.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("parameters"), int):
        raise UserError(f"{path}: lacks the key 'parameters'; delete it and search again")
    return int(content["parameters"] + slack)


def search(
    experiment: Experiment,
    method: Mapping[str, Any],
    space_settings: Mapping[str, Any],
    settings: Mapping[str, Any],
    code: Mapping[str, str],
    machine: Machine,
    *,
    data: str,
    limiting: str | None,
    outputs: Mapping[str, str],
    worker: int = 0,
    workers: Sequence[str] = (),
) -> None:
    """Run a method's search and write the architecture, the history and the cost; as one of its workers the cost alone.

    Args:
        experiment: task, method, seed.
        method: its definition: space, algorithm, size_limit.
        space_settings: of the space on this task.
        settings: ``search`` and, where its trials train as retraining does, ``retrain``.
        code: digests of the source files that this job runs.
        machine: what the job was given.
        data: the processed data set.
        limiting: ``architecture.json`` whose size limits this one, or None.
        outputs: paths ``architecture``, ``history``, ``cost``.
        worker: this job's number among those that share the search; 0: the one that ends it.
        workers: ``cost.json`` of those that shared it, for that one.

    Raises:
        UserError: the algorithm cannot serve the space, or the search itself fails.
    """
    algorithm = algorithm_spec(method["algorithm"])
    searching = algorithm.settings.model_validate(settings["search"])
    with training_job(experiment, machine, code, data, worker=worker) as job:
        task = task_training(experiment.task, settings["search"].get("task"))  # some searches train nothing
        signature = task.signature(job.dataset.split("train").shape("x"))
        space = search_space(method["space"], signature, space_settings)
        if reason := algorithm.refuse(space.spec):
            raise UserError(
                f"{experiment}: algorithm '{algorithm.name}' cannot serve space '{space.spec.name}': {reason}"
            )
        limit = size_limit(limiting, method["size_limit"]["slack"]) if limiting else None
        origin = job.provenance({"method": method, "space": space_settings, **settings, "limit": limit})
        with job.resumable(origin) as checkpoint:
            problem = Problem(
                task=task,
                dataset=job.dataset,
                settings=searching,
                trial_training=trial_training(settings),
                metric=task_metric(experiment.task) if algorithm.ranks_by_metric(searching) else None,
                seed=experiment.derived_seed,
                device=job.device,
                checkpoint=checkpoint,
                size_limit=limit,
                label=str(experiment),
                worker=worker,
            )
            if worker:
                run_share(algorithm.name, space, problem)
            else:
                # Of workers that there are no longer nobody else removes why they failed.
                for failure in Path(outputs["cost"]).parent.glob("workers/*/failure.json"):
                    failure.unlink(missing_ok=True)
                found = run_search(algorithm.name, space, problem)
                space.check(found.architecture)
                record = job.record(space.build(found.architecture), signature.input_shape, origin)
        if worker:
            job.write_cost(outputs["cost"], ())
            return
        write_history(outputs["history"], found.history)
        job.write_cost(outputs["cost"], found.history, shared_with=[read_json(path) for path in workers])
        if workers:
            record["order_fixed"] = False  # another run may compare other trials, and so find another architecture
        architecture = {**record, "architecture": found.architecture, "files": digests(outputs["history"])}
        write_json(outputs["architecture"], checksummed(architecture))


def trial_training(settings: Mapping[str, Any]) -> dict[str, Any]:
    """How trials train: as retraining does, but for what the search sets otherwise."""
    return {**settings["retrain"], **settings["search"]["training"]} if "retrain" in settings else {}
