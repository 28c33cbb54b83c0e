"""Time batches from disk as they were once loaded and as ``Loader`` does, in one run: PSICOV's rows and FSD50K's.

Before: a list of indices for h5py, 16 batches at a time, chunks through HDF5's cache, nothing read ahead. After: the
pipeline's loader, with memory for the labels alone. Each measurement is a process of its own, on one thread: rows per
second without a break, bytes read for each byte of a batch, peak memory, and of steps of 50 ms, from the second on, the
main thread's own CPU time for a batch and the share of time that they wait for it; the main thread sleeps meanwhile, as
one does that waits for a GPU. The file is in the page cache.

FSD50K again, augmented: SpecAugment, and background noise mixed in from as many clips as MUSAN has. Before: by the main
thread, of rows that were read ahead. After: as the pipeline trains. The device is torch's "meta", which computes
nothing: what a GPU would do takes the CPU as good as no time.

python benchmarks/loading.py [--psicov 1000] [--fsd50k 8000] [--noise 930] [--batches 32] [--repeats 3] [--step 0.05]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import torch  # noqa: E402

from nasperf360.data.datasets import Dataset, DatasetWriter, Field, group_runs  # noqa: E402
from nasperf360.tasks.shared.task_training import Batch, task_training  # noqa: E402
from nasperf360.training.batches import Loader, TrainingBatches  # noqa: E402

WINDOW = 16  # batches that were read at a time
FIELDS: dict[str, dict[str, Field]] = {
    "psicov": {"x": ((57, 128, 128), "float32"), "y": ((1, 128, 128), "float32"), "group": ((), "int32")},
    "fsd50k": {"x": ((1, 96, 101), "int16"), "y": ((200,), "uint8"), "group": ((), "int32")},
}
SAMPLES = {"psicov": 1, "fsd50k": 10}  # of a group, of which an epoch visits one
BATCH = {"psicov": 8, "fsd50k": 256}
NOISE: dict[str, Field] = {"x": ((1, 96, 1), "int16"), "y": ((1,), "uint8")}
OF_CLIP: dict[str, Field] = {"group": ((), "int32"), "lowest": ((), "int16")}
FRAMES = 300, 4300  # of a clip of noise, from and to: MUSAN has six hours


def write(path: Path, name: str, groups: int, clips: int) -> None:
    """Random numbers of the task's shapes, as preprocessing stores them; FSD50K's with clips of background noise."""
    rng, fields, samples = np.random.default_rng(0), FIELDS[name], SAMPLES[name]
    with DatasetWriter(path, task=name, origin="simulated", licence="none") as writer:
        for split_name, count in (("train", groups), ("valid", 1), ("test", 1)):
            split = writer.split(split_name, **fields)  # type: ignore[arg-type]
            for group in range(count):
                rows = {field: rng.random((samples, *shape), np.float32) for field, (shape, _) in fields.items()}
                rows = {field: values.astype(fields[field][1]) for field, values in rows.items()}
                split.append(**rows | {"group": np.full(samples, group, np.int32)})
        if name == "fsd50k":
            noise = writer.split("noise", **NOISE, **OF_CLIP)
            for clip, size in enumerate(rng.integers(*FRAMES, clips)):
                whole = {"group": np.full(size, clip, np.int32), "lowest": np.zeros(size, np.int16)}
                noise.append(x=np.zeros((size, 1, 96, 1), np.int16), y=np.zeros((size, 1), np.uint8), **whole)


def before(path: Path, size: int) -> Iterator[Batch]:
    """Batches of an epoch as they were loaded."""
    with h5py.File(path) as file:
        group, rng = file["train"], np.random.default_rng(0)
        starts, sizes = group_runs(group["group"][:])
        indices = starts + rng.integers(sizes)
        blocks = np.array_split(indices, -(-len(indices) // size))
        shuffled = [blocks[index] for index in rng.permutation(len(blocks))]
        for start in range(0, len(shuffled), WINDOW):
            rows = rng.permutation(np.concatenate(shuffled[start : start + WINDOW]))
            unique, inverse = np.unique(rows, return_inverse=True)
            fields = {field: torch.from_numpy(old_read(values, unique)[inverse]) for field, values in group.items()}
            for part in torch.arange(len(rows)).split(size):
                yield {field: values.index_select(0, part) for field, values in fields.items()}


def old_read(values: h5py.Dataset, rows: np.ndarray) -> np.ndarray:
    """Ascending rows: picked from all between the first and the last if these are not many more, else by h5py."""
    low, high = int(rows[0]), int(rows[-1]) + 1
    return values[low:high][rows - low] if high - low <= 4 * len(rows) else values[rows]


def after(path: Path, size: int) -> Iterator[Batch]:
    """Batches of an epoch as the pipeline loads them."""
    with Dataset(path) as dataset:
        loader = loader_of(dataset, size, "cpu")
        yield from loader.ahead(loader.shuffled(np.random.default_rng(0)))


def augmented_by_the_main_thread(path: Path, size: int) -> Iterator[Batch]:
    """FSD50K's as they were augmented."""
    with Dataset(path) as dataset:
        loader, task = loader_of(dataset, size, "meta"), task_training("fsd50k")
        task.fit(loader.split)
        draws = torch.Generator().manual_seed(0)
        for batch in loader.ahead(loader.shuffled(np.random.default_rng(0))):
            yield task.augment(batch, draws)


