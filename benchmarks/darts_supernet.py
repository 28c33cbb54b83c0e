"""Time one weight and one architecture step of the DARTS supernet: plain form against grouped form, in one run.

python benchmarks/darts_supernet.py [--batch 16] [--width 16] [--depth 8] [--threads 1] [--repeats 5] [--device cpu]
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from nasperf360.algorithms.bilevel import architecture_gradients
from nasperf360.spaces.darts import DartsSpace
from nasperf360.tasks.base import Signature
from nasperf360.training.fitting import grad_scaler, setup_torch
from nasperf360.training.optimizers import make_optimizer


def make_steps(form: str, options: argparse.Namespace) -> list[Callable[[], None]]:
    """A weight step and an architecture step, as the search takes them."""
    torch.manual_seed(0)
    size = {"form": form, "width": options.width, "depth": options.depth}
    net = DartsSpace(Signature(2, False, (3, 32, 32), 10), {"search": size}).supernet().to(options.device)
    optimizer = make_optimizer(net.weight_parameters(), {"lr": 0.1, "momentum": 0.9, "weight_decay": 3e-4})
    scaler = grad_scaler(torch.device(options.device), "float32")
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
    steps = {form: make_steps(form, options) for form in ("plain", "grouped")}
    times: dict[str, list[list[float]]] = {form: [] for form in steps}
    for _ in range(options.repeats + 1):  # in turns, so that a busy machine slows both
        for form, pair in steps.items():
            times[form].append([seconds(step, options.device) for step in pair])
    # The first warms up.
    best = {form: [1e3 * min(column) for column in zip(*rows[1:], strict=True)] for form, rows in times.items()}
    for form, (weight, architecture) in best.items():
        print(f"{form:8} weight step {weight:8.1f} ms   weight + architecture step {weight + architecture:8.1f} ms")
    plain, grouped = best["plain"], best["grouped"]
    print(f"speed-up {plain[0] / grouped[0]:.2f} (weight), {sum(plain) / sum(grouped):.2f} (weight + architecture)")


if __name__ == "__main__":
    main()
