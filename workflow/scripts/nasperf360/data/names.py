"""Names of files in lists that others wrote: sources files, archives, records, mirrors. Inside the folder, and no
names of ours."""

import os
import re
from pathlib import PurePosixPath
from typing import Any

RECORDS = ".fetched"
UNPACKING = ".unpacking"
MANIFEST = "files.json"
RESERVED = frozenset({RECORDS, UNPACKING, ".refused.json", MANIFEST, "failure.json"})
"""What ``raw/<task>/`` holds beside raw files."""

LONGEST = 255  # bytes of one name on the usual file systems
_JUNK = frozenset({"__macosx", ".ds_store", "thumbs.db", "desktop.ini"})


def is_junk(name: str) -> bool:
    """Whether a file is what operating systems leave beside files: ``._a``, ``.DS_Store``, ``Thumbs.db``."""
    parts = PurePosixPath(name).parts
    return any(part.startswith("._") or part.lower() in _JUNK for part in parts)


def expanded(path: str) -> str:
    """A path with ``~`` and ``$HOME`` and its like replaced; an address stays as it is."""
    return path if "://" in path else os.path.expandvars(os.path.expanduser(path))


def relative_path(name: Any) -> str:
    """A path below a folder of raw files.

    Raises:
        ValueError: it is none, it leads out of the folder, or the workflow keeps that name for itself; completes
            "<name> ...".
    """
    if not isinstance(name, str) or not name or re.search(r"[\x00-\x1f\x7f]", name):
        raise ValueError("is no name of a file")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", name):
        raise ValueError("leads out of its folder")
    if not path.parts or str(path) != name:
        raise ValueError("is no plain relative path")
    if path.parts[0].casefold() in RESERVED:
        raise ValueError("is a name that the workflow keeps for its own records")
    if max(len(part.encode(errors="surrogateescape")) for part in path.parts) > LONGEST:
        raise ValueError(f"is longer than the {LONGEST} bytes that file systems take")
    return name
