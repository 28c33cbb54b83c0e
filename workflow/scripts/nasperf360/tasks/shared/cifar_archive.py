"""Reader of ``cifar-100-python.tar.gz``: pickles of Python 2 in a compressed tar, read without unpacking it.

Who has it unpacked already may give the folder ``cifar-100-python`` in its place.
"""

import gzip
import tarfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from nasperf360.data.raw import RawFiles
from nasperf360.data.reading import in_words, reading
from nasperf360.errors import DataError
from nasperf360.tasks.shared.pickles import load_arrays

IMAGE = (3, 32, 32)
KIND = "a pickle of CIFAR-100"
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
    if not isinstance(record, dict):
        raise DataError(f"{where}: holds a {type(record).__name__}, expected a dict")
    # Python 2 wrote the keys as bytes; copies written by Python 3 have them as str.
    fields = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in record.items()}
    for key in ("data", "fine_labels"):
        if key not in fields:
            raise DataError(f"{where}: no key '{key}', it has {sorted(map(str, fields))}")
    images = fields["data"]
    with reading(where, KIND):  # ragged labels, say
        labels = np.asarray(fields["fine_labels"])
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