def augmented(path: Path, size: int) -> Iterator[Batch]:
    """FSD50K's as the pipeline trains on them."""
    with Dataset(path) as dataset:
        loader, task = loader_of(dataset, size, "meta"), task_training("fsd50k")
        task.fit(loader.split)
        yield from TrainingBatches(task, loader, seed=0, epoch=0)


def loader_of(dataset: Dataset, size: int, device: str) -> Loader:
    """Of the training samples, with memory for the labels alone."""
    train = dataset.split("train")
    dataset.memory.free = train.nbytes - train.field_bytes("x")
    return Loader(train, size, torch.device(device), one_per_group=True)


WAYS: dict[str, dict[str, Callable[[Path, int], Iterator[Batch]]]] = {
    "psicov": {"before": before, "after": after},
    "fsd50k": {"before": before, "after": after},
    "fsd50k, augmented": {"before": augmented_by_the_main_thread, "after": augmented},
}


def consume(batches: Iterator[Batch], count: int, step: float) -> dict[str, float]:
    """Take so many batches, a step after each: rows and bytes, seconds in all, and from the second batch on
    those that the main thread worked for a batch, and the share of time that it waited."""
    rows, size, waited, worked = 0, 0, 0.0, 0.0
    start = first = time.perf_counter()
    for number in range(count):
        asked, before_it = time.perf_counter(), time.thread_time()
        batch = next(batches)
        got = time.perf_counter()
        if number == 0:
            first = got
        else:
            waited, worked = waited + got - asked, worked + time.thread_time() - before_it
        rows += len(batch["x"])
        size += sum(values.nbytes for values in batch.values())
        time.sleep(step)
    end = time.perf_counter()
    whole = {"rows": rows, "bytes": size, "seconds": end - start}
    return whole | {"worked": worked / max(count - 1, 1), "waiting": waited / max(end - first, 1e-9)}


def measure(name: str, way: str, path: Path, size: int, count: int, step: float) -> dict[str, float]:
    """All numbers of one way to load."""
    torch.set_num_threads(1)
    next(WAYS[name][way](path, size))  # what the first call of all imports and makes
    # torch's and h5py's own pages are there before; the counts of another way of reading are none of this one's.
    already = read_bytes()
    free = consume(WAYS[name][way](path, size), count, 0)
    read = read_bytes() - already
    peak = int(Path("/proc/self/status").read_text(encoding="utf-8").split("VmHWM:")[1].split()[0]) / 2**20
    slow = consume(WAYS[name][way](path, size), count, step)
    return {
        "rate": free["rows"] / free["seconds"],
        "read": read / free["bytes"],
        "peak": peak,
        "worked": 1000 * slow["worked"],
        "waiting": 100 * slow["waiting"],
    }


def read_bytes() -> int:
    """That this process has read, from the page cache or from disk."""
    return int(Path("/proc/self/io").read_text(encoding="utf-8").split("rchar:")[1].split()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--psicov", type=int, default=1000, help="rows stored, of 3.8 MB")
    parser.add_argument("--fsd50k", type=int, default=8000, help="clips stored, of ten rows of 19 kB")
    parser.add_argument("--noise", type=int, default=930, help="clips of background noise stored, of 0.44 MB")
    parser.add_argument("--batches", type=int, default=32, help="taken from an epoch, of 8 and 256 rows")
    parser.add_argument("--repeats", type=int, default=3, help="of which the median counts")
    parser.add_argument("--step", type=float, default=0.05, help="seconds")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, way, path, size, count = options.one
        print(json.dumps(measure(name, way, Path(path), int(size), int(count), options.step)))
        return
    print("| rows of | | rows/s | bytes read per byte used | peak memory, GiB | main thread, ms | steps wait, % |")
    print("|---|---|---|---|---|---|---|")
    for name, ways in WAYS.items():
        task = name.partition(",")[0]
        with tempfile.TemporaryDirectory() as folder:
            path, groups = Path(folder) / f"{task}.h5", getattr(options, task)
            write(path, task, groups, options.noise)
            size = min(BATCH[task], groups)
            count = min(options.batches, groups // size)
            found: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
            for _ in range(options.repeats):  # in turns, so that a busy machine slows both
                for way, results in found.items():
                    one = [name, way, str(path), str(size), str(count)]
                    command = [sys.executable, __file__, "--step", str(options.step), "--one", *one]
                    done = subprocess.run(command, check=True, capture_output=True, text=True)
                    results.append(json.loads(done.stdout))
        best = {
            way: {key: statistics.median(result[key] for result in results) for key in results[0]}
            for way, results in found.items()
        }
        for way, result in best.items():
            times = result["rate"] / best["before"]["rate"]
            print(
                f"| {name} | {way} | {result['rate']:,.0f} ({times:.1f} times) | {result['read']:.2f} "
                f"| {result['peak']:.2f} | {result['worked']:.1f} | {result['waiting']:.1f} |"
            )


if __name__ == "__main__":
    main()
