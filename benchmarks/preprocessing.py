"""Preprocessing per core: samples per second, peak memory and disk of each task, on simulated raw files.

    PYTHONPATH=workflow/scripts python benchmarks/preprocessing.py [task ...]

Each task runs in a process of its own; rates are of ``data.preprocess`` alone, HDF5 included. Samples have true shapes,
but for darcy, cosmic and deepsea, which have the demo's. Compare rates within one run only. Disk is that of
the data set, beside what its arrays take in memory: where samples differ in size, padding is not stored. What all of
fsd50k takes follows, whose simulated clips are as long as real ones, and how its log-mel compares with librosa's.
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
from nasperf360.tasks.fsd50k.spec import RAW_RATE
from nasperf360.tasks.shared.task_spec import task_spec

TASKS = ["cifar100", "spherical", "ninapro", "fsd50k", "darcy", "psicov", "cosmic", "ecg", "satellite", "deepsea"]
LOG_MEL = Path(__file__).with_name("log_mel.py")
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
    "fsd50k": {"train": 120, "valid": 20, "test": 60, "seconds": [0.3, 15]},
    "ecg": {"counts": [300, 60, 150, 20], "seconds": [9, 61]},
    "satellite": {"train": 90000, "test": 10000},
    "psicov": {"deepcov": 24, "psicov": 12, "length": [50, 266]},
    "ninapro": {"subjects": 3, "repetitions": 6, "movement_seconds": 5, "rest_seconds": 3},
}
SOUND = 108.3  # hours, of the 51,197 clips of FSD50K


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
        path = Path(folder) / f"{task}.h5"
        for _ in range(2):  # the second counts: the first imports
            start = time.process_time()
            preprocess(task, raw, path, options)
            seconds = time.process_time() - start
        with Dataset(path) as data:
            samples = sum(split["samples"] for split in data.manifest["splits"].values())
            shape = data.split("train").shape("x")
            arrays = sum(data.split(name).nbytes for name in data.manifest["splits"])
            disk = path.stat().st_blocks * 512
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bytes_of_sound = sum(file.bytes for file in raw.files if file.path.suffix == ".wav")
    row = {
        "task": task,
        "hours": bytes_of_sound / 2 / RAW_RATE / 3600,
        "samples": samples,
        "shape": shape,
        "cpu_seconds": seconds,
        "peak_mb": peak // 1024,
    }
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
        if task == "fsd50k":
            times = SOUND / row["hours"]
            # A file of so few clips ends with room for more, and the full one too: that is not multiplied.
            minutes, gigabytes = row["cpu_seconds"] * times / 60, row["arrays"] * times / 1e9
            print(f"\nAll of fsd50k, {SOUND} hours of sound: {minutes:.1f} CPU minutes, {gigabytes:.1f} GB\n")
            print(subprocess.run([sys.executable, LOG_MEL], check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(sys.argv[2])
    else:
        main()
