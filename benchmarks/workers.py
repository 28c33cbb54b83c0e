"""A search by ASHA whose trials two workers share on two cores, and the same by one: seconds by the clock, in turns.

python benchmarks/workers.py

Each is the workflow's, from the command to ``architecture.json``: the starts of Snakemake and of all jobs count.
"""

import argparse
import csv
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "workflow"))

from checkout import Checkout  # noqa: E402

EXPERIMENT = "satellite/wrn-asha/0"
FILE = "workers.yaml"


def settings(trials, epochs):
    """Of the small study, with a search that takes long enough; its first rung is at a quarter of the epochs."""
    small = yaml.safe_load((ROOT / "tests" / "workflow" / "small.yaml").read_text(encoding="utf-8"))
    rungs = {"reduction_factor": 4, "min_epochs": max(1, epochs // 4), "rungs": 2, "max_epochs": epochs}
    search = {"asha": {"all": {**rungs, "trials": trials}}}
    return {**small, "data_run": "data", "tasks": ["satellite"], "methods": ["wrn-asha"], "search": search}


def search(checkout, run, workers):
    """Its seconds, and the epochs that all trials trained."""
    folder = f"results/{run}/search/{EXPERIMENT}"
    config = (f"run={run}", f"search={{asha: {{all: {{workers: {workers}}}}}}}")
    started = time.monotonic()
    checkout.snakemake("--cores", "2", f"{folder}/architecture.json", config=config, file=FILE, gpus=2)
    seconds = time.monotonic() - started
    with open(checkout.folder / folder / "history.csv", encoding="utf-8") as history:
        longest = {row["trial"]: int(row["epochs"]) for row in csv.DictReader(history)}
    return seconds, sum(longest.values())


def main(trials, epochs, repeats):
    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder) / "checkout")
        (checkout.folder / FILE).write_text(yaml.safe_dump(settings(trials, epochs)), encoding="utf-8")
        checkout.snakemake("--cores", "2", "datasets", file=FILE)
        print("| workers | wall s | ratio | epochs trained |\n|---|---:|---:|---:|")
        for turn in range(repeats):
            alone = None
            for workers in (1, 2):
                seconds, trained = search(checkout, f"{turn}-{workers}", workers)
                alone = alone or seconds
                print(f"| {workers} | {seconds:.1f} | {seconds / alone:.2f} | {trained} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=80, help="of the last rung")
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    main(given.trials, given.epochs, given.repeats)
