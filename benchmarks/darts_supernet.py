"""Time one weight and one architecture step of the DARTS supernet: plain form against grouped form, in one run.

python benchmarks/darts_supernet.py [--batch 16] [--width 16] [--depth 8] [--threads 1] [--repeats 5] [--device cpu]
"""

import argparse
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from nasperf360.algorithms.bilevel import architecture_gradients
from nasperf360.spaces.darts import DartsSpace
from nasperf360.tasks.base import Signature


def step_times(form: str, options: argparse.Namespace) -> tuple[float, float]:
    """Best seconds of a weight step and of a weight and an architecture step."""
    torch.manual_seed(0)
    size = {"form": form, "width": options.width, "depth": options.depth}
    net = DartsSpace(Signature(2, False, (3, 32, 32), 10), {"search": size}).supernet().to(options.device)
    optimizer = torch.optim.SGD(net.weight_parameters(), lr=0.1, momentum=0.9, weight_decay=3e-4)
    x = torch.randn(options.batch, 3, 32, 32, device=options.device)
    y = torch.randint(10, (options.batch,), device=options.device)

    def weight_step() -> None:
        optimizer.zero_grad()
        with net.fixed_architecture():
            F.cross_entropy(net(x), y).backward()
        torch.nn.utils.clip_grad_norm_(net.weight_parameters(), 5)
        optimizer.step()

    def architecture_step() -> None:
        architecture_gradients(net, lambda: F.cross_entropy(net(x), y))

    best = [float("inf")] * 2
    for repeat in range(options.repeats + 1):
        moments = [time.perf_counter()]
        for step in (weight_step, architecture_step):
            step()
            if options.device == "cuda":
                torch.cuda.synchronize()
            moments.append(time.perf_counter())
        if repeat:  # the first warms up
            best = [min(best[0], moments[1] - moments[0]), min(best[1], moments[2] - moments[0])]
    return best[0], best[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("batch", 16), ("width", 16), ("depth", 8), ("threads", 1), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    times = {form: step_times(form, options) for form in ("plain", "grouped")}
    for form, (weight, both) in times.items():
        print(f"{form:8} weight step {1e3 * weight:8.1f} ms   weight + architecture step {1e3 * both:8.1f} ms")
    plain, grouped = times["plain"], times["grouped"]
    print(f"speed-up {plain[0] / grouped[0]:.2f} (weight), {plain[1] / grouped[1]:.2f} (weight + architecture)")


if __name__ == "__main__":
    main()
