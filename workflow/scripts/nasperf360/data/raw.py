"""Raw files of one task, as listed by ``raw/<task>/files.json``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from nasperf360.data.names import is_junk, relative_path
from nasperf360.errors import DataError, again
from nasperf360.files import digest_file, remembered, write_json

SIMULATED, ORIGINAL = "simulated", "original"
_TEXTS = ("task", "origin", "licence")
_ENTRY = {"path": str, "role": str, "bytes": int, "sha256": str, "options": dict}


@dataclass(frozen=True)
class RawFile:
    """One raw file: its place, its role in the task, and what the sources file says of it."""

    path: Path  # where it lies now
    relative: str  # its path below ``raw/<task>/``, with forward slashes
    role: str
    bytes: int
    sha256: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RawFiles:
    """The raw files of one task, in sorted order, and where they came from."""

    task: str
    origin: str  # "simulated", "original" or "benchmark"
    licence: str
    files: tuple[RawFile, ...]
    manifest: Path
    anew: str = ""  # how to have them anew, and what is made of them

    @classmethod
    def open(cls, manifest: str | Path, data: str | Path | None = None) -> "RawFiles":
        """Read ``files.json`` and check that each file is there with the size that it had when it came.

        Args:
            manifest: ``raw/<task>/files.json``.
            data: the manifest of what is made of them; ``data/<task>.json`` of the same run where it is not given.

        Raises:
            DataError: a file is missing or has another size, or ``files.json`` is none or names a file elsewhere.
        """
        manifest = Path(manifest)
        # A refusal leaves no data set, and Snakemake does not miss one whose results exist: --force.
        data = data or manifest.parent.parent.parent / "data" / f"{manifest.parent.name}.json"
        anew = f"delete {manifest} and {again(data, 'the data set')}"
        content = remembered(manifest)
        entries = content.get("files")
        if not isinstance(entries, list) or not all(isinstance(content.get(key), str) for key in _TEXTS):
            raise DataError(f"{manifest}: no list of raw files, or a damaged one; {anew}")
        files = []
        for entry in entries:
            if not isinstance(entry, dict) or any(not isinstance(entry.get(key), kind) for key, kind in _ENTRY.items()):
                raise DataError(f"{manifest}: an entry is damaged: {str(entry)[:100]}; {anew}")
            try:
                path = manifest.parent / relative_path(entry["path"])
            except ValueError as error:
                raise DataError(f"{manifest}: '{entry['path']}' {error}; {anew}") from error
            if not path.is_file():
                raise DataError(f"{path}: missing, but {manifest} lists it; {anew}")
            if path.stat().st_size != entry["bytes"]:
                raise DataError(f"{path}: {path.stat().st_size} bytes, but {manifest} lists {entry['bytes']}; {anew}")
            files.append(RawFile(path, *(entry[key] for key in _ENTRY)))
        return cls(content["task"], content["origin"], content["licence"], tuple(files), manifest, anew)

    @property
    def simulated(self) -> bool:
        """Whether the files were made by a simulator."""
        return self.origin == SIMULATED

    def all(self, role: str, name: str = "*") -> list[RawFile]:
        """The files of a role, sorted by path, of that name; ``*.csv`` are those whose name ends so.

        Raises:
            DataError: there is none.
        """
        of_role = [file for file in self.files if file.role == role and not is_junk(file.relative)]
        if not of_role:
            roles = ", ".join(sorted({file.role for file in self.files})) or "none"
            raise DataError(
                f"{self.manifest}: no file of role '{role}' for {self.task}, only of {roles}; "
                f"correct the task's entry in the sources file"
            )
        found = [file for file in of_role if fnmatchcase(file.path.name, name)]
        if not found:
            raise DataError(f"{of_role[0].path}: neither this nor another file of role '{role}' is a {name}")
        return found

    def one(self, role: str, name: str = "*") -> RawFile:
        """The single file of a role, of that name; see :meth:`all`.

        Raises:
            DataError: there is none, or more than one.
        """
        found = self.all(role, name)
        if len(found) > 1:
            names = ", ".join(file.path.name for file in found[:3])
            raise DataError(
                f"{self.manifest}: {len(found)} files of role '{role}', expected one: {names} ...; "
                f"correct the task's entry in the sources file"
            )
        return found[0]

    def verify(self) -> None:
        """Compare every file's bytes with its digest.

        Raises:
            DataError: a file changed after it came.
        """
        for file in self.files:
            if digest_file(file.path) != file.sha256:
                raise DataError(f"{file.path}: its content changed since it came; {self.anew}")


def write_manifest(
    manifest: str | Path, task: str, origin: str, licence: str, files: list[tuple[Path, str, dict[str, Any]]]
) -> None:
    """Write ``files.json`` for (path, role, options) triples; paths become relative to its folder."""
    folder = Path(manifest).parent
    entries: list[dict[str, Any]] = [
        {
            "path": path.relative_to(folder).as_posix(),
            "role": role,
            "bytes": path.stat().st_size,
            "sha256": digest_file(path),
            "options": options,
        }
        for path, role, options in files
    ]
    entries.sort(key=lambda entry: str(entry["path"]))
    write_json(manifest, {"task": task, "origin": origin, "licence": licence, "files": entries})
