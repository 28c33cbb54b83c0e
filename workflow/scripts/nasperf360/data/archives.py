"""Unpacks the archives of the sources: zip, tar, tar.gz and split zips, safely, and whole or not at all."""

import io
import shutil
import stat
import struct
import tarfile
import zipfile
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import IO

from nasperf360.data.names import is_junk, relative_path
from nasperf360.data.reading import in_words, is_of_machine
from nasperf360.errors import DataError, UserError
from nasperf360.files import BLOCK

_LOCATOR = struct.Struct("<4sLQL")  # signature, disk of the Zip64 end record, its offset, number of disks
_ZIP64_END_SIZE = 56
_TAIL = (1 << 16) + 22 + _LOCATOR.size  # the longest end of an archive: comment, end record, locator
_END = struct.Struct("<4s4H2LH")  # signature, number of this disk, ..., length of the comment
_TWO_KINDS = (FileExistsError, IsADirectoryError, NotADirectoryError)


def unpack(archive: Path | Sequence[Path], packing: str, folder: Path) -> list[Path]:
    """Unpack all regular files of an archive below ``folder``, which must be empty or absent.

    Args:
        archive: the file; of a split zip its parts in disk order, the ``.zip`` last.
        packing: ``zip``, ``tar``, ``tar.gz`` or ``splitzip``.

    Returns:
        The files, sorted.

    Raises:
        DataError: truncated or damaged, encrypted, or with a member that leads out of ``folder``; the mend depends on
            where the archive came from, and is the caller's to add.
    """
    parts = [archive] if isinstance(archive, Path) else list(archive)
    try:
        files = _unpack_zip(parts, folder) if "zip" in packing else _unpack_tar(parts[0], packing, folder)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # a damaged archive can raise anything
        if is_of_machine(error):
            raise
        raise DataError(f"{parts[-1]}: truncated or damaged {packing} archive ({in_words(error)})") from error
    if not files:
        raise DataError(f"{parts[-1]}: the {packing} archive holds no files")
    return sorted(files)


class _Members:
    """Writes the members of an archive below a folder."""

    def __init__(self, archive: Path, folder: Path):
        self.archive, self.folder = archive, folder
        self.files: dict[Path, None] = {}

    def refused(self, member: str, reason: str) -> DataError:
        """What is wrong with a member."""
        shown = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in member[:200])
        return DataError(f"{self.archive}: member '{shown}' {reason}, which is refused")

    def write(self, member: str, source: IO[bytes]) -> None:
        """Write one, unless it is what operating systems leave in archives.

        Raises:
            DataError: its name leads out of the folder, is reserved, or is that of another member with other content.
        """
        name = str(PurePosixPath(member.replace("\\", "/")))
        if is_junk(name):
            return
        try:
            target = self.folder / relative_path(name)
        except ValueError as error:
            raise self.refused(member, str(error)) from error
        try:
            if target in self.files:
                if not _equal(source, target):
                    raise self.refused(member, "is there twice with different content")
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "wb") as sink:
                shutil.copyfileobj(source, sink, BLOCK)
        except _TWO_KINDS as error:
            raise self.refused(member, "is a file and a folder at once") from error
        self.files[target] = None


def _equal(source: IO[bytes], path: Path) -> bool:
    """Whether a stream has the bytes of a file."""
    with open(path, "rb") as other:
        while block := source.read(BLOCK):
            if block != other.read(len(block)):
                return False
        return not other.read(1)


def is_whole_zip(path: Path) -> bool:
    """Whether a zip is no part of a split one, as its end record says: of an archive that somebody joined, say."""
    with open(path, "rb") as stream:
        stream.seek(max(0, stream.seek(0, io.SEEK_END) - _TAIL))
        tail = stream.read()
    place = tail.rfind(b"PK\x05\x06")
    return 0 <= place <= len(tail) - _END.size and _END.unpack_from(tail, place)[1] == 0


