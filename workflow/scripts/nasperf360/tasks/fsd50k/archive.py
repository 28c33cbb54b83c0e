"""Files of a large archive of small ones, read where they lie; who has it unpacked may give its folder in its place."""

import zipfile
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import Any

from nasperf360.data.names import is_junk
from nasperf360.data.raw import RawFiles
from nasperf360.data.reading import reading
from nasperf360.errors import DataError

KIND = "a zip archive"


class Archive:
    """Context manager over the files of a role, or over those in its only file, a zip.

    Args:
        raw: raw files.
        role: theirs.
    """

    def __init__(self, raw: RawFiles, role: str):
        files = raw.all(role)
        self._zip = len(files) == 1
        self.path = files[0].path
        self._paths = {file.relative: file.path for file in files}
        self._stack = ExitStack()

    def __enter__(self) -> "Archive":
        names = list(self._paths)
        if self._zip:
            with reading(self.path, KIND):
                self._file = self._stack.enter_context(zipfile.ZipFile(self.path))
            names = [member.filename for member in self._file.infolist() if not member.is_dir()]
        self.names = sorted({name for name in names if not is_junk(name)})
        self._by_name: dict[str, list[str]] = {}
        for name in self.names:
            self._by_name.setdefault(PurePosixPath(name).name, []).append(name)
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def place(self, name: str) -> str:
        """Where a file lies, for messages: of an archive its path, and the member."""
        return f"{self.path}: {name}" if self._zip else str(self._paths[name])

    def find(self, name: str, wanted_by: str | None = None) -> str:
        """The file of that name, in whatever folder.

        Raises:
            DataError: there is none, or more than one.
        """
        found = self._by_name.get(name, [])
        if len(found) != 1:
            which = "there is none" if not found else f"there are {len(found)}: {found[0]}, {found[1]}"
            raise DataError(f"{wanted_by or self.path}: {name} is expected, but {which}")
        return found[0]

    def below(self, folder: str, suffix: str) -> list[str]:
        """Files with that ending right below a folder of that name, sorted."""
        return [name for name in self.names if PurePosixPath(name).parent.name == folder and name.endswith(suffix)]

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            DataError: it is damaged.
        """
        with reading(self.path if self._zip else self._paths[name], KIND):
            return self._file.read(name) if self._zip else self._paths[name].read_bytes()
