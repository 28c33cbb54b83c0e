"""Wave files: what their headers say, checked against the bytes that follow.

libsndfile reads a truncated file without a word, and takes sizes that no writer ever filled in for empty files.
"""

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import soundfile

from nasperf360.data.reading import reading
from nasperf360.errors import DataError

KIND = "a wave file"
_UNKNOWN = 0xFFFFFFFF  # a size of a writer that did not know the end, like 0
_MOST_CHUNKS = 1000  # before the samples


@dataclass(frozen=True)
class Header:
    """What the header of a wave file says.

    Args:
        rate: Hz.
        channels: how many.
        frame_bytes: of one sample of all channels.
        start: where the samples begin.
        bytes: of all samples.
        patched: whether sizes in the header must be filled in, since its writer never did.
    """

    rate: int
    channels: int
    frame_bytes: int
    start: int
    bytes: int
    patched: bool

    @property
    def frames(self) -> int:
        """Samples of one channel."""
        return self.bytes // self.frame_bytes


def read_header(path: Path) -> Header:
    """The header of a wave file; its samples are there, all of them.

    A size of 0 or of 0xFFFFFFFF is what a program leaves that was cut off or wrote to a pipe; the samples go on to the
    end of the file then, and are sound. A size that the file has not the bytes for is a truncated file.

    Raises:
        DataError: no wave file, or one that is truncated.
    """
    size = path.stat().st_size
    with reading(path, KIND), open(path, "rb") as stream:
        return _read_header(path, stream, size)


def _read_header(path: str | Path, stream: IO[bytes], size: int) -> Header:
    riff, total, wave = struct.unpack("<4sI4s", stream.read(12))
    if (riff, wave) != (b"RIFF", b"WAVE"):
        raise DataError(f"{path}: not a wave file")
    sound: tuple[int, int, int] | None = None
    for _ in range(_MOST_CHUNKS):
        name, length = struct.unpack("<4sI", stream.read(8))
        start = stream.tell()
        if name == b"data":
            if sound is None:
                raise DataError(f"{path}: a wave file without a format")
            if length == _UNKNOWN or (length == 0 and (total in (0, _UNKNOWN) or total + 8 <= start)):
                return _header(path, sound, start, size - start, size, patched=True)
            return _header(path, sound, start, length, size, patched=total in (0, _UNKNOWN))
        if name == b"fmt ":
            sound = _sound(stream)
        stream.seek(start + length + length % 2)
    raise DataError(f"{path}: a wave file without samples")


def _sound(stream: IO[bytes]) -> tuple[int, int, int]:
    """Rate, channels and bytes of a frame."""
    _, channels, rate, _, frame_bytes = struct.unpack("<HHIIH", stream.read(14))
    return rate, channels, frame_bytes


def _header(
    path: str | Path, sound: tuple[int, int, int], start: int, length: int, size: int, *, patched: bool
) -> Header:
    rate, channels, frame_bytes = sound
    if not frame_bytes or not channels:
        raise DataError(f"{path}: a wave file with a damaged format")
    there = size - start
    if length > there:
        raise DataError(
            f"{path}: truncated: its header says {length // frame_bytes} samples, but {there // frame_bytes} are there"
        )
    return Header(rate, channels, frame_bytes, start, length, patched)


def read_samples(path: Path, header: Header) -> np.ndarray:
    """All samples (N, channels) as float32 in -1 ... 1.

    Raises:
        DataError: they cannot be read, or are not as many as the header says.
    """
    with reading(path, KIND):
        if header.patched:
            return _samples(path, header, path.read_bytes())
        return _all(path, header, soundfile.read(path, dtype="float32", always_2d=True)[0])


def parse(path: str | Path, content: bytes) -> tuple[Header, np.ndarray]:
    """Header and samples (N, channels) of a wave file in memory, say of an archive; ``path`` is for messages.

    Raises:
        DataError: no wave file, or one that is truncated.
    """
    with reading(path, KIND):
        header = _read_header(path, io.BytesIO(content), len(content))
        return header, _samples(path, header, content)


def _samples(path: str | Path, header: Header, content: bytes) -> np.ndarray:
    if header.patched:
        filled = bytearray(content)
        struct.pack_into("<I", filled, 4, len(content) - 8)
        struct.pack_into("<I", filled, header.start - 4, header.bytes)
        content = bytes(filled)
    return _all(path, header, soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)[0])


def _all(path: str | Path, header: Header, samples: np.ndarray) -> np.ndarray:
    if len(samples) != header.frames:
        raise DataError(f"{path}: {len(samples)} of the {header.frames} samples can be read; it is damaged")
    return np.asarray(samples)
