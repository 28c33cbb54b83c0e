"""Time a weight and an architecture step of the DARTS supernet: plain against grouped implementation, in one run.

python benchmarks/darts_supernet.py [--batch 16] [--width 16] [--depth 8] [--threads 1] [--repeats 5] [--device cpu]
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.amp import GradScaler

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from nasperf360.algorithms.shared.supernet_steps import architecture_gradients
from nasperf360.spaces.darts.space import DartsSpace
from nasperf360.spaces.darts.spec import DartsSettings
from nasperf360.tasks.shared.task_spec import Signature
from nasperf360.training.fitting import setup_torch
from nasperf360.training.optimizers import make_optimizer
from nasperf360.training.settings import OptimizerSettings

SGD = OptimizerSettings(lr=0.1, momentum=0.9, weight_decay=3e-4)


def make_steps(implementation: str, options: argparse.Namespace) -> list[Callable[[], None]]:
    """A weight step and an architecture step, as the search takes them."""
    torch.manual_seed(0)
    search = {"implementation": implementation, "width": options.width, "depth": options.depth}
    settings = DartsSettings.model_validate({"search": search})
    net = DartsSpace(Signature(2, False, (3, 32, 32), 10), settings).supernet().to(options.device)
    optimizer = make_optimizer(net.weight_parameters(), SGD)
    scaler = GradScaler(options.device, enabled=False)
    x = torch.randn(options.batch, 3, 32, 32, device=options.device)
    y = torch.randint(10, (options.batch,), device=options.device)

    def weight_step() -> None:
        optimizer.zero_grad()
        with net.fixed_architecture():
            F.cross_entropy(net(x), y).backward()
        torch.nn.utils.clip_grad_norm_(net.weight_parameters(), 5)
        optimizer.step()

    def architecture_step() -> None:
        architecture_gradients(net, lambda: F.cross_entropy(net(x), y), scaler)

    return [weight_step, architecture_step]


def seconds(step: Callable[[], None], device: str) -> float:
    """Time of one step."""
    start = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("batch", 16), ("width", 16), ("depth", 8), ("threads", 1), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    setup_torch(options.threads, options.device, gpu=int(options.device == "cuda"))
    steps = {name: make_steps(name, options) for name in ("plain", "grouped")}
    times: dict[str, list[list[float]]] = {name: [] for name in steps}
    for _ in range(options.repeats + 1):  # in turns, so that a busy machine slows both
        for name, pair in steps.items():
            times[name].append([seconds(step, options.device) for step in pair])
    # The first warms up.
    best = {name: [1e3 * min(column) for column in zip(*rows[1:], strict=True)] for name, rows in times.items()}
    for name, (weight, architecture) in best.items():
        print(f"{name:8} weight step {weight:8.1f} ms   weight + architecture step {weight + architecture:8.1f} ms")
    plain, grouped = best["plain"], best["grouped"]
    print(f"speed-up {plain[0] / grouped[0]:.2f} (weight), {sum(plain) / sum(grouped):.2f} (weight + architecture)")


if __name__ == "__main__":
    main()
