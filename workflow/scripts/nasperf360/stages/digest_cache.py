"""A cache on disk of values that follow from a file's content alone; to lose it costs time, never correctness."""

import atexit
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIMIT = 2000  # entries; beyond it only those of the last process stay


class DigestCache:
    """JSON values by a digest of the text that they were made from, and of what made them.

    Args:
        path: the file; nothing is written while its folder is absent.
        maker: source of what makes the values; what another one made is not served.
    """

    def __init__(self, path: str | Path, maker: str = ""):
        self.path = Path(path)
        self._maker = hashlib.sha256(maker.encode()).hexdigest()
        self._used: dict[str, Any] = {}
        self._stored: dict[str, Any] | None = None

    def get(self, text: str, make: Callable[[str], Any]) -> Any:
        """``make(text)``, or what an earlier process made of the same text."""
        key = hashlib.sha256(f"{self._maker}\n{text}".encode()).hexdigest()
        if self._stored is None:
            self._stored = self._read()
            atexit.register(self._save)
        if key not in self._used:
            self._used[key] = self._stored[key] if key in self._stored else make(text)
        return self._used[key]

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # absent, or cut short by a full disk: made anew
        return content if isinstance(content, dict) else {}

    def _save(self) -> None:
        new = self._used.keys() - (self._stored or {}).keys()
        if not new or not self.path.parent.is_dir():
            return
        merged = {**(self._stored or {}), **self._used}
        # A name of this process alone: several Snakemake processes may start, and end, at once.
        own = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            own.write_text(json.dumps(merged if len(merged) <= LIMIT else self._used), encoding="utf-8")
            os.replace(own, self.path)
        except OSError as error:
            own.unlink(missing_ok=True)
            print(f"{self.path}: not written ({error.strerror}); the next start takes longer", file=sys.stderr)
