"""Fit and evaluate any module on any task; retraining and search use the same functions."""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import nn

from nasperf360.data.datasets import Split
from nasperf360.errors import DivergedError, UserError
from nasperf360.seeds import derive_seed, generator
from nasperf360.tasks.base import Task
from nasperf360.training.batches import Batch, Loader
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.loop import Losses, Row, Stateful, run_epochs
from nasperf360.training.optimizers import make_optimizer as make_optimizer
from nasperf360.training.schedules import learning_rate

MEMORY_BYTES = 8 << 30  # a split up to this size is loaded once
PRECISIONS = ("float32", "bfloat16", "float16")


def setup_torch(threads: int, device: str, *, gpu: int) -> torch.device:
    """Deterministic algorithms, a fixed number of threads, and the device of this job.

    Args:
        threads: ``compute_threads``: it changes bits, so it never follows the cores at hand.
        device: ``auto``, ``cpu`` or ``cuda``.
        gpu: GPUs that the job was given; 0 means CPU.

    Raises:
        UserError: ``cuda`` is asked for and there is none.
    """
    torch.set_num_threads(threads)
    # A supernet has more kinds of small convolutions than oneDNN keeps compiled: it would compile all anew each step.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")
    # Without it CUDA's matrix products are not deterministic, and torch refuses them below.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # The same switch as use_deterministic_algorithms, which also imports torch's compiler: more than a second a job.
    torch.set_deterministic_debug_mode("error")
    # Else each new tensor is first filled with NaN, against reads of what nobody wrote: an eighth of the time
    # of a small network's step. Ours write first, as the tests of determinism show.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise UserError("device: cuda is asked for, but torch sees no GPU here; set device: auto or cpu")
    return torch.device("cuda" if available and gpu > 0 and device != "cpu" else "cpu")


def training_batches(task: Task, loader: Loader, seed: int, epoch: int) -> Iterable[Batch]:
    """The augmented batches of one epoch: order and augmentation depend on (seed, epoch) alone."""
    augmentation = torch.Generator().manual_seed(derive_seed(seed, "augment", epoch))
    for batch in loader.shuffled(generator(seed, "order", epoch)):
        yield task.augment(batch, augmentation)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Mixed precision: ``float32`` (none), or ``bfloat16`` / ``float16`` on the device.

    Raises:
        UserError: it is another.
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision: '{precision}' was given, allowed are {', '.join(PRECISIONS)}")
    return torch.autocast(device.type, dtype=getattr(torch, precision), enabled=precision != "float32")


def grad_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler:
    """Scales losses for float16, whose smallest numbers gradients fall below; does nothing for the others."""
    return torch.amp.GradScaler(device.type, enabled=precision == "float16")


def fit(
    model: nn.Module,
    task: Task,
    train: Split,
    settings: Mapping[str, Any],
    *,
    seed: int,
    device: torch.device,
    checkpoint: Checkpoint | None = None,
    epochs: int | None = None,
    label: str = "",
    after_epoch: Callable[[int], Row] | None = None,
) -> list[Row]:
    """Train ``model`` in place and return its history.

    Args:
        model: maps (B, *input_shape) to (B, outputs), or (B, outputs, H, W) for dense tasks. A method
            ``start_epoch(epoch, epochs)``, where it has one, is called before each epoch (drop-path ramps), and
            ``project_weights()`` after each step (norm constraints).
        task: fitted to the training rows.
        train: the training split.
        settings: ``epochs``, ``batch_size``, ``lr``, ``schedule``, the optimiser's settings, and optionally
            ``clip`` (gradient norm) and ``precision`` (float32, bfloat16, float16).
        seed: of order, augmentation and dropout.
        device: where to train.
        checkpoint: resumes and saves here.
        epochs: stop after so many; the schedule still spans ``settings["epochs"]``.
        label: for progress and errors.
        after_epoch: called with each finished epoch; its numbers join the history (validation, say).

    Raises:
        DivergedError: the loss is not finite.
        UserError: the batch is larger than the split, or the precision is unknown.
    """
    loader = Loader(train, settings["batch_size"], device, MEMORY_BYTES, one_per_group=task.one_per_group)
    optimizer = make_optimizer(model.parameters(), settings)
    precision = settings.get("precision", "float32")
    scaler = grad_scaler(device, precision)
    clip = settings.get("clip")

    def one_epoch(epoch: int) -> Row:
        model.train()
        if callable(start_epoch := getattr(model, "start_epoch", None)):
            start_epoch(epoch, settings["epochs"])
        losses = Losses("train_loss")
        for step, batch in enumerate(training_batches(task, loader, seed, epoch)):
            rate = learning_rate(settings, epoch, step, loader.steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            with autocast(device, precision):
                output = model(task.inputs(batch))
            loss = task.loss(output.float(), batch)
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            if clip:
                scaler.unscale_(optimizer)  # type: ignore[arg-type]
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            scaler.step(optimizer)  # type: ignore[arg-type]
            scaler.update()
            if callable(project := getattr(model, "project_weights", None)):
                project()
            losses.add(loss)
        row = {"lr": rate, "train_loss": losses.mean()}
        return row | (after_epoch(epoch) if after_epoch else {})

    state: dict[str, Stateful] = {"model": model, "optimizer": optimizer, "scaler": scaler}
    return run_epochs(
        one_epoch, epochs or settings["epochs"], state, seed=seed, checkpoint=checkpoint, label=label or task.name
    )


def evaluation_loader(split: Split, settings: Mapping[str, Any], device: torch.device) -> Loader:
    """A split for :func:`outputs`, in batches of ``test_batch_size``, by default ``batch_size``."""
    batch_size = settings.get("test_batch_size", settings["batch_size"])
    return Loader(split, min(batch_size, len(split)), device, MEMORY_BYTES)


@torch.inference_mode()
def outputs(
    model: nn.Module, task: Task, split: Split | Loader, settings: Mapping[str, Any], *, device: torch.device
) -> np.ndarray:
    """What ``task.predict`` gives for every sample of a split, in order, float32.

    Args:
        model: see :func:`fit`.
        task: fitted.
        split: whose samples; a :func:`evaluation_loader` of it where they are asked for again and again.
        settings: of the training: ``test_batch_size``, by default ``batch_size``, and ``precision``.
        device: where the model is.
    """
    model.eval()
    loader = split if isinstance(split, Loader) else evaluation_loader(split, settings, device)
    with autocast(device, settings.get("precision", "float32")):
        return np.concatenate([task.predict(model, batch).float().cpu().numpy() for batch in loader.in_order()])


def evaluate(
    model: nn.Module, task: Task, split: Split, settings: Mapping[str, Any], *, device: torch.device
) -> dict[str, float]:
    """Scores of a model on a whole split; ``value`` is the metric of the paper's Table 2. Arguments as of ``outputs``.

    Raises:
        DivergedError: an output is not finite.
    """
    values = outputs(model, task, split, settings, device=device)
    if not np.isfinite(values).all():
        raise DivergedError(
            f"{task.name}: the network's output on '{split.name}' is not finite; lower lr and run again"
        )
    return {name: float(value) for name, value in task.score(values, split.extras()).items()}
