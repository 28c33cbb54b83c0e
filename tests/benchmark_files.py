"""Small files in the formats of the benchmark's own, with the content of a task's raw files or of its data set."""

import csv
import gzip
import io
import json
import pickle
import shutil
import tarfile
import wave
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nasperf360.data.datasets import Dataset
from nasperf360.data.raw import RawFiles
from nasperf360.data.sources_file import read_sources
from nasperf360.tasks.ecg.data import read_record, read_reference
from nasperf360.tasks.ecg.spec import LABELS
from nasperf360.tasks.fsd50k import data as fsd50k
from nasperf360.tasks.fsd50k.log_mel import chunks
from nasperf360.tasks.satellite.data import read_series

ROOT = Path(__file__).resolve().parents[1]
PARTS = {"train": "train", "valid": "val", "test": "test"}
SIZES = {  # of the simulated raw files that tests write such files of
    "cifar100": {"train": 60, "test": 20, "classes": 5},
    "ninapro": {"subjects": 2, "repetitions": 2, "movement_seconds": 1.1, "rest_seconds": 0.6},
    "fsd50k": {"train": 16, "valid": 4, "test": 5, "seconds": [0.3, 2.2]},
    "darcy": {"resolution": 21, "stride": 5, "train": 10, "valid": 4, "test": 4},
    "psicov": {"deepcov": 12, "psicov": 2, "length": [40, 44]},
    "cosmic": {"train": 20, "test": 6, "tile": 48},
    "ecg": {"counts": [12, 6, 8, 4], "seconds": [4, 5]},
    "satellite": {"train": 120, "test": 40},
    "deepsea": {"train": 60, "valid": 20, "test": 20},
}
OPTIONS: dict[str, dict[str, Any]] = {  # of the preprocessing of either, so that both give the same data set
    "spherical": {"images_per_rotation": 1},
    "ninapro": {"windows": 120},
    "fsd50k": {"n_mels": 32, "hop": 441},
    "psicov": {"crop": 32, "test_size": 64, "valid": 4},
    "cosmic": {"crop": 32},
    "ecg": {"window": 300, "stride": 600},
    "deepsea": {"train_fraction": 1.0, "keep_negatives": True, "length": 200},
}


def sources(tasks: list[str]) -> dict[str, Any]:
    """Entries of ``config/sources.benchmark.yaml`` for small files, without what is true of the real ones alone."""
    entries = read_sources(ROOT / "config" / "sources.benchmark.yaml")
    for entry in entries.values():
        for file in entry["files"]:
            for key in ("bytes", "md5", "url", "mirrors"):
                file.pop(key, None)
    train, valid, test = (SIZES["darcy"][name] for name in ("train", "valid", "test"))
    for file, rows in zip(
        entries["darcy"]["files"],
        ({"train": [0, train], "valid": [train, train + valid]}, {"test": [0, test]}),
        strict=True,
    ):
        file["options"] = {"rows": rows, "stride": SIZES["darcy"]["stride"]}
    return {task: entries[task] for task in tasks}


def write(task: str, raw: RawFiles, data: Dataset, folder: Path) -> None:
    """The benchmark's files of a task below ``folder``.

    Args:
        task: whose.
        raw: raw files of the original kind.
        data: the data set made of them.
        folder: ``<mirror>/<task>/``.
    """
    folder.mkdir(parents=True)
    WRITERS[task](raw, data, folder)


def _cifar100(raw: RawFiles, data: Dataset, folder: Path) -> None:
    shutil.copy(raw.one("archive").path, folder)


def _spherical(raw: RawFiles, data: Dataset, folder: Path) -> None:
    splits = {"train": data.split("train", "valid"), "test": data.split("test")}
    content = {name: {"images": split.load("x"), "labels": split.load("y")} for name, split in splits.items()}
    with gzip.open(folder / "s2_cifar100.gz", "wb") as stream:
        pickle.dump(content, stream)


def _ninapro(raw: RawFiles, data: Dataset, folder: Path) -> None:
    for split, part in PARTS.items():
        x, y = (data.split(split).load(field) for field in ("x", "y"))
        np.save(folder / f"ninapro_{part}.npy", x[:, 0].transpose(0, 2, 1).astype(np.float64))
        np.save(folder / f"label_{part}.npy", y)


