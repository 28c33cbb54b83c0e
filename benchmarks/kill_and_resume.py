"""End every kind of job at random moments, and compare with an undisturbed run: the long form of test_resume.py.

python benchmarks/kill_and_resume.py --kills 100

Searches and trainings of every kind; in turns the job alone by SIGKILL, the same with its Snakemake, and by SIGTERM.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "workflow"))

from checkout import Checkout  # noqa: E402
from killing import EXPERIMENTS, WAYS, lost, reproducible, run_and_kill, target, write_longer  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng, killed, saved_at, faults, began = random.Random(arguments.seed), Counter(), 0, [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder) / "checkout")
        write_longer(checkout)
        number = 0
        while killed.total() < arguments.kills:
            experiment, run, number = EXPERIMENTS[number % len(EXPERIMENTS)], f"killed-{number}", number + 1
            name, left = " ".join(experiment), arguments.kills - killed.total()
            ways = WAYS[number % len(WAYS) :] + WAYS[: number % len(WAYS)]
            checkout.snakemake("--cores", "2", target("calm", *experiment), config=("run=calm",), file="longer.yaml")
            kills = run_and_kill(checkout, experiment, run=run, kills=min(3, left), rng=rng, ways=ways)
            killed.update(ways[turn % len(ways)] for turn in range(len(kills)))
            saved = [state for state in kills if state]
            saved_at += len(saved)
            if kills and kills[-1] and lost(checkout, run, experiment, kills[-1]):
                faults += [f"{run}: {name}: saved steps were taken again"]
            made = [reproducible((checkout.folder / target(of, *experiment)).parent) for of in (run, "calm")]
            faults += [f"{run}: {name}: other files"] if made[0] != made[1] else []
            counts = ", ".join(f"{killed[way]} {way}" for way in WAYS)
            minutes = (time.monotonic() - began) / 60
            print(
                f"{killed.total()} kills ({counts}), {saved_at} with a checkpoint, {number} jobs, "
                f"{len(faults)} faults, {minutes:.1f} min: {name}",
                flush=True,
            )
    print(*faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
