"""FSD50K from ``audio.zip``: sounds that the benchmark resampled and cut, and its background noise.

In it, wherever they stand: ``tr.csv``, ``val.csv`` and ``eval.csv`` with a row per chunk (``files``, ``labels``, and as
``ext`` the clip), ``lbl_map.json`` with the index of each label, the chunks ``<clip>_<number>.wav`` that the rows name,
of a second and at 22,050 Hz, and ``noise_22050/*.wav``.
"""

import io
import json
from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFiles
from nasperf360.data.reading import reading
from nasperf360.errors import DataError
from nasperf360.tasks.fsd50k.archive import Archive
from nasperf360.tasks.fsd50k.data import (
    CHUNK,
    RATE,
    append_clip,
    check_vocabulary,
    multi_hot,
    open_split,
    patches,
    read_rows,
)
from nasperf360.tasks.fsd50k.log_mel import chunks
from nasperf360.tasks.fsd50k.spec import LABELS, PreprocessSettings
from nasperf360.tasks.fsd50k.wave import parse

TABLES = {"train": "tr.csv", "valid": "val.csv", "test": "eval.csv"}
NOISE = "noise_22050"
SAMPLES = {"train": 36_796, "valid": 4_170, "test": 10_231}  # clips

Clip = tuple[str, list[str]]
"""Labels, and the chunks in the archive."""


def preprocess(raw: RawFiles, writer: DatasetWriter, options: PreprocessSettings) -> None:
    """Clip by clip, by number on Freesound, once all tables were read and all chunks found; then the noise."""
    with Archive(raw, "sounds") as archive:
        vocabulary = _vocabulary(archive)
        clips = {name: _clips(archive, table) for name, table in TABLES.items()}
        for name, table in TABLES.items():
            path = archive.place(archive.find(table))
            split = open_split(writer, name, options, archive.path, group=((), "int32"))
            for group, number in enumerate(sorted(clips[name], key=int)):
                named, files = clips[name][number]
                labels = multi_hot(path, number, named, vocabulary)
                sounds = np.concatenate([_sound(archive, file, CHUNK) for file in sorted(files)])
                append_clip(split, options, sounds, labels, group, archive.path)
        if noises := archive.below(NOISE, ".wav"):
            split = open_split(writer, "noise", options, archive.path)
            for file in noises:
                sounds = patches(_sound(archive, file), options)
                split.append(archive.path, x=sounds, y=np.zeros((len(sounds), LABELS), np.uint8))


def _vocabulary(archive: Archive) -> dict[str, int]:
    name = archive.find("lbl_map.json")
    path = archive.place(name)
    with reading(path, "a JSON file"):
        found = json.loads(archive.read(name))
    if not isinstance(found, dict) or not all(type(index) is int for index in found.values()):
        raise DataError(f"{path}: no mapping from label to index")
    check_vocabulary(path, found)
    return found


def _clips(archive: Archive, table: str) -> Mapping[str, Clip]:
    """The clips of a table by their number.

    Raises:
        DataError: it is no such table, or names a chunk that is not there.
    """
    name = archive.find(table)
    path = archive.place(name)
    with reading(path, "a csv file"):
        stream = io.StringIO(archive.read(name).decode("utf-8-sig"), newline="")
        rows = read_rows(path, stream)
    clips: dict[str, Clip] = {}
    for row in rows:
        if absent := [column for column in ("files", "labels", "ext") if column not in row]:
            raise DataError(f"{path}: columns {', '.join(row)}, expected {absent[0]} too")
        number, chunk = row["ext"], PurePosixPath(row["files"].replace("\\", "/")).name
        if not number.isdecimal():
            raise DataError(f"{path}: clip {number}, expected its number on Freesound")
        labels, files = clips.setdefault(number, (row["labels"], []))
        if labels != row["labels"]:
            raise DataError(f"{path}: the rows of clip {number} differ in their labels")
        files.append(archive.find(chunk, path))
    if not clips:
        raise DataError(f"{path}: no rows")
    return clips


def _sound(archive: Archive, name: str, most: int | None = None) -> np.ndarray:
    """Chunks (n, 22050) of one second, side by side; what is shorter than a second is tiled.

    Raises:
        DataError: not a whole mono wave file of 22,050 Hz, or one longer than ``most`` samples.
    """
    path = archive.place(name)
    header, samples = parse(path, archive.read(name))
    if header.rate != RATE or header.channels != 1 or not 0 < header.frames <= (most or header.frames):
        length = f", at most {most} samples" if most else ""
        raise DataError(
            f"{path}: {header.frames} samples, {header.channels} channels, {header.rate} Hz; "
            f"expected mono sound at {RATE} Hz{length}"
        )
    return chunks(samples[:, 0], CHUNK, CHUNK)
