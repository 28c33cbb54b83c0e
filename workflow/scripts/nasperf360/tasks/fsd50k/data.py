"""FSD50K as log-mel patches of one second: ``x`` (1, 96, 101) int16, ``y`` (200,) uint8, ``group`` (clip) int32.

``x`` is in steps of :data:`~nasperf360.tasks.fsd50k.decibels.STEP` dB.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import soxr  # what librosa resamples with

from nasperf360.data.datasets import DatasetWriter, Field, SplitWriter
from nasperf360.data.raw import RawFile, RawFiles
from nasperf360.data.reading import each, reading
from nasperf360.errors import DataError
from nasperf360.tasks.fsd50k.decibels import in_steps
from nasperf360.tasks.fsd50k.log_mel import chunks, log_mel
from nasperf360.tasks.fsd50k.spec import LABELS, RAW_RATE, PreprocessSettings
from nasperf360.tasks.fsd50k.wave import Header, read_header, read_samples

RATE = 22_050  # Hz
CHUNK, CHUNK_HOP = RATE, RATE // 2  # samples
SPLITS = {"train": "train", "val": "valid", "test": "test"}  # dev.csv's names, and test for eval.csv, which has none
FULL_SCALE = 32_768  # of 16-bit samples


def preprocess(raw: RawFiles, writer: DatasetWriter, options: PreprocessSettings) -> None:
    """Chunks of one second every half second, clip by clip, once the headers of all clips are known to be sound."""
    vocabulary = _vocabulary(raw.one("ground_truth", "vocabulary.csv"))
    clips = {
        "dev": _clips(raw.one("ground_truth", "dev.csv"), vocabulary, raw.all("dev_audio", "*.wav")),
        "eval": _clips(raw.one("ground_truth", "eval.csv"), vocabulary, raw.all("eval_audio", "*.wav")),
    }
    sounds = [file for part in clips.values() for file, _, _ in part]
    headers = {file.path: header for file, header in zip(sounds, each(sounds, _header), strict=True)}
    for name, part in (("train", "dev"), ("valid", "dev"), ("test", "eval")):
        source = raw.one("ground_truth", f"{part}.csv").path
        split = open_split(writer, name, options, source)
        chosen = [clip for clip in clips[part] if clip[2] == name]
        for group, (file, labels, _) in enumerate(chosen):
            pieces = chunks(_read(file, headers[file.path]), CHUNK, CHUNK_HOP)
            append_clip(split, options, pieces, labels, group, file.path)


def open_split(writer: DatasetWriter, name: str, options: PreprocessSettings, source: Path) -> SplitWriter:
    """A split of patches, with labels and the number of their clip."""
    fields: dict[str, Field] = {
        "x": ((1, options.n_mels, 1 + CHUNK // options.hop), "int16"),
        "y": ((LABELS,), "uint8"),
        "group": ((), "int32"),
    }
    return writer.split(name, **fields, classes=2, source=source)


def spectrograms(signals: np.ndarray, options: PreprocessSettings, path: str | Path) -> np.ndarray:
    """Log-mel spectrograms (n, mels, frames) in steps, int16, of signals (n, size).

    Raises:
        DataError: samples that are no numbers; ``path`` holds them.
    """
    return in_steps(log_mel(signals, RATE, options.n_mels, options.hop, scale=options.mel_scale), path)


def append_clip(
    split: SplitWriter, options: PreprocessSettings, pieces: np.ndarray, labels: np.ndarray, group: int, path: Path
) -> None:
    """Write the chunks (n, 22050) of one clip, which is number ``group`` of its split."""
    count = len(pieces)
    y, groups = np.tile(labels, (count, 1)), np.full(count, group)
    split.append(path, x=spectrograms(pieces, options, path)[:, None], y=y, group=groups)


def _rows(file: RawFile, fields: list[str] | None = None) -> list[dict[str, str]]:
    with reading(file.path, "a csv file"), open(file.path, newline="", encoding="utf-8-sig") as stream:
        return list(read_rows(file.path, stream, fields))


def read_rows(path: str | Path, stream: Iterable[str], fields: list[str] | None = None) -> Iterator[dict[str, str]]:
    """Rows of a csv by column name; ``fields`` where it has no header.

    Raises:
        DataError: rows differ in their number of columns.
    """
    for row in csv.DictReader(stream, fields):
        if None in row or None in row.values():
            raise DataError(f"{path}: a row has not as many columns as the first")
        yield row


def _vocabulary(file: RawFile) -> dict[str, int]:
    try:
        vocabulary = {row["label"]: int(row["index"]) for row in _rows(file, ["index", "label", "mid"])}
    except ValueError as error:
        raise DataError(f"{file.path}: an index is not a number ({error})") from error
    check_vocabulary(file.path, vocabulary)
    return vocabulary


def check_vocabulary(path: str | Path, vocabulary: Mapping[str, int]) -> None:
    """Refuse indices of labels that are not 0 to 199."""
    if sorted(vocabulary.values()) != list(range(LABELS)):
        raise DataError(f"{path}: {len(vocabulary)} labels, expected {LABELS}, indexed from 0")


def _clips(file: RawFile, vocabulary: Mapping[str, int], audio: list[RawFile]) -> list[tuple[RawFile, np.ndarray, str]]:
    """Sound file, multi-hot labels and split of each clip, by number on Freesound: the csv sorts by class."""
    sounds = {sound.path.stem: sound for sound in audio}
    rows = _rows(file)
    absent = [row["fname"] for row in rows if row.get("fname", "").isdecimal() and row["fname"] not in sounds]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise DataError(f"{file.path}: lists clip {absent[0]}{more}, but there is no {absent[0]}.wav")
    clips = []
    for row in rows:
        if "fname" not in row or "labels" not in row:
            raise DataError(f"{file.path}: columns {', '.join(row)}, expected fname and labels")
        if not row["fname"].isdecimal():
            raise DataError(f"{file.path}: clip {row['fname']}, expected its number on Freesound")
        labels = multi_hot(file.path, row["fname"], row["labels"], vocabulary)
        split = row.get("split", "test")
        if split not in SPLITS:
            raise DataError(f"{file.path}: clip {row['fname']} is of split '{split}', expected train or val")
        clips.append((sounds[row["fname"]], labels, SPLITS[split]))
    return sorted(clips, key=lambda clip: int(clip[0].path.stem))


def multi_hot(path: str | Path, clip: str, named: str, vocabulary: Mapping[str, int]) -> np.ndarray:
    """The labels of a clip, named with commas between them, as (200,) of 0 and 1.

    Raises:
        DataError: one is not in the vocabulary.
    """
    labels = np.zeros(LABELS, np.uint8)
    for label in named.split(","):
        if label not in vocabulary:
            raise DataError(f"{path}: clip {clip} has label '{label}', not in the vocabulary")
        labels[vocabulary[label]] = 1
    return labels


def _header(file: RawFile) -> Header:
    """The header of a clip.

    Raises:
        DataError: not a whole mono wave file of 44.1 kHz.
    """
    header = read_header(file.path)
    if header.rate != RAW_RATE or header.channels != 1 or header.frames < RAW_RATE // RATE:
        raise DataError(
            f"{file.path}: {header.frames} samples, {header.channels} channels, {header.rate} Hz; "
            f"expected mono sound at {RAW_RATE} Hz"
        )
    return header


def _read(file: RawFile, header: Header) -> np.ndarray:
    """A clip at 22,050 Hz in -1 ... 1, rounded to 16 bits as the published chunks were.

    Raises:
        DataError: it cannot be read.
    """
    halved = soxr.resample(read_samples(file.path, header)[:, 0], RAW_RATE, RATE, quality="HQ")
    return np.clip(np.round(halved * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1) / np.float32(FULL_SCALE)
