"""Fit and evaluate any module on any task; retraining and search use the same functions."""

import os
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from nasperf360.data.datasets import Split
from nasperf360.errors import DivergedError, NoGpuError
from nasperf360.tasks.shared.task_training import TaskTraining
from nasperf360.training.batches import Loader, ScheduledBatches, prediction_loader, training_loader
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.epochs import Epoch, Losses
from nasperf360.training.gpu import check_gpu
from nasperf360.training.hooks import RampedByEpoch
from nasperf360.training.loop import History, Row, run_epochs
from nasperf360.training.optimizers import make_optimizer
from nasperf360.training.settings import PredictionSettings, TrainingSettings
from nasperf360.training.step import WeightSteps, autocast


def setup_torch(threads: int, device: str, *, gpu: int) -> torch.device:
    """Deterministic algorithms, a fixed number of threads, and the device of this job.

    Args:
        threads: ``compute_threads``: it changes bits, so it never follows the cores at hand.
        device: ``auto``, ``cpu`` or ``cuda``.
        gpu: GPUs that the job was given; 0 means CPU.

    Raises:
        NoGpuError: ``cuda`` is asked for and torch sees no GPU for this job.
        UserError: torch does not drive the one that there is.
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
    if device == "cuda" and gpu > 0 and not available:
        raise NoGpuError("device: cuda is asked for, but torch sees no GPU here; set device: auto or cpu")
    if not (available and gpu > 0 and device != "cpu"):
        return torch.device("cpu")
    check_gpu()
    return torch.device("cuda")


def fit(
    model: nn.Module,
    task: TaskTraining,
    train: Split,
    settings: TrainingSettings,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Checkpoint | None = None,
    epochs: int | None = None,
    label: str = "",
    after_epoch: Callable[[int], Row] | None = None,
) -> History:
    """Train ``model`` in place and return its history.

    Args:
        model: maps (B, *input_shape) to (B, outputs), or (B, outputs, H, W) for dense tasks; ``hooks`` says what else
            it may do.
        task: fitted to the training rows.
        train: the training split.
        settings: of the training.
        seed: of order, augmentation and dropout.
        device: where to train.
        checkpoint: resumes and saves here.
        epochs: stop after so many; the schedule still spans ``settings.epochs``.
        label: for progress and errors.
        after_epoch: called with each finished epoch; its numbers join the history (validation, say).

    Raises:
        DivergedError: the loss is not finite.
        UserError: the batch is larger than the split.
    """
    loader = training_loader(task, train, settings.batch_size, device)
    optimizer = make_optimizer(model.parameters(), settings)
    steps = WeightSteps(model, task, optimizer, device, settings.precision, settings.clip)

    def one_epoch(epoch: Epoch) -> Row:
        model.train()
        if isinstance(model, RampedByEpoch):
            model.start_epoch(epoch, settings.epochs)
        losses = Losses("train_loss")
        batches = ScheduledBatches(task, loader, settings, seed, epoch)
        for batch, rate in epoch.steps(batches, losses=losses):
            losses.add(steps.step(batch, rate))
        row = {"lr": batches.rate, "train_loss": losses.mean()}
        with epoch.looking():
            return row | (after_epoch(epoch) if after_epoch else {})

    return run_epochs(
        one_epoch,
        epochs or settings.epochs,
        {"model": model, "steps": steps},
        seed=seed,
        checkpoint=checkpoint,
        label=label or task.spec.name,
    )


@torch.inference_mode()
def predict(
    model: nn.Module,
    task: TaskTraining,
    samples: Split | Loader,
    settings: PredictionSettings,
    *,
    device: torch.device,
) -> np.ndarray:
    """What ``task.predict`` gives for every sample of a split, in order, float32.

    Args:
        model: see :func:`fit`.
        task: fitted.
        samples: a split; a :func:`prediction_loader` of it where it is asked for again and again.
        settings: of the training.
        device: where the model is.

    Raises:
        DivergedError: an output is not finite.
    """
    loader = samples if isinstance(samples, Loader) else prediction_loader(samples, settings, device)
    outputs = np.concatenate([each.cpu().numpy() for each in _outputs(model, task, loader, settings, device)])
    if not np.isfinite(outputs).all():
        raise _diverged(task, loader)
    return outputs


@torch.inference_mode()
def outputs_on_device(
    model: nn.Module, task: TaskTraining, samples: Loader, settings: PredictionSettings, *, device: torch.device
) -> Tensor:
    """The same, left where the model is; it has room for them there."""
    outputs = torch.cat(list(_outputs(model, task, samples, settings, device)))
    if not outputs.isfinite().all():
        raise _diverged(task, samples)
    return outputs


def _outputs(
    model: nn.Module, task: TaskTraining, loader: Loader, settings: PredictionSettings, device: torch.device
) -> Iterator[Tensor]:
    model.eval()
    with autocast(device, settings.precision):
        for batch in loader.ahead(loader.in_order()):
            yield task.predict(model, batch).float()


def _diverged(task: TaskTraining, loader: Loader) -> DivergedError:
    return DivergedError(
        f"{task.spec.name}: the network's output on '{loader.split.name}' is not finite; lower lr and run again"
    )
