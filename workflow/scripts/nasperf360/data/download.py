"""Raw files from their original sites or a mirror, unpacked and listed in ``raw/<task>/files.json``.

A small record per file (``.fetched/<name>.json``) says what came and from where, so that a killed or failed download
continues with the files that are still missing, and archives need not be kept after unpacking.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nasperf360.data import archives
from nasperf360.data.raw import write_manifest
from nasperf360.data.sources import Source, SourceFile, split_zips
from nasperf360.data.transfer import copy, download, verify
from nasperf360.errors import DataError, UserError
from nasperf360.files import digest_file, disk_full_named, read_json, write_json

ORIGINAL = "original"


def fetch(source: Source, folder: str | Path, mirror: str = "", progress: bool = True) -> Path:
    """Bring all raw files of a source below ``folder`` and list them.

    Args:
        source: the task's entry of the sources file.
        folder: ``raw/<task>/``.
        mirror: folder or URL with ``<mirror>/<task>/<name>``, in a folder archives may lie unpacked; empty: the urls.
        progress: whether to show progress bars on standard error.

    Returns:
        The manifest, ``<folder>/files.json``.

    Raises:
        UserError: a file cannot be had; names it and the address.
        DataError: a file is not what the sources file says, or is a damaged archive.
    """
    fetcher = _Fetcher(source.task, Path(folder), mirror, progress)
    manifest = fetcher.folder / "files.json"
    listed: dict[str, tuple[Path, str, dict[str, Any]]] = {}
    zips = split_zips(source.files)
    for file in source.files:
        parts = zips[file.stem] if file.unpack == "splitzip" else [file]
        if file != parts[-1]:
            continue  # the last part of a split zip stands for all
        for relative in fetcher.obtain(parts):
            if relative in listed or relative == manifest.name:
                raise DataError(
                    f"{fetcher.folder / relative}: comes from '{file.name}' and from another file; drop one"
                )
            listed[relative] = (fetcher.folder / relative, file.role, dict(file.options))
    write_manifest(manifest, source.task, ORIGINAL, source.licence, list(listed.values()))
    return manifest


@dataclass(frozen=True)
class _Fetcher:
    task: str
    folder: Path
    mirror: str
    progress: bool

    @property
    def mirror_is_url(self) -> bool:
        return self.mirror.startswith(("http://", "https://"))

    def obtain(self, parts: list[SourceFile]) -> list[str]:
        """Paths below the folder of what one file (or split zip) consists of; fetched unless it came before."""
        file = parts[-1]
        record = self._record(file.stem + ".unpacked" if file.unpack else file.name)
        key = [self._key(part) for part in parts]
        if (known := self._recorded(record, key)) is not None:
            return known
        if tree := self._mirrored_folder(file):
            files = self._copy_tree(tree, file.stem)
        elif file.unpack:
            files = self._unpack([self._locate(part) for part in parts], file)
        else:
            files = [self._bring(file)]
        self._write_record(record, key, files)
        for part in parts:
            if part.unpack and part.name not in files:
                (self.folder / part.name).unlink(missing_ok=True)
                self._record(part.name).unlink(missing_ok=True)
        return files

    # -- one file ------------------------------------------------------------------------------------------------

    def _address(self, file: SourceFile) -> str:
        """Where a file comes from: a path in a mirror folder, or a URL."""
        if not self.mirror:
            return file.url
        name = quote(file.name) if self.mirror_is_url else file.name
        return f"{self.mirror.rstrip('/')}/{self.task}/{name}"

    def _bring(self, file: SourceFile) -> str:
        """Copy or download a file to its place below the folder."""
        target, address = self.folder / file.name, self._address(file)
        if not address:
            raise UserError(
                f"{self.task}: '{file.name}' has no url; get it by hand and set 'mirror' to a folder that holds "
                f"{self.task}/{file.name}"
            )
        if self.mirror and not self.mirror_is_url:
            copy(self._in_mirror(file), target, self.progress)
        else:
            download(address, target, file, self.progress)
        return file.name

    def _locate(self, part: SourceFile) -> Path:
        """An archive where it can be read: in a mirror folder as it lies, else downloaded."""
        if self.mirror and not self.mirror_is_url:
            return self._in_mirror(part)
        record, key = self._record(part.name), [self._key(part)]
        if self._recorded(record, key) is None:
            self._bring(part)
            self._write_record(record, key, [part.name])
        return self.folder / part.name

    def _in_mirror(self, file: SourceFile) -> Path:
        path = Path(self._address(file))
        if not path.is_file():
            unpacked = f" (nor a folder {path.parent / Path(file.stem).name})" if file.unpack else ""
            raise UserError(
                f"{path}: not in the mirror{unpacked}; put it there, or leave 'mirror' empty to download it"
            )
        verify(path, file, "replace it by a whole copy of the original")
        return path

    # -- folders and archives ------------------------------------------------------------------------------------

    def _mirrored_folder(self, file: SourceFile) -> Path | None:
        """The folder of a mirror that stands for a file: listed as such, or its archive unpacked."""
        if not self.mirror or self.mirror_is_url or Path(self._address(file)).is_file():
            return None
        folder = Path(self.mirror) / self.task / file.stem
        return folder if folder.is_dir() else None

    def _copy_tree(self, tree: Path, name: str) -> list[str]:
        paths = sorted(path for path in tree.rglob("*") if path.is_file())
        if not paths:
            raise DataError(f"{tree}: the folder is empty; put the files of '{name}' there")
        relatives = [f"{name}/{path.relative_to(tree).as_posix()}" for path in paths]
        for path, relative in zip(paths, relatives, strict=True):
            copy(path, self.folder / relative, progress=False)
        return relatives

    def _unpack(self, paths: list[Path], file: SourceFile) -> list[str]:
        """Unpack beside, then move into place: a member there is whole."""
        workplace = self.folder / ".unpacking"
        shutil.rmtree(workplace, ignore_errors=True)
        try:
            with disk_full_named(self.folder):
                members = archives.unpack(paths if len(paths) > 1 else paths[0], file.unpack, workplace)
            relatives = [member.relative_to(workplace).as_posix() for member in members]
            for member, relative in zip(members, relatives, strict=True):
                target = self.folder / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(member, target)
        finally:
            shutil.rmtree(workplace, ignore_errors=True)
        return relatives

    # -- records -------------------------------------------------------------------------------------------------

    def _record(self, name: str) -> Path:
        return self.folder / ".fetched" / f"{name.replace('/', '__')}.json"

    def _key(self, file: SourceFile) -> dict[str, str]:
        """What tells one version of a file from another: its checksum, or for want of one its address."""
        identity = file.sha256 or file.md5 or self._address(file)
        return {"name": file.name, "unpack": file.unpack, "identity": identity}

    def _write_record(self, record: Path, key: list[dict[str, str]], files: list[str]) -> None:
        entries = [{"path": path, "sha256": digest_file(self.folder / path)} for path in files]
        write_json(record, {"key": key, "files": entries})

    def _recorded(self, record: Path, key: list[dict[str, str]]) -> list[str] | None:
        """The files of a record of the same key, if all are there unchanged."""
        content = read_json(record) if record.is_file() else {}
        if content.get("key") != key:
            return None
        for entry in content["files"]:
            path = self.folder / entry["path"]
            if not path.is_file() or digest_file(path) != entry["sha256"]:
                return None
        return [entry["path"] for entry in content["files"]]
