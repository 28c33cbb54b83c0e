"""Retrain one cell: data and an architecture -> ``result.json``, the number of the paper's Table 2 for one seed."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nasperf360.data.datasets import Dataset
from nasperf360.errors import UserError
from nasperf360.files import atomic_path, read_json, write_json
from nasperf360.jobs.cells import Cell, Machine, digests, provenance, sealed, write_history
from nasperf360.jobs.provenance import CostMeter
from nasperf360.networks.counts import count_multiply_adds, count_parameters
from nasperf360.seeds import derive_seed
from nasperf360.spaces import get_space
from nasperf360.spaces.base import Architecture, SearchSpace
from nasperf360.tasks import get_task
from nasperf360.training.fitting import evaluate, fit, setup_torch


def read_architecture(path: str | Path, space: SearchSpace) -> Architecture:
    """The architecture of an ``architecture.json``.

    Raises:
        UserError: it holds none of this space; names the file.
    """
    content = read_json(path)
    if not isinstance(content, dict) or "architecture" not in content:
        raise UserError(f"{path}: lacks the key 'architecture'; delete it and search again")
    try:
        space.check(content["architecture"])
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    architecture: Architecture = content["architecture"]
    return architecture


def retrain(
    cell: Cell,
    space_name: str,
    space_settings: Mapping[str, Any],
    settings: Mapping[str, Any],
    code: Mapping[str, str],
    machine: Machine,
    *,
    data: str,
    architecture: str,
    outputs: Mapping[str, str],
) -> None:
    """Train an architecture from scratch on the final training split and test it after the last epoch.

    Args:
        cell: task, method, seed.
        space_name: module of the search space.
        space_settings: of the space on this task.
        settings: of the training.
        code: digests of the source files that this job runs.
        machine: what the job was given.
        data: the processed data set.
        architecture: ``architecture.json`` of the search.
        outputs: paths ``result``, ``history``, ``model``, ``cost``.
    """
    device = setup_torch(machine.threads, machine.device, gpu=machine.gpu)
    task = get_task(cell.task)
    task.configure(settings.get("task", {}))
    with machine.locked(cell), Dataset(data) as dataset:
        meter = CostMeter(device.type, machine.threads)
        machine.verify(cell, dataset)
        train, test = dataset.final(task.merge_valid)
        task.fit(train)
        signature = task.signature(train.shape("x"))
        space = get_space(space_name, signature, space_settings)
        found = read_architecture(architecture, space)
        settings = {**settings, **space.hyperparameters(found)}
        given = {
            "space": space_settings,
            "retrain": settings,
            "architecture": found,
            "compute_threads": machine.threads,
        }
        origin = provenance(cell, dataset.manifest, given, code)
        torch.manual_seed(derive_seed(cell.derived_seed, "initial weights"))
        model = space.build(found)
        counts = {
            "parameters": count_parameters(model),
            "multiply_adds": count_multiply_adds(model, signature.input_shape),
        }
        model = model.to(device)
        checkpoint = machine.checkpoint(cell, origin, device.type)
        with meter.kept(checkpoint.folder, checkpoint.digest):
            history = fit(
                model,
                task,
                train,
                settings,
                seed=cell.derived_seed,
                device=device,
                checkpoint=checkpoint,
                label=str(cell),
            )
            scores = evaluate(model, task, test, settings, device=device)
            simulated, samples = dataset.simulated, {"train": len(train), "test": len(test)}
            write_history(outputs["history"], history)
            with atomic_path(outputs["model"]) as partial:
                # Through a buffer: torch.save writes the name of a file that it opens itself into the archive.
                buffer = io.BytesIO()
                torch.save({name: value.cpu() for name, value in model.state_dict().items()}, buffer)
                partial.write_bytes(buffer.getvalue())
            write_json(outputs["cost"], {**meter.read(), "simulated": simulated})
            result = {
                **cell.names(),
                "metric": {"name": task.metric.name, "higher_is_better": task.metric.higher_is_better},
                "value": scores["value"],
                "scores": scores,
                **counts,
                "samples": samples,
                "simulated": simulated,
                "files": digests(outputs["history"], outputs["model"]),
                "provenance": origin,
            }
            write_json(outputs["result"], sealed(result))
