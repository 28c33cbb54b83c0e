"""Preprocessing per core: samples per second, peak memory and disk of each task, on simulated raw files.

    PYTHONPATH=workflow/scripts python benchmarks/preprocessing.py [task ...]

Each task runs in a process of its own; rates are of ``data.preprocess`` alone, HDF5 included. Samples have true shapes,
but for darcy, cosmic and deepsea, which have the demo's. Compare rates within one run only. Disk is that of
the data set, beside what its arrays take in memory: where samples differ in size, padding is not stored.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nasperf360.data.datasets import Dataset
from nasperf360.data.preprocess import preprocess
from nasperf360.data.raw import RawFiles
from nasperf360.data.simulate import simulate
from nasperf360.study.configuration import resolve
from nasperf360.tasks.shared.task_spec import task_spec

TASKS = ["cifar100", "spherical", "ninapro", "fsd50k", "darcy", "psicov", "cosmic", "ecg", "satellite", "deepsea"]
UNITS = {
    "cifar100": "images",
    "spherical": "images",
    "ninapro": "windows",
    "fsd50k": "chunks",
    "darcy": "fields",
    "psicov": "proteins",
    "cosmic": "tiles",
    "ecg": "windows",
    "satellite": "series",
    "deepsea": "rows",
}
# Raw files large enough to time, small enough to make; where a task is not listed, those of the demo.
SIMULATE = {
    "cifar100": {"train": 10000, "test": 2000, "noise": 0.08},
    "ecg": {"counts": [300, 60, 150, 20], "seconds": [9, 61]},
    "satellite": {"train": 90000, "test": 10000},
    "psicov": {"deepcov": 24, "psicov": 12, "length": [50, 266]},
    "ninapro": {"subjects": 3, "repetitions": 6, "movement_seconds": 5, "rest_seconds": 3},
}


def measure(task: str) -> None:
    """Simulate, preprocess, and print one line of JSON."""
    demo, paper = (
        resolve({"scale": "demo", "methods": ["wrn-default"]}),
        resolve({"scale": "paper", "methods": ["wrn-default"]}),
    )
    source = task_spec(task).raw
    # Tasks whose demo files are smaller than a true sample are preprocessed as in the demo.
    scale = demo if task in ("darcy", "cosmic", "deepsea") else paper
    options = dict(scale["preprocess"].get(task) or {})
    if task == "ninapro":
        options["windows"] = 3956
    if task == "psicov":
        options["valid"] = 4
    with tempfile.TemporaryDirectory() as folder:
        raw_folder = Path(folder) / source
        simulate(source, raw_folder, SIMULATE.get(source, demo["simulate"].get(source) or {}))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        raw = RawFiles.open(raw_folder / "files.json")
        start, path = time.process_time(), Path(folder) / f"{task}.h5"
        preprocess(task, raw, path, options)
        seconds = time.process_time() - start
        with Dataset(path) as data:
            samples = sum(split["samples"] for split in data.manifest["splits"].values())
            shape = data.split("train").shape("x")
            arrays = sum(data.split(name).nbytes for name in data.manifest["splits"])
            disk = path.stat().st_blocks * 512
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row = {"task": task, "samples": samples, "shape": shape, "cpu_seconds": seconds, "peak_mb": peak // 1024}
    print(json.dumps({**row, "before_mb": before // 1024, "disk": disk, "arrays": arrays}))


def main() -> None:
    tasks = sys.argv[1:] or TASKS
    heads = f"{'task':<10} {'sample':<14} {'samples':>8} {'CPU s':>7} {'per second':>18} {'peak MB':>8}"
    print(f"{heads} {'disk MB':>8} {'arrays MB':>9}")
    for task in tasks:
        done = subprocess.run([sys.executable, __file__, "--one", task], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{task}: {done.stderr.strip().splitlines()[-1]}")
        row = json.loads(done.stdout.strip().splitlines()[-1])
        shape = "x".join(map(str, row["shape"]))
        rate = f"{row['samples'] / row['cpu_seconds']:,.0f} {UNITS[task]}"
        print(
            f"{task:<10} {shape:<14} {row['samples']:>8} {row['cpu_seconds']:>7.2f} {rate:>18} {row['peak_mb']:>8} "
            f"{row['disk'] / 1e6:>8.1f} {row['arrays'] / 1e6:>9.1f}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(sys.argv[2])
    else:
        main()
