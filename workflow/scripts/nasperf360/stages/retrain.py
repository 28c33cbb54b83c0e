"""Retrain: data and an architecture -> the trained network and its predictions for the final test split."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nasperf360.data.datasets import Split
from nasperf360.errors import UserError
from nasperf360.files import atomic_path, read_json
from nasperf360.job import log
from nasperf360.seeds import derive_seed
from nasperf360.spaces.shared.encoding import Architecture
from nasperf360.spaces.shared.search_space import SearchSpace, search_space
from nasperf360.stages.experiment import Experiment, Machine, digests
from nasperf360.stages.predictions import write_predictions
from nasperf360.stages.training_job import TrainingJob, training_job, write_history
from nasperf360.tasks.shared.task_training import TaskTraining, task_training
from nasperf360.training.epochs import Stateful
from nasperf360.training.fitting import fit, predict
from nasperf360.training.settings import RetrainSettings
from nasperf360.training.validation import Validation


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
    experiment: Experiment,
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
    """Train an architecture from scratch on the final training split; predict the test split after the last epoch.

    Args:
        experiment: task, method, seed.
        space_name: folder of the search space.
        space_settings: of the space on this task.
        settings: of the training.
        code: digests of the source files that this job runs.
        machine: what the job was given.
        data: the processed data set.
        architecture: ``architecture.json`` of the search.
        outputs: paths ``history``, ``model``, ``predictions``, ``cost``.

    Raises:
        UserError: the architecture is none of this space, or the training itself fails.
    """
    with training_job(experiment, machine, code, data) as job:
        task = task_training(experiment.task, settings["task"])
        train, test = job.dataset.final(task.spec.merge_valid)
        task.fit(train)
        signature = task.signature(train.shape("x"))
        space = search_space(space_name, signature, space_settings)
        found = read_architecture(architecture, space)
        training = RetrainSettings.model_validate({**settings, **space.hyperparameters(found)})
        origin = job.provenance({"space": space_settings, "retrain": training.params(), "architecture": found})
        torch.manual_seed(derive_seed(experiment.derived_seed, "initial weights"))
        model = space.build(found)
        record = job.record(model, signature.input_shape, origin)
        model = model.to(job.device)
        with job.resumable(origin) as checkpoint:
            validation = held_out(model, task, train, job, training)
            history = fit(
                model,
                task,
                train,
                training,
                seed=experiment.derived_seed,
                device=job.device,
                checkpoint=checkpoint,
                label=str(experiment),
                after_epoch=validation.after if validation else None,
            )
            predicted = predict(model, task, test, training, device=job.device)
        write_history(outputs["history"], history)
        write_model(outputs["model"], model, task, train.shape("x"))
        searched = read_json(architecture)
        record["search_seed"] = searched.get("seed", experiment.seed)
        if not searched.get("order_fixed", True):
            record["search_order_fixed"] = False
        record["samples"] = {"train": len(train), "test": len(test)}
        write_predictions(outputs["predictions"], predicted, record)
        # Last: it names the others, and so says that the training is done.
        files = digests(*(outputs[name] for name in ("history", "model", "predictions")))
        job.write_cost(outputs["cost"], history, files=files, provenance=origin)


def held_out(
    model: nn.Module, task: TaskTraining, train: Split, job: TrainingJob, settings: RetrainSettings
) -> Validation | None:
    """The validation of a final training on ``train``; None where it is not asked for, or no samples are held out.

    They are where the final training does without the validation split and takes no split of its own: fsd50k, deepsea.
    The test split is none to look at on the way.
    """
    every = settings.validate_every
    if every and train.name != "train":
        log(f"{job.experiment}: validate_every: {train.name} holds samples of the validation split; no loss is taken")
        return None
    valid = job.dataset.split("valid")
    return Validation(model, task, valid, every, settings.batch_size, job.device, settings.precision)


def write_model(path: str | Path, model: nn.Module, task: TaskTraining, sample_shape: Sequence[int]) -> None:
    """A network's weights, and what else its predictions follow from; the same bytes for the same values.

    ``library.py`` reads it.

    Args:
        path: of the file.
        model: the trained network.
        task: what it learned of the training rows is written too.
        sample_shape: of a stored training sample ``x``.
    """
    content = {
        "network": {name: value.cpu() for name, value in model.state_dict().items()},
        "task": task.state_dict() if isinstance(task, Stateful) else {},
        "sample_shape": tuple(sample_shape),
    }
    # Through a buffer: torch.save writes the name of a file that it opens itself into the archive.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with atomic_path(path) as partial:
        partial.write_bytes(buffer.getvalue())
