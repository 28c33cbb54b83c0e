"""Preprocessing per core: samples per second, peak memory and disk of each task, on simulated raw files.

    PYTHONPATH=workflow/scripts python benchmarks/preprocessing.py [--share 1] [task ...]

Each task is simulated in one process and preprocessed in another; rates are of ``data.preprocess`` alone, HDF5
included. Samples have true shapes, but for darcy, cosmic and deepsea, which have the demo's. Compare rates within one
run only. Disk is that of the data set, beside what its arrays take in memory: where samples differ in size, padding is
not stored. What all of fsd50k takes follows, whose simulated clips are as long as real ones, and how its log-mel
compares with librosa's.

With ``--share`` all samples have true shapes, and there are as many as the paper has, or that share of them: where all
would take too long, two shares tell whether the peak grows. Of Darcy Flow, Cosmic and PSICOV a few samples are made
and stand in the files again and again.
"""

import argparse
import itertools
import json
import math
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from nasperf360.data.datasets import Dataset
from nasperf360.data.preprocess import preprocess
from nasperf360.data.raw import SIMULATED, RawFiles, write_manifest
from nasperf360.data.simulate import LICENCE, simulate
from nasperf360.seeds import generator
from nasperf360.study.configuration import resolve
from nasperf360.tasks.cosmic import simulator as cosmic
from nasperf360.tasks.darcy.simulator import permeability, pressure
from nasperf360.tasks.fsd50k.spec import RAW_RATE
from nasperf360.tasks.psicov import simulator as psicov
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
SCALES = ("demo", "paper")
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
PREPROCESS = {"ninapro": {"windows": 3956}, "psicov": {"valid": 4}}
# What the paper has many of, in the settings of simulators, and in those of preprocessing.
MANY = {"train", "valid", "test", "deepcov", "psicov", "counts", "subjects", "windows"}
MADE = 8  # fields of Darcy Flow, tiles of Cosmic, chains of PSICOV
ROWS = 1024  # of a file of Darcy Flow


def configured(key: str, name: str, share: float | None) -> dict[str, Any]:
    """Settings ``simulate.<name>`` or ``preprocess.<name>``."""
    demo, paper = (resolve({"scale": scale, "methods": ["wrn-default"]})[key].get(name) or {} for scale in SCALES)
    if share is not None:
        return {option: part(value, share) if option in MANY else value for option, value in paper.items()}
    if key == "simulate":
        return SIMULATE.get(name, demo)
    # Tasks whose demo files are smaller than a true sample are preprocessed as in the demo.
    return {**(demo if name in ("darcy", "cosmic", "deepsea") else paper), **PREPROCESS.get(name, {})}


def part(count: Any, share: float) -> Any:
    """A share of a number of samples, or of the number in each class; enough of each to be split."""
    return [part(one, share) for one in count] if isinstance(count, list) else max(6, math.ceil(share * count))


def make(source: str, folder: Path, share: float | None) -> None:
    """Simulate raw files."""
    options = configured("simulate", source, share)
    if source == "darcy" and share is not None:
        repeated_fields(folder, options, max(options["train"] + options["valid"], math.ceil(share * ROWS)))
    elif source == "cosmic" and share is not None:
        drawn = [cosmic.draw_tile(options["tile"], 30.0, generator("simulate", source, turn)) for turn in range(MADE)]
        with mock.patch.object(cosmic, "draw_tile", side_effect=itertools.cycle(drawn)):
            simulate(source, folder, options)
    elif source == "psicov" and share is not None:
        lengths = np.linspace(*options["length"], MADE).astype(int)
        drawn = [psicov.fold(length, generator("simulate", source, length)) for length in lengths]
        with mock.patch.object(psicov, "fold", side_effect=itertools.cycle(drawn)):
            simulate(source, folder, options)
    else:
        simulate(source, folder, options)


def repeated_fields(folder: Path, options: dict[str, Any], count: int) -> None:
    """The files of Darcy Flow with ``count`` rows that repeat a few solutions: one of 421 points takes a second."""
    rng, train = generator("simulate", "darcy"), options["train"]
    coefficient = permeability(options["resolution"], MADE, rng)
    fields = {"coeff": coefficient, "sol": pressure(coefficient)}
    rows = {"smooth1": {"train": [0, train], "valid": [train, train + options["valid"]]}}
    rows["smooth2"] = {"test": [0, options["test"]]}
    folder.mkdir(parents=True)
    files = []
    for name, of_splits in rows.items():
        path = folder / f"piececonst_r{options['resolution']}_N{count}_{name}.mat"
        write_v5(path, fields, count)
        files.append((path, "solutions", {"rows": of_splits, "stride": options["stride"]}))
    write_manifest(folder / "files.json", "darcy", SIMULATED, LICENCE, files)


