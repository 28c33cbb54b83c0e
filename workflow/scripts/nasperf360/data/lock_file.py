"""The lock file beside a sources file: what came where no checksum is published, so that another is noticed later."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from nasperf360.data.fetched import Fetched
from nasperf360.data.sources import Source, SourceFile
from nasperf360.errors import UserError
from nasperf360.files import write_text

HEADING = """# What came of files without a published checksum, written by: python workflow/scripts/sources.py --lock
# Commit it. A file with another digest is refused; remove its entry here if its provider changed it.

"""


def lock_path(sources: str | Path) -> Path:
    """``config/sources.lock.yaml`` of ``config/sources.yaml``."""
    return Path(sources).with_suffix(".lock.yaml")


@dataclass(frozen=True)
class Lock:
    """Entries of a lock file, by task and name of a file: ``bytes``, ``sha256`` and the ``address`` that served it."""

    path: Path
    entries: Mapping[str, Mapping[str, Mapping[str, Any]]]

    @classmethod
    def read(cls, path: str | Path) -> "Lock":
        """What a lock file says; nothing where there is none.

        Raises:
            UserError: it is damaged.
        """
        path = Path(path)
        if not path.is_file():
            return cls(path, {})
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            entries = {str(task): _entries(files) for task, files in content.items()}
        except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"{path}: no lock file of sources; restore it or delete it") from error
        return cls(path, entries)

    def expected(self, task: str, file: SourceFile) -> SourceFile:
        """A file of a source with the size and digest that it is known to have."""
        known = self.entries.get(task, {}).get(file.name)
        if file.checked or known is None:
            return file
        return replace(file, bytes=known["bytes"], sha256=known["sha256"])

    def with_fetched(self, source: Source, raw: Path) -> "Lock":
        """With what came of a source's files without a checksum, below ``raw/<task>/``.

        Raises:
            UserError: a file came that differs from its entry.
        """
        entries = dict(self.entries.get(source.task, {}))
        origins = Fetched(raw).origins()
        for file in source.files:
            came, known = origins.get(file.name, {}), entries.get(file.name)
            if file.checked or "sha256" not in came:
                continue
            if known and known["sha256"] != came["sha256"]:
                raise UserError(
                    f"{self.path}: {source.task}: '{file.name}' is locked with sha256 {known['sha256']}, but "
                    f"{came['sha256']} came from {came['address']}; remove its entry if the provider changed the file"
                )
            entries.setdefault(file.name, came)
        return Lock(self.path, {**self.entries, source.task: entries} if entries else self.entries)

    def write(self) -> None:
        """Write it, the same bytes for the same entries."""
        content = {task: {name: dict(entry) for name, entry in files.items()} for task, files in self.entries.items()}
        write_text(self.path, HEADING + yaml.safe_dump(content, sort_keys=True))


def _entries(files: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        str(name): {"bytes": int(entry["bytes"]), "sha256": str(entry["sha256"]), "address": str(entry["address"])}
        for name, entry in files.items()
    }
