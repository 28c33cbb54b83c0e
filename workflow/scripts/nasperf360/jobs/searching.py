"""Search one cell: data and a method -> ``architecture.json``."""

from collections.abc import Mapping
from typing import Any

from nasperf360.algorithms import get_algorithm
from nasperf360.algorithms.base import Problem
from nasperf360.data.datasets import Dataset
from nasperf360.errors import UserError
from nasperf360.files import read_json, write_json
from nasperf360.jobs.cells import Cell, Machine, digests, provenance, sealed, write_history
from nasperf360.jobs.provenance import CostMeter
from nasperf360.networks.counts import count_multiply_adds, count_parameters
from nasperf360.spaces import get_space
from nasperf360.tasks import get_task
from nasperf360.training.fitting import setup_torch


def size_limit(path: str, slack: float) -> int:
    """Most parameters: those of the architecture in ``path``, and ``slack`` more.

    Raises:
        UserError: the file does not say how many these are.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("parameters"), int):
        raise UserError(f"{path}: lacks the key 'parameters'; delete it and search again")
    return int(content["parameters"] + slack)


def task_switches(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Switches of the task in a search: those of retraining where trials train as it does, then the search's own."""
    search, retrain = settings["search"], settings.get("retrain", {})
    layers = (retrain, search.get("training", {}) if retrain else {}, search)
    return {name: value for layer in layers for name, value in layer.get("task", {}).items()}


def search(
    cell: Cell,
    method: Mapping[str, Any],
    space_settings: Mapping[str, Any],
    settings: Mapping[str, Any],
    code: Mapping[str, str],
    machine: Machine,
    *,
    data: str,
    limiting: str | None,
    outputs: Mapping[str, str],
) -> None:
    """Run a method's search and write the architecture, the history and the cost.

    Args:
        cell: task, method, seed.
        method: its definition: space, algorithm, size_limit.
        space_settings: of the space on this task.
        settings: ``search`` and, where trials train candidates, ``retrain``.
        code: digests of the source files that this job runs.
        machine: what the job was given.
        data: the processed data set.
        limiting: ``architecture.json`` whose size limits this one, or None.
        outputs: paths ``architecture``, ``history``, ``cost``.

    Raises:
        UserError: the algorithm cannot serve the space, or the search itself fails.
    """
    device = setup_torch(machine.threads, machine.device, gpu=machine.gpu)
    task, algorithm = get_task(cell.task), get_algorithm(method["algorithm"])
    task.configure(task_switches(settings))
    with machine.locked(cell), Dataset(data) as dataset:
        meter = CostMeter(device.type, machine.threads)
        machine.verify(cell, dataset)
        signature = task.signature(dataset.split("train").shape("x"))
        space = get_space(method["space"], signature, space_settings)
        if reason := algorithm.refuse(type(space)):
            raise UserError(f"{cell}: algorithm '{algorithm.name}' cannot serve space '{space.name}': {reason}")
        limit = size_limit(limiting, method["size_limit"].get("slack", 0)) if limiting else None
        given = {
            "method": method,
            "space": space_settings,
            **settings,
            "limit": limit,
            "compute_threads": machine.threads,
        }
        origin = provenance(cell, dataset.manifest, given, code)
        checkpoint = machine.checkpoint(cell, origin, device.type)
        with meter.kept(checkpoint.folder, checkpoint.digest):
            problem = Problem(
                task=task,
                dataset=dataset,
                settings=settings["search"],
                retrain_settings=settings.get("retrain", {}),
                seed=cell.derived_seed,
                device=device,
                checkpoint=checkpoint,
                size_limit=limit,
                label=str(cell),
            )
            found = algorithm.search(space, problem)
            simulated = dataset.simulated
            space.check(found.architecture)
            network = space.build(found.architecture)
            write_history(outputs["history"], found.history)
            write_json(outputs["cost"], {**meter.read(), "simulated": simulated})
            architecture = {
                **cell.names(),
                "architecture": found.architecture,
                "parameters": count_parameters(network),
                "multiply_adds": count_multiply_adds(network, signature.input_shape),
                "simulated": simulated,
                "files": digests(outputs["history"]),
                "provenance": origin,
            }
            write_json(outputs["architecture"], sealed(architecture))
