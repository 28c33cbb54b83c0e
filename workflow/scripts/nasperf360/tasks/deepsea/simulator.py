"""Simulated DeepSEA: DNA with planted motifs, in the three files of the original bundle.

Each of the 919 labels follows one of a few binding motifs. A motif stands several times at random places and on random
strands near the centre of a sequence (labels of the original are about the central 200 bases), and a label is wrong now
and then. All motifs hold each base equally often, so the composition of a sequence, all that a linear model can add up
over random positions, says nothing. The second half of each set is the reverse complement of the first, as in the
original.
"""

import math
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nasperf360.data.disk_room import DiskRoom, check_room
from nasperf360.tasks.deepsea.spec import FEATURES, LENGTH, SimulateSettings

CENTRE = 200  # bases that hold the motifs
COMPLEMENT = np.array([3, 2, 1, 0])  # A, G, C, T
BLOCK = 2048
CACHES = 16 << 20  # bytes that HDF5 keeps back of both arrays


def simulate(
    folder: Path, options: SimulateSettings, rng: np.random.Generator
) -> list[tuple[Path, str, dict[str, Any]]]:
    """Write ``deepsea_train/{train,valid,test}.mat``."""
    motifs = np.stack(
        [rng.permutation(np.repeat(np.arange(4), options.motif_length // 4)) for _ in range(options.motifs)]
    )
    target = folder / "deepsea_train"
    target.mkdir(parents=True, exist_ok=True)
    files = []
    for name, count in (("train", options.train), ("valid", options.valid), ("test", options.test)):
        path = target / f"{name}.mat"
        half = count // 2
        with (_hdf5 if name == "train" else _v5)(path, name, 2 * half) as (x, y):
            for start in range(0, half, BLOCK):
                stop = min(start + BLOCK, half)
                bases, labels = _sequences(stop - start, motifs, options, rng)
                for offset, strand in ((0, bases), (half, _reverse_complement(bases))):
                    x[:, :, offset + start : offset + stop] = _one_hot(strand).transpose(2, 1, 0)
                    y[:, offset + start : offset + stop] = labels.T
        files.append((path, "bundle", dict[str, Any]()))
    return files


@contextmanager
def _hdf5(path: Path, name: str, count: int) -> Iterator[tuple[Any, Any]]:
    """The two arrays of a v7.3 file, to be filled; axes reversed, samples last."""
    check_room(path)
    with h5py.File(path, "w", locking=False) as file:
        width, room = min(512, count), DiskRoom(file)
        x, y = (
            _InHDF5(
                file.create_dataset(
                    key, (*rows, count), "uint8", chunks=(*rows, width), compression="gzip", compression_opts=1
                ),
                room,
            )
            for key, rows in ((f"{name}xdata", (LENGTH, 4)), (f"{name}data", (FEATURES,)))
        )
        yield x, y
        room.give_back()


class _InHDF5:
    """Array of an HDF5 file, for which room is taken before each assignment."""

    def __init__(self, array: h5py.Dataset, room: DiskRoom):
        self.array, self.room = array, room

    def __setitem__(self, place: Any, values: np.ndarray) -> None:
        # Compressed, it takes a part of that; what the cache keeps back is no more than has been assigned.
        self.room.take({}, values.nbytes + min(self.array.nbytes, CACHES))
        self.array[place] = values


@contextmanager
def _v5(path: Path, name: str, count: int) -> Iterator[tuple[Any, Any]]:
    """The two arrays of an uncompressed v5 file, to be filled on disk; axes reversed, samples last."""
    shapes = {f"{name}xdata": (LENGTH, 4, count), f"{name}data": (FEATURES, count)}
    offsets = {}
    with open(path, "wb") as file:
        file.write(b"MATLAB 5.0 MAT-file, simulated".ljust(124) + struct.pack("<H2s", 0x0100, b"IM"))
        for key, shape in shapes.items():
            size = math.prod(shape)
            dimensions = struct.pack(f"<{len(shape)}i", *reversed(shape))
            header = struct.pack("<IIII", 6, 8, 9, 0)  # array flags: class uint8
            header += _element(5, dimensions) + _element(1, key.encode()) + struct.pack("<II", 2, size)
            file.write(struct.pack("<II", 14, len(header) + size + -size % 8) + header)
            offsets[key] = file.tell()
            file.seek(size + -size % 8, 1)
        os.posix_fallocate(file.fileno(), 0, file.tell())  # to write into a map without room ends the process
    x, y = (_OnDisk(path, offsets[key], shape) for key, shape in shapes.items())
    yield x, y


class _OnDisk:
    """Array in a file, mapped anew for each assignment, so that what was written does not stay in memory."""

    def __init__(self, path: Path, offset: int, shape: tuple[int, ...]):
        self.path, self.offset, self.shape = path, offset, shape

    def __setitem__(self, place: tuple[slice, ...], values: np.ndarray) -> None:
        np.memmap(self.path, np.uint8, "r+", self.offset, self.shape)[place] = values


def _element(kind: int, data: bytes) -> bytes:
    """A v5 data element: tag, and data padded to 8 bytes."""
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def _sequences(
    count: int, motifs: np.ndarray, options: SimulateSettings, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Bases (count, 1000), as 0 to 3 in the order A, G, C, T, and labels (count, 919)."""
    kinds, length = motifs.shape
    bases = rng.integers(4, size=(count, LENGTH), dtype=np.uint8)
    present = rng.random((count, kinds)) < options.presence
    rows, kind = np.nonzero(present)
    rows, kind = np.repeat(rows, options.copies), np.repeat(kind, options.copies)
    first = (LENGTH - CENTRE) // 2
    starts = rng.integers(first, first + CENTRE - length, size=len(rows))
    sites = np.where(rng.random(len(rows))[:, None] < 0.5, motifs[kind], _reverse_complement(motifs)[kind])
    bases[rows[:, None], starts[:, None] + np.arange(length)] = sites
    truth = present[:, np.arange(FEATURES) % kinds]
    draws = rng.random((count, FEATURES))
    labels = np.where(truth, draws >= options.noise, draws < options.noise / 10)
    return bases, labels.astype(np.uint8)


def _reverse_complement(bases: np.ndarray) -> np.ndarray:
    return COMPLEMENT[bases][:, ::-1].astype(np.uint8)


def _one_hot(bases: np.ndarray) -> np.ndarray:
    """(n, 4, 1000) uint8."""
    return (bases[:, None, :] == np.arange(4)[None, :, None]).astype(np.uint8)
