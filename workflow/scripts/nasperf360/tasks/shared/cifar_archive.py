"""Reader of ``cifar-100-python.tar.gz``: pickles of Python 2 in a compressed tar, read without unpacking it.

Who has it unpacked already may give the folder ``cifar-100-python`` in its place.
"""

import gzip
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFiles
from nasperf360.data.reading import in_words, reading
from nasperf360.errors import DataError
from nasperf360.tasks.shared.pickles import fields_of, load_arrays

IMAGE = (3, 32, 32)
KIND = "a pickle of CIFAR-100"
Shape = tuple[int, ...]
FOLDER, MEMBERS = "cifar-100-python", ("train", "test")


def read_images(raw: RawFiles) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The images and fine labels of the members ``train`` and ``test``, from the archive or the folder of its members.

    Returns:
        For each: images (N, 3, 32, 32) uint8, in planes red, green, blue, and labels (N,) int64 (range unchecked).

    Raises:
        DataError: a truncated or wrong archive, a missing member or key, arrays of another shape or type.
    """
    files = raw.all("archive")
    if len(files) == 1:
        return read_archive(files[0].path)
    found = {}
    for name in MEMBERS:
        path = raw.one("archive", name).path
        with reading(path, KIND), open(path, "rb") as stream:
            found[name] = _read_member(stream, str(path))
    return found


def read_archive(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """:func:`read_images` of the archive."""
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    with reading(path, "a tar.gz archive"), gzip.open(path) as stream:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                folder, _, name = member.name.removeprefix("./").partition("/")
                if folder == FOLDER and name in MEMBERS:
                    content = archive.extractfile(member) if member.isfile() and not member.issparse() else None
                    if content is None:
                        raise DataError(f"{path}: the member {member.name} is no plain file")
                    found[name] = _read_member(content, f"{path}: {member.name}")
        # The checksum of the stream stands at its end, behind the padding that tarfile does not read.
        while stream.read(1 << 20):
            pass
    for name in MEMBERS:
        if name not in found:
            raise DataError(f"{path}: no member {FOLDER}/{name}; this is not the CIFAR-100 Python archive")
    return found


def _read_member(content: IO[bytes], where: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        record = load_arrays(content, encoding="bytes")
    except (tarfile.TarError, EOFError, OSError, zlib.error, MemoryError):
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise DataError(f"{where}: not a pickle of CIFAR-100 ({in_words(error)})") from error
    images, fine_labels = fields_of(where, record, "data", "fine_labels")
    with reading(where, KIND):  # ragged labels, say
        labels = np.asarray(fine_labels)
    width = int(np.prod(IMAGE))
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != width:
        given = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise DataError(f"{where}: 'data' is {given}, expected uint8 (N, {width})")
    if labels.shape != (len(images),) or (labels.size and labels.dtype.kind not in "iu"):
        raise DataError(f"{where}: 'fine_labels' is {labels.dtype} {labels.shape}, expected {len(images)} integers")
    return np.asarray(images).reshape(-1, *IMAGE), labels.astype(np.int64)


def train_size(samples: int) -> int:
    """How many of the training file's first images train; the last 20 % validate (40,000 + 10,000 at full size)."""
    return samples * 4 // 5


def write_images(
    writer: DatasetWriter, members: Mapping[str, tuple[np.ndarray, np.ndarray]], shape: Shape, classes: int, path: Path
) -> None:
    """Write ``train`` and ``test``, images (N, *shape) uint8 and labels (N,) of each, as splits; ``path`` is theirs."""
    images, labels = members["train"]
    cut = train_size(len(images))
    for name, x, y in (
        ("train", images[:cut], labels[:cut]),
        ("valid", images[cut:], labels[cut:]),
        ("test", *members["test"]),
    ):
        split = writer.split(name, x=(shape, "uint8"), y=((), "int64"), classes=classes, source=path)
        split.append(x=x, y=y)
