"""Atomic writes, digests and JSON: a file is either complete or absent."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nasperf360.errors import UserError, refused_by_system

BLOCK = 1 << 20

FULL = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your quota of its disk is full; free some space",
    errno.EFBIG: "larger than files may be here (ulimit -f); raise that limit",
}
"""What a disk says that takes no more, and the mend."""


@contextmanager
def disk_full_named(target: str | os.PathLike[str]) -> Iterator[None]:
    """Turn a full disk, quota or size limit into one line.

    Raises:
        UserError: the disk of ``target`` is full, or the user's quota, or a limit for the size of files is reached.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise UserError(f"{target}: {FULL[error.errno]} and run the same command again, it continues") from error
        raise


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it into place on success, remove it on failure.

    The bytes are on the disk before the name is: a loss of power leaves the old file or the new, never an empty one.

    Raises:
        UserError: the disk is full, or the user's quota.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.part")
    try:
        with disk_full_named(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            _to_disk(partial)
            os.replace(partial, target)
            _to_disk(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot do it, for folders above all; then a file lasts as far as they care.
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(descriptor)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` atomically."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write ``value`` atomically as sorted, indented JSON; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is missing, cannot be read, or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise refused_by_system(path, error, "read") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error}); delete it and run again") from error


def remembered(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON mapping of a file that nothing rests on; empty where it is absent, damaged or no mapping."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def digest_file(path: str | os.PathLike[str], algorithm: str = "sha256") -> str:
    """Hex digest of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def digest_json(value: Any) -> str:
    """Sha256 of a JSON value in canonical form."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
