"""FSD50K: sounds of Freesound with several of 200 labels each, as log-mel patches of one second."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nasperf360.errors import DataError, UserError
from nasperf360.ranking import average_precision
from nasperf360.tasks.base import Metric, Task
from nasperf360.transforms.logmel import chunks, log_mel

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from nasperf360.data.datasets import DatasetWriter
    from nasperf360.data.raw import RawFile, RawFiles
    from nasperf360.tasks.base import Batch

LABELS = 200
RAW_RATE, RATE = 44_100, 22_050  # Hz
CHUNK, CHUNK_HOP = RATE, RATE // 2  # samples
SPLITS = {"train": "train", "val": "valid", "test": "test"}  # dev.csv's names, and test for eval.csv, which has none
FULL_SCALE = 32_768  # of 16-bit samples
MASK_SHARE = {2: 0.15, 3: 0.20}  # SpecAugment: largest share masked, of mel bands (axis 2) and frames (axis 3)

OPTIONS = {
    "n_mels": 96,  # mel bands; as published
    "hop": 220,  # samples between frames at 22,050 Hz; as published
    "mel_scale": "htk",  # one of MEL_SCALES; as published
}
MEL_SCALES = ("htk", "slaney")  # see nasperf360.transforms.logmel.log_mel


class FSD50K(Task):
    """Log-mel patches (1, 96, 101) to 200 binary labels; a clip's prediction is the mean of its chunks' logits."""

    name = "fsd50k"
    title = "FSD50K"
    objective = "Classify sound events in log-mel spectrograms"
    published_size = "51K"
    dimensions = 2
    kind = "point"
    multi_label = True
    outputs = LABELS
    metric = Metric("mAP", higher_is_better=True)
    raw = "fsd50k"
    merge_valid = False
    one_per_group = True

    def prepare(self, raw: RawFiles, writer: DatasetWriter, options: Mapping[str, Any]) -> None:
        """Chunks of one second every half second, clip by clip."""
        options = {**OPTIONS, **options}
        n_mels, hop, scale = options["n_mels"], options["hop"], options["mel_scale"]
        if scale not in MEL_SCALES:
            raise UserError(f"prepare.fsd50k.mel_scale: '{scale}' was given, allowed are {', '.join(MEL_SCALES)}")
        vocabulary = _vocabulary(raw.one("ground_truth", "vocabulary.csv"))
        clips = {
            "dev": _clips(raw.one("ground_truth", "dev.csv"), vocabulary, raw.all("dev_audio", ".wav")),
            "eval": _clips(raw.one("ground_truth", "eval.csv"), vocabulary, raw.all("eval_audio", ".wav")),
        }
        for name, part in (("train", "dev"), ("valid", "dev"), ("test", "eval")):
            split = writer.split(
                name,
                x=((1, n_mels, 1 + CHUNK // hop), "float32"),
                y=((LABELS,), "uint8"),
                classes=2,
                source=raw.one("ground_truth", f"{part}.csv").path,
                group=((), "int32"),
            )
            chosen = [clip for clip in clips[part] if clip[2] == name]
            for group, (file, labels, _) in enumerate(chosen):
                patches = log_mel(chunks(_read(file), CHUNK, CHUNK_HOP), RATE, n_mels, hop, scale=scale)
                count = len(patches)
                y, groups = np.tile(labels, (count, 1)), np.full(count, group)
                split.append(file.path, x=patches[:, None].astype(np.float32), y=y, group=groups)

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """SpecAugment on half of the patches: one or two times, up to 15 % of the bands and 20 % of the frames.

        Masked values become the patch's minimum. Reference code, data_utils/audio_dataset.py; its padding and cropping
        to 101 frames do nothing to patches of that size.
        """
        import torch

        x = batch["x"]
        count = len(x)
        chosen = torch.rand(count, generator=generator) < 0.5
        masks = torch.randint(1, 3, (count,), generator=generator) * chosen
        masked = torch.zeros(x.shape, dtype=torch.bool)
        for number in range(2):
            for axis, largest in MASK_SHARE.items():
                size = x.shape[axis]
                share, place = torch.rand(2, count, generator=generator)
                width = (share * largest * size).long() * (masks > number)
                start = (place * (size - width)).long()
                steps = torch.arange(size)
                inside = (steps >= start[:, None]) & (steps < (start + width)[:, None])
                masked |= inside[:, None, :, None] if axis == 2 else inside[:, None, None, :]
        return {**batch, "x": torch.where(masked.to(x.device), x.amin(dim=(1, 2, 3), keepdim=True), x)}

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Binary cross-entropy on logits, mean over samples and labels."""
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(output, batch["y"].float())

    def score(self, outputs: np.ndarray, extras: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Mean average precision over the labels that occur in the split (``value``), and how many these are.

        A clip's score is the mean logit of its chunks; the reference's sigmoid of it changes no rank.

        Raises:
            DataError: no label occurs.
        """
        _, first, group, sizes = np.unique(extras["group"], return_index=True, return_inverse=True, return_counts=True)
        sums = np.zeros((len(first), outputs.shape[1]))
        np.add.at(sums, group, outputs)
        precisions = average_precision(sums / sizes[:, None], extras["y"][first])
        scored = precisions[~np.isnan(precisions)]
        if not len(scored):
            raise DataError("fsd50k: no label occurs in the split, so average precision is undefined")
        return {"value": float(scored.mean()), "labels_scored": float(len(scored)), "clips": float(len(first))}


def _rows(file: RawFile, fields: list[str] | None = None) -> Iterator[dict[str, str]]:
    """Rows of a csv by column name; ``fields`` where it has no header."""
    with open(file.path, newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream, fields):
            if None in row or None in row.values():
                raise DataError(f"{file.path}: a row has not as many columns as the first; fetch the file again")
            yield row


def _vocabulary(file: RawFile) -> dict[str, int]:
    try:
        vocabulary = {row["label"]: int(row["index"]) for row in _rows(file, ["index", "label", "mid"])}
    except ValueError as error:
        raise DataError(f"{file.path}: an index is not a number ({error}); fetch the file again") from error
    if sorted(vocabulary.values()) != list(range(LABELS)):
        raise DataError(f"{file.path}: {len(vocabulary)} labels, expected {LABELS}, indexed from 0; fetch it again")
    return vocabulary


def _clips(file: RawFile, vocabulary: Mapping[str, int], audio: list[RawFile]) -> list[tuple[RawFile, np.ndarray, str]]:
    """Sound file, multi-hot labels and split of each clip, in the order of the csv."""
    sounds = {sound.path.stem: sound for sound in audio}
    clips = []
    for row in _rows(file):
        if "fname" not in row or "labels" not in row:
            raise DataError(f"{file.path}: columns {', '.join(row)}, expected fname and labels; fetch the file again")
        if row["fname"] not in sounds:
            raise DataError(f"{file.path}: lists clip {row['fname']}, but there is no {row['fname']}.wav")
        labels = np.zeros(LABELS, np.uint8)
        for label in row["labels"].split(","):
            if label not in vocabulary:
                raise DataError(f"{file.path}: clip {row['fname']} has label '{label}', not in the vocabulary")
            labels[vocabulary[label]] = 1
        split = row.get("split", "test")
        if split not in SPLITS:
            raise DataError(f"{file.path}: clip {row['fname']} is of split '{split}', expected train or val")
        clips.append((sounds[row["fname"]], labels, SPLITS[split]))
    return clips


def _read(file: RawFile) -> np.ndarray:
    """A clip at 22,050 Hz in -1 ... 1, rounded to 16 bits as the published chunks were.

    Raises:
        DataError: not a whole mono wave file of 44.1 kHz.
    """
    import soundfile
    import soxr  # what librosa resamples with

    with open(file.path, "rb") as stream:
        head = stream.read(12)
    # libsndfile reads a truncated file without a word.
    if head[:4] != b"RIFF" or int.from_bytes(head[4:8], "little") + 8 > file.path.stat().st_size:
        raise DataError(f"{file.path}: not a whole wave file; fetch it again")
    try:
        signal, rate = soundfile.read(file.path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DataError(f"{file.path}: not a readable wave file ({error}); fetch it again") from error
    if rate != RAW_RATE or signal.shape[1] != 1 or len(signal) < RAW_RATE // RATE:
        raise DataError(
            f"{file.path}: {len(signal)} samples, {signal.shape[1]} channels, {rate} Hz; "
            f"expected mono sound at {RAW_RATE} Hz"
        )
    halved = soxr.resample(signal[:, 0], RAW_RATE, RATE, quality="HQ")
    return np.clip(np.round(halved * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1) / np.float32(FULL_SCALE)


TASK = FSD50K
