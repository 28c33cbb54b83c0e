"""Records of what was fetched, one per file or archive: ``raw/<task>/.fetched/<name>.json``.

They let a killed or failed download continue with the files that are still missing, and say what to fetch again when a
reader refuses one of the files.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasperf360.data.names import RECORDS, relative_path
from nasperf360.data.raw import RawFiles
from nasperf360.errors import DataError
from nasperf360.files import digest_file, remembered, write_json

_REFUSED = ".refused.json"
Key = list[dict[str, str]]
"""What tells one version of a file, or of the parts of an archive, from another."""

Origins = dict[str, dict[str, Any]]
"""Size (``bytes``), ``sha256`` and ``address`` of files as they came, by name."""


@dataclass(frozen=True)
class Fetched:
    """The records of one task.

    Args:
        folder: ``raw/<task>/``.
    """

    folder: Path

    def path(self, name: str) -> Path:
        """Where the record of a file or archive lies."""
        return self.folder / RECORDS / f"{name.replace('/', '__')}.json"

    def write(self, name: str, key: Key, files: list[str], address: str, checked: bool, origins: Origins) -> None:
        """Record the files (paths below the folder) that something consists of.

        Args:
            name: of the record.
            key: what tells this version from another.
            files: what came.
            address: where it came from, a URL or a path.
            checked: whether its checksum is known and was compared.
            origins: what came before anything was unpacked, by name in the sources file.
        """
        entries = [{"path": path, "sha256": digest_file(self.folder / path)} for path in files]
        record = {"key": key, "files": entries, "address": address, "checked": checked, "origins": origins}
        write_json(self.path(name), record)

    def origins(self) -> Origins:
        """What came, by names in the sources file."""
        records = [remembered(path) for path in sorted(self.path("*").parent.glob("*.json"))]
        return {name: origin for record in records for name, origin in record.get("origins", {}).items()}

    def intact(self, name: str, key: Key) -> list[str] | None:
        """The files of a record of the same key, if all are there unchanged and none was refused."""
        record = remembered(self.path(name))
        if record.get("key") != key or record.get("refused"):
            return None
        digests = _digests(record)
        for relative, sha256 in digests.items():
            path = self.folder / relative
            if not path.is_file() or digest_file(path) != sha256:
                return None
        return list(digests) or None

    def forget(self, name: str) -> None:
        """Let something be fetched again."""
        self.path(name).unlink(missing_ok=True)

    @property
    def refused(self) -> int:
        """How often files were refused that shall be fetched again: a param of the download, so that it is planned."""
        return int(remembered(self.folder / _REFUSED).get("count", 0))

    def refuse(self, files: set[str]) -> str:
        """Let refused files (paths below the folder) be fetched again, unless their checksum says that they are right.

        Returns:
            How to mend it.
        """
        records = {path: remembered(path) for path in sorted(self.path("*").parent.glob("*.json"))}
        theirs = {path: record for path, record in records.items() if not files.isdisjoint(_digests(record))}
        again = {path: record for path, record in theirs.items() if not record.get("checked")}
        for path, record in again.items():
            write_json(path, {**record, "refused": True})
        if again or not theirs:
            write_json(self.folder / _REFUSED, {"count": self.refused + 1})
        mends = [mend(record.get("address", ""), record.get("checked", False)) for record in theirs.values()]
        return "; ".join(dict.fromkeys(mends or [mend("", checked=False)]))


def _digests(record: dict[str, Any]) -> dict[str, str]:
    """The files of a record, with their digests; none if it is damaged, since nothing rests on it."""
    try:
        return {relative_path(entry["path"]): str(entry["sha256"]) for entry in record["files"]}
    except (TypeError, KeyError, ValueError):
        return {}


def mend(address: str, checked: bool) -> str:
    """What to do about something that came from ``address`` and that its reader refuses."""
    if checked:
        return "its checksum is that of the sources file, so correct its entry there"
    if address and not is_url(address):
        return f"replace {address} by a good copy and run the same command"
    return f"run the same command to fetch it again{' from ' if address else ''}{address}"


def is_url(address: str) -> bool:
    """Whether it is a web address, not a path."""
    return address.startswith(("http://", "https://"))


@contextmanager
def refusals(raw: RawFiles) -> Iterator[None]:
    """Add the mend to a reader's refusal of a raw file, and let the next run fetch that file again.

    Without this a login page taken for a file would stay, since its record says that it came. Now the record counts no
    more, and a number rises that is a param of the download; the other files are kept by their records. ``files.json``
    stays: Snakemake gives up altogether when the input of another job disappears under way.

    Raises:
        DataError: the reader's, with the mend where it names a raw file.
    """
    try:
        yield
    except DataError as error:
        refused = {file.relative for file in raw.files if _names(str(error), str(file.path))}
        if not refused:
            raise
        if raw.simulated:
            raise DataError(f"{error}; it is simulated, so change 'simulate.{raw.task}'") from error
        raise DataError(f"{error}; {Fetched(raw.manifest.parent).refuse(refused)}") from error


def _names(message: str, path: str) -> bool:
    """Whether a path stands in a message, and not as part of another."""
    return path in message and re.search(rf"(?<!\S){re.escape(path)}(?=[\s:;,)]|$)", message) is not None
