"""Kill every kind of job at random moments, and compare with an undisturbed run: the long form of test_resume.py.

python benchmarks/kill_and_resume.py --kills 100
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "workflow"))

from checkout import Checkout  # noqa: E402
from killing import CELLS, lost, reproducible, run_and_kill, target, write_longer  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng, killed, faults = random.Random(arguments.seed), 0, []
    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder) / "checkout")
        write_longer(checkout)
        targets = [target("calm", *cell) for cell in CELLS]
        checkout.snakemake("--cores", "2", *targets, config=("run=calm",), file="longer.yaml")
        number = 0
        while killed < arguments.kills:
            cell, run, number = CELLS[number % len(CELLS)], f"killed-{number}", number + 1
            kills = run_and_kill(checkout, cell, run=run, kills=min(6, arguments.kills - killed), rng=rng)
            killed += len(kills)
            saved = [state for state in kills if state]
            if saved and (epochs := lost(checkout, run, cell, saved[-1])) > 0:
                faults += [f"{run}: {' '.join(cell)}: {epochs} saved epochs were trained again"]
            left, right = (reproducible((checkout.folder / target(name, *cell)).parent) for name in (run, "calm"))
            faults += [f"{run}: {' '.join(cell)}: other files"] if left != right else []
            print(f"{killed} kills, {number} cells, {len(faults)} faults", flush=True)
    print(*faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
