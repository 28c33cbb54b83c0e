"""What downloads and copies share: progress, and the comparison with a known size and checksum."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from nasperf360.data.sources import SourceFile
from nasperf360.errors import DataError
from nasperf360.files import BLOCK, atomic_path, digest_file


def bar(name: str, total: int | None, start: int, progress: bool) -> Any:
    """A tqdm bar in bytes on standard error; in a log it writes a line now and then, not ten a second."""
    interval = 0.5 if sys.stderr.isatty() else 15
    return tqdm(
        desc=name, total=total, initial=start, unit="B", unit_scale=True, mininterval=interval, disable=not progress
    )


def verify(path: Path, expected: SourceFile, mend: str) -> None:
    """Compare a file with the size and checksum that the sources file gives, where it gives one.

    Raises:
        DataError: they differ; ``mend`` is the sentence's end.
    """
    size = path.stat().st_size
    if expected.bytes is not None and size != expected.bytes:
        raise DataError(f"{path}: {size} bytes, but {expected.bytes} are expected; {mend}")
    for algorithm, wanted in (("sha256", expected.sha256), ("md5", expected.md5)):
        if wanted and (found := digest_file(path, algorithm)) != wanted:
            raise DataError(f"{path}: wrong checksum: {algorithm} {found}, but {wanted} is expected; {mend}")


def link(source: Path, target: Path, progress: bool) -> None:
    """Have a file in another place without its bytes twice, where the file systems can; else copy it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    source = source.resolve()
    for way in (os.link, os.symlink):
        partial.unlink(missing_ok=True)
        try:
            way(source, partial)
        except OSError:  # another file system, or one without links, or a file of somebody else
            continue
        os.replace(partial, target)
        partial.unlink(missing_ok=True)  # two names of one file are not replaced by each other
        return
    copy(source, target, progress)


def copy(source: Path, target: Path, progress: bool) -> None:
    """Copy a file; the target is complete or absent."""
    with atomic_path(target) as partial, open(source, "rb") as reader, open(partial, "wb") as writer:
        pour(iter(lambda: reader.read(BLOCK), b""), writer, bar(source.name, source.stat().st_size, 0, progress))


def pour(blocks: Iterator[bytes], writer: IO[bytes], progress_bar: Any) -> None:
    """Write blocks as they come, and show it."""
    with progress_bar:
        for block in blocks:
            writer.write(block)
            progress_bar.update(len(block))
