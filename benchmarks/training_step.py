"""Time a training step of the pipeline against a plain PyTorch loop over the same network, in one run.

Both train the paper-scale network of a method on random images of CIFAR-100's shape: the pipeline's loop with its
augmentation, schedule and optimiser; the plain loop with torch's own optimiser and samples already in memory, without
augmentation.

python benchmarks/training_step.py [--methods wrn-default densenas-original] [--batch 32] [--steps 8] [--device cpu]
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import torch  # noqa: E402

from nasperf360.data.datasets import Dataset, DatasetWriter, Split  # noqa: E402
from nasperf360.spaces import get_space  # noqa: E402
from nasperf360.study import settings  # noqa: E402
from nasperf360.tasks import get_task  # noqa: E402
from nasperf360.tasks.base import Task  # noqa: E402
from nasperf360.training.fitting import fit, setup_torch  # noqa: E402

Loop = Callable[[torch.nn.Module, Task, Split, dict[str, Any], torch.device], None]


def pipeline(model: torch.nn.Module, task: Task, train: Split, training: dict[str, Any], device: torch.device) -> None:
    """One epoch as retraining does it."""
    fit(model, task, train, training, seed=0, device=device, epochs=1)


def plain(model: torch.nn.Module, task: Task, train: Split, training: dict[str, Any], device: torch.device) -> None:
    """One epoch as a tutorial does it."""
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=training["lr"],
        momentum=training["momentum"],
        nesterov=training.get("nesterov", False),
        weight_decay=training["weight_decay"],
    )
    x, y = (torch.from_numpy(train.load(field)).to(device) for field in ("x", "y"))
    model.train()
    for rows in torch.randperm(len(x), device=device).split(training["batch_size"]):
        batch = {"x": x[rows], "y": y[rows]}
        loss = task.loss(model(task.inputs(batch)), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize()


def random_images(path: Path, count: int) -> Dataset:
    """A data set of the task's shape."""
    rng = np.random.default_rng(0)
    with DatasetWriter(path, task="cifar100", origin="simulated") as writer:
        for name in ("train", "valid", "test"):
            split = writer.split(name, x=((3, 32, 32), "u1"), y=((), "i8"), classes=100)
            split.append(x=rng.integers(256, size=(count, 3, 32, 32), dtype=np.uint8), y=rng.integers(100, size=count))
    return Dataset(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["wrn-default", "densenas-original"])
    for name, default in (("batch", 32), ("steps", 8), ("threads", 1), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32", help="of the pipeline's loop; the plain one is float32")
    options = parser.parse_args()
    device = setup_torch(options.threads, options.device, gpu=int(options.device == "cuda"))
    shipped = settings.read_yaml(ROOT / "config" / "config.yaml")
    config = settings.resolve(settings.merge(shipped, {"scale": "paper", "methods": options.methods}))
    task = get_task("cifar100")
    loops: dict[str, Loop] = {"plain": plain, "pipeline": pipeline}
    with tempfile.TemporaryDirectory() as folder:
        train = random_images(Path(folder) / "random.h5", options.batch * options.steps).split("train")
        task.fit(train)
        for method in options.methods:
            space = get_space(
                settings.method(config, method)["space"],
                task.signature(train.shape("x")),
                settings.space_settings(config, "cifar100", method),
            )
            training = {
                **settings.retrain_settings(config, "cifar100", method),
                "batch_size": options.batch,
                "precision": options.precision,
            }
            architecture = space.default() if method.endswith("default") else space.sample(np.random.default_rng(0))
            models = {name: space.build(architecture).to(device) for name in loops}
            times: dict[str, list[float]] = {name: [] for name in loops}
            for _ in range(options.repeats + 1):  # in turns, so that a busy machine slows both; the first warms up
                for name, loop in loops.items():
                    start = time.perf_counter()
                    loop(models[name], task, train, training, device)
                    times[name].append(1e3 * (time.perf_counter() - start) / options.steps)
            best = {name: min(values[1:]) for name, values in times.items()}
            each = "   ".join(f"{name} {value:8.1f} ms" for name, value in best.items())
            print(f"{method:20} {each}   plain / pipeline {best['plain'] / best['pipeline']:.2f}")
    if device.type == "cuda":
        print(f"peak memory {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB of the GPU")
    else:
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
