"""Raw files from their original sites or a mirror, unpacked and listed in ``raw/<task>/files.json``.

Each file's record (:mod:`nasperf360.data.fetched`) says what came and from where, so that a killed or failed download
continues with the files that are still missing, and archives need not be kept after unpacking.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nasperf360.data import archives
from nasperf360.data.archives import is_whole_zip
from nasperf360.data.fetched import Fetched, Key, is_url, mend
from nasperf360.data.lock_file import Lock
from nasperf360.data.names import MANIFEST, UNPACKING, expanded, is_junk, relative_path
from nasperf360.data.raw import write_manifest
from nasperf360.data.sources import Source, SourceFile, split_zips
from nasperf360.data.transfer import link, verify
from nasperf360.data.web import download
from nasperf360.errors import DataError, UserError
from nasperf360.files import FULL, digest_file, disk_full_named
from nasperf360.job import log


def fetch(source: Source, folder: str | Path, mirror: str = "", progress: bool = True, lock: str | Path = "") -> Path:
    """Bring all raw files of a source below ``folder`` and list them.

    Args:
        source: the task's entry of the sources file.
        folder: ``raw/<task>/``.
        mirror: folder or URL with ``<mirror>/<task>/<name>``, in a folder archives may lie unpacked; empty: the urls.
            Files of a folder are linked, not copied, where that can be.
        progress: whether to show progress bars on standard error.
        lock: the lock file, which says what files without a published checksum must be; empty: none.

    Returns:
        The manifest, ``<folder>/files.json``.

    Raises:
        UserError: a file cannot be had; names it and the address.
        DataError: a file is not what the sources file says, or is a damaged archive.
    """
    fetcher = _Fetcher(source, Path(folder), expanded(mirror), progress, Lock.read(lock) if lock else None)
    manifest = fetcher.folder / MANIFEST
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
    write_manifest(manifest, source.task, source.origin, source.licence, list(listed.values()))
    return manifest


@dataclass(frozen=True)
class _Fetcher:
    source: Source
    folder: Path
    mirror: str
    progress: bool
    lock: Lock | None

    @property
    def task(self) -> str:
        return self.source.task

    @property
    def records(self) -> Fetched:
        return Fetched(self.folder)

    @property
    def mirror_is_url(self) -> bool:
        return is_url(self.mirror)

    def obtain(self, parts: list[SourceFile]) -> list[str]:
        """Paths below the folder of what one file (or split zip) consists of; fetched unless it came before."""
        file, key = parts[-1], self._key(parts)
        record = file.stem + ".unpacked" if file.unpack else file.name
        if (known := self.records.intact(record, key)) is not None:
            return known
        address, checked, origins = self._address(file), _checked(parts), dict[str, dict[str, Any]]()
        if tree := self._mirrored_folder(file):
            files, address, checked = self._link_tree(tree, file.folder), str(tree), False
        elif joined := self._joined(parts):
            files, checked = self._unpack([joined], "zip", parts), False
        elif file.unpack:
            paths = [self._locate(part) for part in parts]
            origins = {part.name: self._origin(part, path) for part, path in zip(parts, paths, strict=True)}
            address = origins[file.name]["address"]
            files = self._unpack(paths, file.unpack, parts)
        else:
            address = self._bring(file)
            files, origins = [file.name], {file.name: _origin(self.folder / file.name, address)}
        self.records.write(record, key, files, address, checked, origins)
        for part in parts:
            if part.unpack and part.name not in files:
                (self.folder / part.name).unlink(missing_ok=True)
                self.records.forget(part.name)
        return files

    # -- one file ------------------------------------------------------------------------------------------------

    def _address(self, file: SourceFile) -> str:
        """Where a file comes from: a path in a mirror folder, or a URL."""
        if not self.mirror:
            return file.url
        name = quote(file.name) if self.mirror_is_url else file.name
        return f"{self.mirror.rstrip('/')}/{self.task}/{name}"

    def _bring(self, file: SourceFile) -> str:
        """Link or download a file to its place below the folder; returns which of its addresses served it."""
        target = self.folder / file.name
        if self.mirror and not self.mirror_is_url:
            link(self._in_mirror(file), target, self.progress)
            return self._address(file)
        addresses = (self._address(file),) if self.mirror else file.addresses
        if not addresses:
            raise UserError(
                f"{self.task}: '{file.name}' has no url; {self.source.by_hand or 'get it by hand'} and set 'mirror' to "
                f"a folder that holds {self.task}/{file.name}"
            )
        setting = "'mirror'" if self.mirror else f"the entry of '{file.name}' in the sources file"
        faults: list[UserError] = []
        for address in addresses:
            try:
                with self._as_locked(file) as expected:
                    download(address, target, expected, self.progress, setting=setting)
                return address
            except UserError as error:
                if isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL:
                    raise
                faults.append(error)
                if address != addresses[-1]:
                    log(f"{error}; trying the next address of {file.name}")
        if len(faults) == 1:
            raise faults[0]
        kind = DataError if all(isinstance(fault, DataError) for fault in faults) else UserError
        raise kind(f"none of the {len(faults)} addresses of {file.name} serves it: {'; '.join(map(str, faults))}")

    @contextmanager
    def _as_locked(self, file: SourceFile) -> Iterator[SourceFile]:
        """A file with what the lock file says of it; a difference names that file too."""
        expected = self.lock.expected(self.task, file) if self.lock else file
        try:
            yield expected
        except DataError as error:
            if expected is file or self.lock is None:
                raise
            raise DataError(f"{error}; if its provider changed it, remove its entry from {self.lock.path}") from error

    def _locate(self, part: SourceFile) -> Path:
        """An archive where it can be read: in a mirror folder as it lies, else downloaded."""
        if self.mirror and not self.mirror_is_url:
            return self._in_mirror(part)
        key, path = self._key([part]), self.folder / part.name
        if self.records.intact(part.name, key) is None:
            address = self._bring(part)
            self.records.write(part.name, key, [part.name], address, part.checked, {part.name: _origin(path, address)})
        return path

    def _origin(self, part: SourceFile, path: Path) -> dict[str, Any]:
        """What a part of an archive is, which does not stay; those of a mirror folder are read for it, if need be."""
        known = self.records.origins().get(part.name)
        if known and path.is_relative_to(self.folder):
            return known
        return {"address": str(path)} if part.checked else _origin(path, str(path))

    def _in_mirror(self, file: SourceFile) -> Path:
        path = Path(self._address(file))
        if not path.is_file():
            unpacked = f" (nor a folder {path.parent / Path(file.folder).name})" if file.folder != file.name else ""
            raise UserError(f"{path}: not in the mirror{unpacked}; put it there")
        with self._as_locked(file) as expected:
            verify(path, expected, "replace it by a whole copy of the original")
        return path

    # -- folders and archives ------------------------------------------------------------------------------------

    def _mirrored_folder(self, file: SourceFile) -> Path | None:
        """The folder of a mirror that stands for a file: listed as such, or its archive unpacked."""
        if not self.mirror or self.mirror_is_url or Path(self._address(file)).is_file():
            return None
        folder = Path(self.mirror) / self.task / file.folder
        return folder if folder.is_dir() else None

    def _joined(self, parts: list[SourceFile]) -> Path | None:
        """The split zip of a mirror folder, if somebody joined its parts to one archive under the name of the last."""
        if len(parts) == 1 or not self.mirror or self.mirror_is_url:
            return None
        path = Path(self._address(parts[-1]))
        return path if path.is_file() and is_whole_zip(path) else None

    def _link_tree(self, tree: Path, name: str) -> list[str]:
        """The files of a folder of a mirror, but for what operating systems leave there."""
        files = {path.relative_to(tree).as_posix(): path for path in sorted(tree.rglob("*")) if path.is_file()}
        files = {f"{name}/{relative}": path for relative, path in files.items() if not is_junk(relative)}
        if not files:
            raise DataError(f"{tree}: the folder is empty; put the files of '{name}' there")
        for relative, path in files.items():
            try:
                link(path, self.folder / relative_path(relative), progress=False)
            except ValueError as error:
                raise DataError(f"{path}: its name {error}; rename it") from error
        return list(files)

    def _unpack(self, paths: list[Path], packing: str, parts: list[SourceFile]) -> list[str]:
        """Unpack beside, then move into place: a member there is whole."""
        workplace = self.folder / UNPACKING
        shutil.rmtree(workplace, ignore_errors=True)
        try:
            with disk_full_named(self.folder):
                members = archives.unpack(paths if len(paths) > 1 else paths[0], packing, workplace)
            relatives = [member.relative_to(workplace).as_posix() for member in members]
            for member, relative in zip(members, relatives, strict=True):
                target = self.folder / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(member, target)
        except DataError as error:
            raise DataError(f"{error}; {self._refused(parts)}") from error
        finally:
            shutil.rmtree(workplace, ignore_errors=True)
        return relatives

    def _refused(self, parts: list[SourceFile]) -> str:
        """The mend of a refused archive; its parts are fetched again, but for those whose checksum is right."""
        if _checked(parts):
            return f"unpack it by hand into {self.task}/{parts[-1].stem} below an empty folder and set 'mirror' to that"
        for part in parts:
            if not _checked([part]):
                self.records.forget(part.name)
        return mend(self._address(parts[-1]), checked=False)

    def _key(self, parts: Sequence[SourceFile]) -> Key:
        """What tells one version of a file from another: its checksum, or for want of one its address."""
        return [
            {"name": part.name, "unpack": part.unpack, "identity": part.sha256 or part.md5 or self._address(part)}
            for part in parts
        ]


def _origin(path: Path, address: str) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": digest_file(path), "address": address}


def _checked(parts: Sequence[SourceFile]) -> bool:
    """Whether all parts have a checksum, so that what came is known to be right."""
    return all(part.checked for part in parts)