def _unpack_tar(archive: Path, packing: str, folder: Path) -> list[Path]:
    members = _Members(archive, folder)
    with tarfile.open(archive, "r:gz" if packing == "tar.gz" else "r:") as tar:
        for member in tar:
            if member.isdir():
                continue
            content = tar.extractfile(member) if member.isfile() else None
            if content is None:
                raise members.refused(member.name, "is a link or device")
            if member.issparse():  # a few bytes may stand for any number of them
                raise members.refused(member.name, "is stored as a sparse file")
            members.write(member.name, content)
        # tarfile takes an archive cut between two members for a whole one: only the closing zero block tells.
        stream = tar.fileobj
        assert stream is not None
        stream.seek(tar.offset)
        if stream.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
            raise tarfile.ReadError("no end-of-archive block")
        while stream.read(BLOCK):  # to the end, where gzip compares its checksum
            pass
    return list(members.files)


def _unpack_zip(parts: list[Path], folder: Path) -> list[Path]:
    members = _Members(parts[-1], folder)
    with ExitStack() as stack:
        stream = stack.enter_context(JoinedFiles(parts))
        if len(parts) > 1:
            _join_zip64_locator(stream)
        archive = stack.enter_context(zipfile.ZipFile(io.BufferedReader(stream, BLOCK)))
        if len(parts) > 1:
            _join_offsets(archive, stream)
        for member in archive.infolist():
            if member.is_dir():
                continue
            if stat.S_ISLNK(member.external_attr >> 16):
                raise members.refused(member.filename, "is a link")
            with archive.open(member) as content:
                members.write(member.filename, content)
    return list(members.files)


def _join_offsets(archive: zipfile.ZipFile, stream: "JoinedFiles") -> None:
    """Turn (part, offset in that part) of every member into an offset in the joined parts.

    zipfile takes what precedes the central directory's recorded place for foreign data put in front of the archive, and
    adds that length to every offset; in a split zip the place counts from the start of the directory's own part.
    """
    members = archive.infolist()
    directory = max(bisect_right(stream.starts, archive.start_dir) - 1, 0)
    for member in members:
        if member.volume >= len(stream.starts):
            raise zipfile.BadZipFile(f"part {member.volume + 1} is missing")
        member.header_offset += stream.starts[member.volume] - stream.starts[directory]
        if hasattr(member, "_end_offset"):  # newer Pythons' overlap check, computed from the offsets before
            member._end_offset = None


def _join_zip64_locator(stream: "JoinedFiles") -> None:
    """Make the Zip64 locator, where there is one, say what is true of the joined parts: one disk (zipfile insists)."""
    tail_start = max(0, stream.seek(0, io.SEEK_END) - _TAIL)
    stream.seek(tail_start)
    tail = b"".join(iter(lambda: stream.read(_TAIL) or b"", b""))  # a read ends where a part does
    end = tail.rfind(b"PK\x05\x06")
    locator = end - _LOCATOR.size
    if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":
        position = tail_start + locator
        stream.patch = (position, _LOCATOR.pack(b"PK\x06\x07", 0, position - _ZIP64_END_SIZE, 1))


class JoinedFiles(io.RawIOBase):
    """Files read one after the other as if they were one, with some bytes replaced by :attr:`patch`."""

    patch: tuple[int, bytes] = (0, b"")  # position, bytes

    def __init__(self, paths: Sequence[Path]):
        self._files = [open(path, "rb") for path in paths]  # noqa: SIM115 - closed by close()
        ends = list(accumulate(path.stat().st_size for path in paths))
        self.starts = [0, *ends[:-1]]
        self._size, self._position = ends[-1], 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("seek before the start")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._position >= self._size:
            return 0
        part = bisect_right(self.starts, self._position) - 1
        file = self._files[part]
        file.seek(self._position - self.starts[part])
        count = file.readinto(buffer)
        place, replacement = self.patch
        low, high = max(place, self._position), min(place + len(replacement), self._position + count)
        if low < high:
            buffer[low - self._position : high - self._position] = replacement[low - place : high - place]
        self._position += count
        return count

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()
