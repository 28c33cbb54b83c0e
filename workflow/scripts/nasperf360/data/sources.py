"""The source of a task: which raw files it has, where they come from, and how to know that they are whole."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from nasperf360.data.names import is_junk, relative_path
from nasperf360.data.raw import ORIGINAL
from nasperf360.errors import UserError
from nasperf360.tasks.shared.readers import BENCHMARK

ORIGINS = (ORIGINAL, BENCHMARK)
PACKINGS = ("zip", "tar", "tar.gz", "splitzip")
_PART = re.compile(r"\.(z\d\d+|zip)$")
_HEX_DIGITS = {"md5": 32, "sha256": 64}
_KEYS = {
    "name": str,
    "role": str,
    "url": str,
    "mirrors": list,
    "bytes": int,
    "md5": str,
    "sha256": str,
    "unpack": str,
    "options": dict,
}


@dataclass(frozen=True)
class SourceFile:
    """One file of a source, as the sources file lists it."""

    name: str  # path below ``<mirror>/<task>/`` and below ``raw/<task>/``
    role: str
    url: str = ""
    mirrors: tuple[str, ...] = ()  # further addresses of the same bytes, tried in this order after ``url``
    bytes: int | None = None
    md5: str = ""
    sha256: str = ""
    unpack: str = ""  # one of PACKINGS; a split zip has one entry per part, .z01 ... .zip
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """Name of the folder that stands for the unpacked archive, and of all parts of one split zip."""
        return re.sub(r"(\.tar)?\.[A-Za-z0-9]+$", "", self.name) if self.unpack else self.name

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it lies on the web, in the order in which it is asked for."""
        return (self.url, *self.mirrors) if self.url else self.mirrors

    @property
    def checked(self) -> bool:
        """Whether a checksum is published."""
        return bool(self.sha256 or self.md5)

    @property
    def folder(self) -> str:
        """Name of the folder that may stand for it in a mirror: its archive unpacked."""
        return self.stem if self.unpack else re.sub(r"(\.tar)?\.(gz|tgz|tar|zip)$", "", self.name)


@dataclass(frozen=True)
class Source:
    """Where the raw files of one task come from."""

    task: str
    licence: str
    homepage: str
    by_hand: str  # how to get what no address serves
    files: tuple[SourceFile, ...]
    origin: str = ORIGINAL  # one of ORIGINS: whose files they are

    @classmethod
    def parse(cls, task: str, entry: Any, where: str | Path = "sources") -> "Source":
        """Check a task's entry of the sources file.

        Raises:
            UserError: one line that names the key and the fault.
        """
        place = f"{where}: {task}"
        kinds = {"licence": str, "homepage": str, "by_hand": str, "files": list, "origin": str}
        _check_keys(entry, kinds, ("licence", "files"), place)
        origin = entry.get("origin", ORIGINAL)
        if origin not in ORIGINS:
            raise UserError(f"{place}: origin '{origin}' was given, allowed are {', '.join(ORIGINS)}")
        if not entry["licence"].strip():
            raise UserError(f"{place}: licence is empty; say under which terms the data may be used")
        files = tuple(_parse_file(item, f"{place}: files[{i}]") for i, item in enumerate(entry["files"]))
        names = [file.name for file in files]
        for name in names:
            if names.count(name) > 1:
                raise UserError(f"{place}: '{name}' is listed twice; give each file one entry")
        for stem, parts in split_zips(files).items():
            if not parts[-1].name.endswith(".zip"):
                raise UserError(f"{place}: split zip '{stem}' lacks its last part '{stem}.zip'; list it too")
        return cls(task, entry["licence"], entry.get("homepage", ""), entry.get("by_hand", ""), files, origin)


def split_zips(files: tuple[SourceFile, ...]) -> dict[str, list[SourceFile]]:
    """The parts of each split zip, by stem, in disk order: z01, z02, ..., zip."""
    groups: dict[str, list[SourceFile]] = {}
    for file in files:
        if file.unpack == "splitzip":
            groups.setdefault(file.stem, []).append(file)
    for parts in groups.values():
        parts.sort(key=lambda part: (part.name.endswith(".zip"), len(part.name), part.name))
    return groups


def _parse_file(item: Any, place: str) -> SourceFile:
    _check_keys(item, _KEYS, ("name", "role"), place)
    try:
        name = PurePosixPath(relative_path(item["name"]))
    except ValueError as error:
        raise UserError(f"{place}: name '{item['name']}' {error}; give one such as data/train.mat") from error
    if is_junk(item["name"]) or any(part.startswith(".") for part in name.parts) or name.suffix == ".part":
        raise UserError(f"{place}: name '{item['name']}' is reserved for partial files and records; rename the file")
    if item.get("unpack") and item["unpack"] not in PACKINGS:
        raise UserError(f"{place}: unpack '{item['unpack']}' was given, allowed are {', '.join(PACKINGS)}")
    if item.get("unpack") == "splitzip" and not _PART.search(item["name"]):
        raise UserError(f"{place}: part '{item['name']}' of a split zip must end in .z01, .z02, ... or .zip")
    given = [("url", item["url"])] if item.get("url") else []
    for key, address in [*given, *(("mirrors", mirror) for mirror in item.get("mirrors", ()))]:
        if not isinstance(address, str) or not address.startswith(("http://", "https://")):
            raise UserError(f"{place}: {key} '{address}' was given, http:// or https:// is expected")
    if item.get("bytes", 0) < 0:
        raise UserError(f"{place}: bytes {item['bytes']} was given, a size of 0 or more is expected")
    for algorithm, digits in _HEX_DIGITS.items():
        if item.get(algorithm) and not re.fullmatch(f"[0-9a-f]{{{digits}}}", item[algorithm]):
            raise UserError(f"{place}: {algorithm} '{item[algorithm]}' is not {digits} lower-case hexadecimal digits")
    return SourceFile(**{**item, "mirrors": tuple(item.get("mirrors", ()))})


def _check_keys(entry: Any, kinds: Mapping[str, type], required: tuple[str, ...], place: str) -> None:
    if not isinstance(entry, Mapping):
        raise UserError(f"{place}: {entry!r} was given, a mapping with {', '.join(kinds)} is expected")
    for key, value in entry.items():
        if key not in kinds:
            raise UserError(f"{place}: unknown key '{key}'; allowed are {', '.join(kinds)}")
        if not isinstance(value, kinds[key]) or isinstance(value, bool):
            raise UserError(f"{place}: {key}: {value!r} was given, {kinds[key].__name__} is expected")
    for key in required:
        if key not in entry:
            raise UserError(f"{place}: key '{key}' is missing")