def _fsd50k(raw: RawFiles, data: Dataset, folder: Path) -> None:
    vocabulary = fsd50k._vocabulary(raw.one("ground_truth", "vocabulary.csv"))
    with zipfile.ZipFile(folder / "audio.zip", "w") as archive:
        archive.writestr("data/lbl_map.json", json.dumps(vocabulary))
        archive.writestr("__MACOSX/data/._lbl_map.json", b"\0")
        for table, part, splits in (
            ("tr", "dev", ("train",)),
            ("val", "dev", ("val",)),
            ("eval", "eval", (None,)),
        ):
            text = io.StringIO()
            rows = csv.writer(text)
            rows.writerow(["files", "labels", "ext"])
            clips = fsd50k._rows(raw.one("ground_truth", f"{part}.csv"))
            sounds = {file.path.stem: file for file in raw.all(f"{part}_audio", "*.wav")}
            for clip in clips:
                if clip.get("split") not in splits:
                    continue
                file = sounds[clip["fname"]]
                signal = fsd50k._read(file, fsd50k._header(file))
                for number, piece in enumerate(chunks(signal, fsd50k.CHUNK, fsd50k.CHUNK_HOP)):
                    name = f"{clip['fname']}_{number:04d}.wav"
                    archive.writestr(f"data/chunks/{part}/{name}", sound(piece))
                    rows.writerow([f"/home/user/fsd50k/data/chunks/{part}/{name}", clip["labels"], clip["fname"]])
            archive.writestr(f"data/chunks/{table}.csv", text.getvalue())
        rng = np.random.default_rng(0)
        for number, seconds in enumerate((0.5, 1.0, 2.7)):
            noise = rng.uniform(-0.5, 0.5, int(seconds * fsd50k.RATE))
            archive.writestr(f"data/noise_22050/noise-free-sound-{number:04d}.wav", sound(noise))


def sound(samples: np.ndarray, rate: int = fsd50k.RATE, channels: int = 1) -> bytes:
    """A wave file of 16 bits."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(samples * fsd50k.FULL_SCALE).astype("<i2").tobytes())
    return content.getvalue()


def _darcy(raw: RawFiles, data: Dataset, folder: Path) -> None:
    for file in raw.all("solutions"):
        shutil.copy(file.path, folder / f"piececonst_r421_N1024_{file.path.stem.rpartition('_')[2]}.mat")


def _psicov(raw: RawFiles, data: Dataset, folder: Path) -> None:
    with zipfile.ZipFile(folder / "protein.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in raw.files:
            archive.write(file.path, f"protein/{file.relative}")


def _cosmic(raw: RawFiles, data: Dataset, folder: Path) -> None:
    for role in ("train", "test"):
        with tarfile.open(folder / f"deepCR.ACS-WFC.{role}.tar", "w") as archive:
            for file in raw.all(role):
                archive.add(file.path, file.relative)


def _ecg(raw: RawFiles, data: Dataset, folder: Path) -> None:
    paths, labels = read_reference(raw)
    signals = np.empty(len(paths), object)
    signals[:] = [read_record(path) for path in paths]
    content = {"data": signals, "label": np.array([LABELS[label] for label in labels])}
    (folder / "challenge2017.pkl").write_bytes(pickle.dumps(content))


def _satellite(raw: RawFiles, data: Dataset, folder: Path) -> None:
    for role in ("train", "test"):
        labels, series = (np.concatenate(parts) for parts in zip(*_series(raw, role), strict=True))
        np.save(folder / f"satellite_{role}.npy", np.array({"data": series, "label": labels}, object))


def _series(raw: RawFiles, role: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return read_series(raw.one(role, "*.csv").path)


def _deepsea(raw: RawFiles, data: Dataset, folder: Path) -> None:
    """The sequences are shorter in a data set of fewer bases; so the places outside are filled with none."""
    arrays = {}
    for split, part in PARTS.items():
        x, y = (data.split(split).load(field) for field in ("x", "y"))
        margin = (1000 - x.shape[2]) // 2
        arrays[f"x_{part}"] = (
            np.pad(x, ((0, 0), (0, 0), (margin, 1000 - x.shape[2] - margin))).transpose(0, 2, 1).copy()
        )
        arrays[f"y_{part}"] = y
    np.savez(folder / "deepsea_filtered.npz", **arrays)


WRITERS = {
    "cifar100": _cifar100,
    "spherical": _spherical,
    "ninapro": _ninapro,
    "fsd50k": _fsd50k,
    "darcy": _darcy,
    "psicov": _psicov,
    "cosmic": _cosmic,
    "ecg": _ecg,
    "satellite": _satellite,
    "deepsea": _deepsea,
}
