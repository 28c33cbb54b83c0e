"""Simulated CIFAR-100 in the original format: patches of coloured stripes and checks.

A class is a pair of colours, a texture and a period. Phase, place and angle are random, so the mean image of every
class is grey and no single pixel shows a class: a linear model is all but lost. Flips and rotations keep the class.
"""

import gzip
import io
import itertools
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nasperf360.tasks.cifar100.spec import SimulateSettings

# Crest of the wave, as red, green and blue above (1) or below (-1) grey; its trough is the opposite.
COLOURS = {
    "white_black": (1, 1, 1),
    "yellow_blue": (1, 1, -1),
    "magenta_green": (1, -1, 1),
    "cyan_red": (-1, 1, 1),
    "orange_azure": (1, 0, -1),
    "rose_spring": (1, -1, 0),
    "lime_violet": (0, 1, -1),
    "cream_navy": (1, 1, 0),
    "pink_forest": (1, 0, 1),
    "ice_maroon": (0, 1, 1),
}
TEXTURES = ("stripes", "checks")
PERIODS = (16.0, 10.0, 6.5, 4.5, 3.0)  # pixels
SIDE = 32
PATCH = 10.0  # pixels, standard deviation of the Gaussian that fades the texture into grey
BLOCK = 1000  # images drawn at once

COARSE = ["_".join(parts) for parts in itertools.product(COLOURS, TEXTURES)]
FINE = [f"{coarse}_{period:g}" for coarse, period in itertools.product(COARSE, PERIODS)]


def simulate(
    folder: Path, options: SimulateSettings, rng: np.random.Generator
) -> list[tuple[Path, str, dict[str, Any]]]:
    """Write ``cifar-100-python.tar.gz``."""
    classes, noise = options.classes, options.noise
    path = folder / "cifar-100-python.tar.gz"
    folder.mkdir(parents=True, exist_ok=True)
    # No time stamps: equal seeds give equal bytes.
    with (
        open(path, "wb") as file,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w") as archive,
    ):
        meta = {"fine_label_names": FINE, "coarse_label_names": COARSE}
        _add(archive, "meta", meta)
        for name, count, batch in (
            ("test", options.test, "testing batch 1 of 1"),
            ("train", options.train, "training batch 1 of 1"),
        ):
            labels = rng.permutation(np.arange(count) % classes * len(FINE) // classes)
            starts = range(0, count, BLOCK)
            images = [draw_images(labels[start : start + BLOCK], noise, rng) for start in starts]
            _add(
                archive,
                name,
                {
                    "filenames": [f"{FINE[label]}_s_{number:06d}.png" for number, label in enumerate(labels)],
                    "batch_label": batch,
                    "fine_labels": labels.tolist(),
                    "coarse_labels": (labels // len(PERIODS)).tolist(),
                    "data": np.concatenate(images).reshape(count, -1),
                },
            )
    return [(path, "archive", {})]


def draw_images(labels: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Images (N, 3, 32, 32) uint8 of classes ``labels``: random phase, place, angle and contrast, jitter and noise."""
    count = len(labels)

    def uniform(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, (count, 1, 1)).astype(np.float32)

    colour, texture, period = np.unravel_index(labels, (len(COLOURS), len(TEXTURES), len(PERIODS)))
    turn = uniform(0, 2 * np.pi)
    wave = 2 * np.pi / np.array(PERIODS, np.float32)[period][:, None, None] * uniform(0.92, 1.08)
    row, column = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    row, column = row - uniform(8, SIDE - 8), column - uniform(8, SIDE - 8)
    along, across = np.cos(turn) * column + np.sin(turn) * row, np.cos(turn) * row - np.sin(turn) * column
    pattern = np.cos(wave * along + uniform(0, 2 * np.pi))
    checks = np.cos(wave * across + uniform(0, 2 * np.pi))
    pattern *= np.where((texture == TEXTURES.index("checks"))[:, None, None], checks, 1.0)
    pattern *= uniform(0.3, 0.5) * np.exp(-(row**2 + column**2) / (2 * PATCH**2))
    images = 0.5 + np.array(list(COLOURS.values()), np.float32)[colour][:, :, None, None] * pattern[:, None]
    images += noise * rng.standard_normal(images.shape, np.float32)
    return (images * 255).clip(0, 255).astype(np.uint8)


class _Python2Pickler(pickle._Pickler):
    """Writes str and bytes as the str of Python 2, as in the original files (``pickle`` itself no longer can)."""

    dispatch: ClassVar[dict[Any, Any]] = dict(pickle._Pickler.dispatch)

    def _save_string(self, text: str | bytes) -> None:
        content = text.encode("latin1") if isinstance(text, str) else text
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)  # type: ignore[attr-defined]
        self.memoize(text)  # type: ignore[attr-defined]

    dispatch[str] = dispatch[bytes] = _save_string


def _add(archive: tarfile.TarFile, name: str, record: dict[str, Any]) -> None:
    content = io.BytesIO()
    _Python2Pickler(content, protocol=2).dump(record)
    member = tarfile.TarInfo(f"cifar-100-python/{name}")
    member.size = content.tell()
    content.seek(0)
    archive.addfile(member, content)
