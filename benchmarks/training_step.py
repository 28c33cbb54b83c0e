"""Time a training step of the pipeline against a plain PyTorch loop over the same network, in one run.

Both train the paper-scale network of a method on random images of CIFAR-100's shape: the pipeline's loop with its
augmentation, schedule and optimiser; the plain loop with torch's own optimiser and samples already in memory, without
augmentation. Where the search is ``densenas``, the same for its weight steps on the supernet, of which one operation
per layer runs, drawn alike in both loops.

python benchmarks/training_step.py [--methods wrn-default densenas-original] [--batch 32] [--steps 8] [--device cpu]
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import torch  # noqa: E402

from nasperf360.algorithms.densenas.search import PARTS, WEIGHT_PARTS, DenseNasSteps  # noqa: E402
from nasperf360.algorithms.densenas.spec import DenseNasSettings  # noqa: E402
from nasperf360.algorithms.shared.problem import Problem  # noqa: E402
from nasperf360.data.datasets import Dataset, DatasetWriter, Split  # noqa: E402
from nasperf360.settings.layers import merge  # noqa: E402
from nasperf360.settings.yaml_files import read_yaml  # noqa: E402
from nasperf360.spaces.shared.search_space import search_space  # noqa: E402
from nasperf360.study import configuration  # noqa: E402
from nasperf360.tasks.shared.task_training import TaskTraining, task_training  # noqa: E402
from nasperf360.training.checkpoints import Checkpoint  # noqa: E402
from nasperf360.training.epochs import Epoch  # noqa: E402
from nasperf360.training.fitting import fit, setup_torch  # noqa: E402
from nasperf360.training.settings import RetrainSettings, StepSettings, TrainingSettings  # noqa: E402

Loop = Callable[[torch.nn.Module, TaskTraining, Split, Any, torch.device], None]


def pipeline(
    model: torch.nn.Module, task: TaskTraining, train: Split, training: TrainingSettings, device: torch.device
) -> None:
    """One epoch as retraining does it."""
    fit(model, task, train, training, seed=0, device=device, epochs=1)


def plain(
    model: torch.nn.Module, task: TaskTraining, train: Split, training: StepSettings, device: torch.device
) -> None:
    """One epoch as a tutorial does it."""
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=training.lr,
        momentum=training.momentum,
        nesterov=training.nesterov,
        weight_decay=training.weight_decay,
    )
    x, y = (torch.from_numpy(train.load(field)).to(device) for field in ("x", "y"))
    model.train()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).to(device)
    for rows in order.split(training.batch_size):
        batch = {"x": x[rows], "y": y[rows]}
        loss = task.loss(model(task.inputs(batch)), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize()


def searching(
    supernet: torch.nn.Module,
    task: TaskTraining,
    dataset: Dataset,
    search: DenseNasSettings,
    device: torch.device,
    folder: Path,
) -> None:
    """One epoch of weight steps as the DenseNAS search takes them before its architecture steps begin."""
    problem = Problem(task, dataset, search, {}, None, 0, device, Checkpoint(folder, {}))
    DenseNasSteps(supernet, problem).epoch(Epoch(0))


def random_images(path: Path, count: int) -> Dataset:
    """A data set of the task's shape."""
    rng = np.random.default_rng(0)
    with DatasetWriter(path, task="cifar100", origin="simulated", licence="none") as writer:
        for name in ("train", "valid", "test"):
            split = writer.split(name, x=((3, 32, 32), "u1"), y=((), "i8"), classes=100)
            split.append(x=rng.integers(256, size=(count, 3, 32, 32), dtype=np.uint8), y=rng.integers(100, size=count))
    return Dataset(path)


def compare(title: str, loops: dict[str, Callable[[], None]], options: argparse.Namespace) -> None:
    """Print milliseconds per step of a plain loop and the pipeline's."""
    times: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(options.repeats + 1):  # in turns, so that a busy machine slows both; the first warms up
        for name, loop in loops.items():
            torch.manual_seed(0)  # the same operations are drawn
            start = time.perf_counter()
            loop()
            times[name].append(1e3 * (time.perf_counter() - start) / options.steps)
    best = {name: min(values[1:]) for name, values in times.items()}
    each = "   ".join(f"{name} {value:8.1f} ms" for name, value in best.items())
    print(f"{title:26} {each}   plain / pipeline {best['plain'] / best['pipeline']:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["wrn-default", "densenas-original"])
    for name, default in (("batch", 32), ("steps", 8), ("threads", 1), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32", help="of the pipeline's loop; the plain one is float32")
    options = parser.parse_args()
    if options.batch % WEIGHT_PARTS:
        parser.error(f"--batch: {options.batch}, the search's parts allow multiples of {WEIGHT_PARTS} only")
    device = setup_torch(options.threads, options.device, gpu=int(options.device == "cuda"))
    shipped = read_yaml(ROOT / "config" / "config.yaml")
    config = configuration.resolve(merge(shipped, {"scale": "paper", "methods": options.methods}))
    task = task_training("cifar100")
    with tempfile.TemporaryDirectory() as folder:
        # The search trains weights on four fifths.
        dataset = random_images(Path(folder) / "random.h5", options.batch * options.steps * PARTS // WEIGHT_PARTS)
        train = dataset.split("train").subset(np.arange(options.batch * options.steps), "steps")
        task.fit(train)
        for method in options.methods:
            definition = configuration.method(config, method)
            space: Any = search_space(
                definition["space"],
                task.signature(train.shape("x")),
                configuration.space_settings(config, "cifar100", method),
            )
            retrain = configuration.retrain_settings(config, "cifar100", method)
            training = TrainingSettings.model_validate(
                {
                    **RetrainSettings.model_validate(retrain).of_trials(),
                    "batch_size": options.batch,
                    "precision": options.precision,
                }
            )
            rng = np.random.default_rng(0)
            architecture = space.default() if definition["algorithm"] == "default" else space.sample(rng)
            loops: dict[str, Loop] = {"plain": plain, "pipeline": pipeline}
            compare(
                method,
                {
                    name: partial(loop, space.build(architecture).to(device), task, train, training, device)
                    for name, loop in loops.items()
                },
                options,
            )
            if definition["algorithm"] == "densenas":
                search = DenseNasSettings.model_validate(
                    {
                        **configuration.search_settings(config, "cifar100", method)["search"],
                        "batch_size": options.batch // WEIGHT_PARTS,  # of architecture steps
                        "precision": options.precision,
                    }
                )
                bare, searched = (space.supernet().to(device) for _ in range(2))
                bare.architecture.requires_grad_(False)
                bare.register_forward_pre_hook(lambda supernet, _: supernet.sample_operations(1, uniform=True))
                compare(
                    f"{method}, search",
                    {
                        "plain": partial(plain, bare, task, train, search.but({"batch_size": options.batch}), device),
                        "pipeline": partial(searching, searched, task, dataset, search, device, Path(folder)),
                    },
                    options,
                )
    if device.type == "cuda":
        print(f"peak memory {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB of the GPU")
    else:
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