def write_v5(path: Path, arrays: dict[str, np.ndarray], count: int) -> None:
    """A MATLAB file of version 5 without compression, whose arrays repeat those given along the first axis."""

    def element(kind: int, data: bytes) -> bytes:
        return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)

    with open(path, "wb") as file:
        file.write(b"MATLAB 5.0 MAT-file, simulated".ljust(124) + struct.pack("<H2s", 0x0100, b"IM"))
        for name, fields in arrays.items():
            shape = (count, *fields.shape[1:])
            header = (
                struct.pack("<IIII", 6, 8, 6, 0) + element(5, struct.pack("<3i", *shape)) + element(1, name.encode())
            )
            size = 8 * math.prod(shape)
            file.write(struct.pack("<II", 14, len(header) + 8 + size) + header + struct.pack("<II", 9, size))
            rows = np.arange(count) % len(fields)
            for column in range(shape[2]):  # the first axis is the fastest
                file.write(np.ascontiguousarray(fields[rows, :, column].T).tobytes())


def measure(task: str, folder: Path, share: float | None) -> None:
    """Preprocess raw files, and print one line of JSON."""
    raw, path = RawFiles.open(folder / "files.json"), folder.parent / f"{task}.h5"
    options = configured("preprocess", task, share)
    for _ in range(1 if share else 2):  # of two the second counts: the first imports
        start = time.process_time()
        preprocess(task, raw, path, options)
        seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Dataset(path) as data:
        samples = sum(split["samples"] for split in data.manifest["splits"].values())
        shape = data.split("train").shape("x")
        arrays = sum(data.split(name).nbytes for name in data.manifest["splits"])
        disk = path.stat().st_blocks * 512
    bytes_of_sound = sum(file.bytes for file in raw.files if file.path.suffix == ".wav")
    row = {"task": task, "samples": samples, "shape": shape, "cpu_seconds": seconds, "peak_mb": peak // 1024}
    row["hours"] = bytes_of_sound / 2 / RAW_RATE / 3600
    print(json.dumps({**row, "disk": disk, "arrays": arrays}))


def run(*arguments: str) -> str:
    """Output of this script in a process of its own, whose peak of memory is its own too."""
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"]
        sys.exit(f"{' '.join(arguments)}: {said[-1]}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", help="default: all")
    parser.add_argument("--share", type=float, help="of the paper's number of samples, all of true shapes")
    parser.add_argument("--scratch", help="folder with room for raw files and data sets; default: the system's")
    parser.add_argument("--do", nargs=2, metavar=("STEP", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.do:
        step, folder = asked.do
        (make if step == "make" else measure)(asked.tasks[0], Path(folder), asked.share)
        return
    heads = f"{'task':<10} {'sample':<14} {'samples':>8} {'CPU s':>7} {'per second':>18} {'peak MB':>8}"
    print(f"{heads} {'raw MB':>8} {'disk MB':>8} {'arrays MB':>9}")
    share = [] if asked.share is None else ["--share", str(asked.share)]
    for task in asked.tasks or TASKS:
        source = task_spec(task).raw
        with tempfile.TemporaryDirectory(dir=asked.scratch) as scratch:
            folder = Path(scratch) / source
            run(source, "--do", "make", str(folder), *share)
            row = json.loads(run(task, "--do", "measure", str(folder), *share))
            raw = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        shape = "x".join(map(str, row["shape"]))
        rate = f"{row['samples'] / row['cpu_seconds']:,.0f} {UNITS[task]}"
        print(
            f"{task:<10} {shape:<14} {row['samples']:>8} {row['cpu_seconds']:>7.2f} {rate:>18} {row['peak_mb']:>8} "
            f"{raw / 1e6:>8.1f} {row['disk'] / 1e6:>8.1f} {row['arrays'] / 1e6:>9.1f}",
            flush=True,
        )
        if task == "fsd50k":
            times = SOUND / row["hours"]
            # A file of so few clips ends with room for more, and the full one too: that is not multiplied.
            minutes, gigabytes = row["cpu_seconds"] * times / 60, row["arrays"] * times / 1e9
            print(f"\nAll of fsd50k, {SOUND} hours of sound: {minutes:.1f} CPU minutes, {gigabytes:.1f} GB\n")
            print(subprocess.run([sys.executable, LOG_MEL], check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
