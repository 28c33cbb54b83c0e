"""FSD50K from ``audio.zip``: sounds that the benchmark resampled and cut, and its background noise.

In it, wherever they stand: ``tr.csv``, ``val.csv`` and ``eval.csv`` with a row per chunk (``files``, ``labels``, and as
``ext`` the clip), ``lbl_map.json`` with the index of each label, the chunks ``<clip>_<number>.wav`` that the rows name,
of a second and at 22,050 Hz, and ``noise_22050/*.wav``. Noise is stored as the reference code holds it, as spectrograms
of whole clips, a sample a frame: ``x`` (1, 96, 1) int16, ``y`` (1,) of nothing, ``group`` (clip) int32, and ``lowest``,
the least value of the clip.
"""

import io
import json
from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np

from nasperf360.data.datasets import DatasetWriter, Field
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
    read_rows,
    spectrograms,
)
from nasperf360.tasks.fsd50k.spec import PreprocessSettings
from nasperf360.tasks.fsd50k.wave import parse

TABLES = {"train": "tr.csv", "valid": "val.csv", "test": "eval.csv"}
NOISE = "noise_22050"
SAMPLES = {"train": 36_796, "valid": 4_170, "test": 10_231}  # clips

Clip = tuple[str, list[str]]
"""Labels, and the chunks in the archive."""


def preprocess(raw: RawFiles, writer: DatasetWriter, options: PreprocessSettings) -> None:
    """Clip by clip, by number on Freesound, once all tables were read and all chunks found; then clips of noise."""
    with Archive(raw, "sounds") as archive:
        vocabulary = _vocabulary(archive)
        clips = {name: _clips(archive, table) for name, table in TABLES.items()}
        for name, table in TABLES.items():
            path = archive.place(archive.find(table))
            split = open_split(writer, name, options, archive.path)
            for group, number in enumerate(sorted(clips[name], key=int)):
                named, files = clips[name][number]
                labels = multi_hot(path, number, named, vocabulary)
                # A chunk that is shorter than a second is tiled.
                sounds = np.stack([np.resize(_samples(archive, file, CHUNK), CHUNK) for file in sorted(files)])
                append_clip(split, options, sounds, labels, group, archive.path)
        if noises := archive.below(NOISE, ".wav"):
            frame: dict[str, Field] = {"x": ((1, options.n_mels, 1), "int16"), "y": ((1,), "uint8")}
            of_clip: dict[str, Field] = {"group": ((), "int32"), "lowest": ((), "int16")}
            split = writer.split("noise", **frame, **of_clip, classes=1, source=archive.path)
            for group, file in enumerate(noises):
                samples = _samples(archive, file)
                signal = np.resize(samples, max(CHUNK, len(samples)))
                frames = spectrograms(signal[None], options, archive.place(file))[0].T[:, None, :, None]
                nothing = np.zeros((len(frames), 1), np.uint8)
                whole = {"group": np.full(len(frames), group), "lowest": np.full(len(frames), frames.min())}
                split.append(archive.path, x=frames, y=nothing, **whole)


def counts(raw: RawFiles) -> Mapping[str, tuple[str, int]]:
    """Of each split its table, and the number of its clips by that alone."""
    with Archive(raw, "sounds") as archive:
        return {
            name: (archive.place(archive.find(table)), len(_clips(archive, table))) for name, table in TABLES.items()
        }


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
    clips: dict[str, Clip] = {}
    with reading(path, "a csv file"):
        stream = io.StringIO(archive.read(name).decode("utf-8-sig"), newline="")
        for row in read_rows(path, stream):  # one at a time: there are half a million
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


def _samples(archive: Archive, name: str, most: int | None = None) -> np.ndarray:
    """A sound (N,) in -1 ... 1.

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
    return samples[:, 0]
