"""What checkpoints cost: seconds of one save, and their share of training time at a given interval.

python benchmarks/checkpointing.py --depth 16 --widen 4 --interval 60
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import torch  # noqa: E402

from nasperf360.spaces.shared.search_space import search_space  # noqa: E402
from nasperf360.tasks.shared.task_spec import task_spec  # noqa: E402
from nasperf360.training.checkpoints import Checkpoint  # noqa: E402
from nasperf360.training.optimizers import make_optimizer  # noqa: E402
from nasperf360.training.settings import OptimizerSettings  # noqa: E402

SGD = OptimizerSettings(lr=0.1, momentum=0.9, weight_decay=5e-4)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depth", type=int, default=16)
    parser.add_argument("--widen", type=int, default=4)
    parser.add_argument("--interval", type=float, default=60.0, help="checkpoint_seconds")
    parser.add_argument("--saves", type=int, default=5)
    arguments = parser.parse_args()
    signature = task_spec("cifar100").signature((3, 32, 32))
    space = search_space("wrn", signature, {"depth": arguments.depth, "widen": arguments.widen})
    model = space.build({"space": "wrn", "dropout": 0.0})
    optimizer = make_optimizer(model.parameters(), SGD)
    model(torch.randn(2, 3, 32, 32)).sum().backward()
    optimizer.step()  # momentum, so that the state has its full size
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Checkpoint(folder, {"benchmark": True})
        started = time.perf_counter()
        for _ in range(arguments.saves):
            checkpoint.save({"history": [], "model": model.state_dict(), "optimizer": optimizer.state_dict()})
        seconds = (time.perf_counter() - started) / arguments.saves
        size = (Path(folder) / "state.pt").stat().st_size
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"WRN-{arguments.depth}-{arguments.widen}, {parameters:,} parameters, state of {size / 1e6:.1f} MB")
    print(f"one save: {seconds:.3f} s; one in {arguments.interval:g} s: {100 * seconds / arguments.interval:.2f} %")


if __name__ == "__main__":
    main()
