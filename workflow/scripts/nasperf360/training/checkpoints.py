"""Checkpoints of a long job: written atomically, refused when foreign. Their folder's lock is the job's to hold."""

import hashlib
import io
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nasperf360.files import atomic_path, digest_json, remembered, write_json
from nasperf360.job import log

DIGEST_BYTES = hashlib.sha256().digest_size


class DamagedError(Exception):
    """A file whose bytes are not those that were written."""


class Checkpoint:
    """The last good state of one job, in a folder that no rule declares.

    Args:
        folder: e.g. ``results/<run>/checkpoints/retrain/<task>/<method>/<seed>``.
        identity: everything that makes the state valid for this job: code digest, settings, data digest, versions.
        interval: seconds of work after which a save is due; 0: always.
    """

    def __init__(self, folder: str | Path, identity: Mapping[str, Any], interval: float = 0.0):
        self.folder, self.identity, self.interval = Path(folder), dict(identity), interval
        self._saved_at = time.monotonic()

    @property
    def digest(self) -> str:
        """Digest of the identity."""
        return digest_json(self.identity)

    def part(self, name: str) -> "Checkpoint":
        """A checkpoint of one part of the job (a trial, say), under the same lock."""
        return Checkpoint(self.folder / name, {**self.identity, "part": name}, self.interval)

    @property
    def due(self) -> bool:
        """Whether the last save, or the start, was ``interval`` ago."""
        return time.monotonic() - self._saved_at >= self.interval

    def save(self, state: Mapping[str, Any]) -> None:
        """Save ``state``, with a digest of the bytes that hold it.

        Raises:
            UserError: the disk is full, or the user's quota; the state that was saved before stays.
        """
        # Through a buffer: torch makes an error of its own of a disk that is full.
        buffer = io.BytesIO()
        torch.save({"identity": self.digest, "state": dict(state)}, buffer)
        content = buffer.getbuffer()
        with atomic_path(self.folder / "state.pt") as partial, open(partial, "wb") as stream:
            stream.write(content)
            stream.write(hashlib.sha256(content).digest())
        write_json(self.folder / "identity.json", self.identity)
        self._saved_at = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The saved state, or None. A damaged or foreign one is set aside with a clear line, never used or deleted."""
        path = self.folder / "state.pt"
        if not path.exists():
            return None
        try:
            saved = torch.load(io.BytesIO(_sound(path.read_bytes())), map_location="cpu", weights_only=True)
            if saved["identity"] == self.digest:
                state: dict[str, Any] = saved["state"]
                return state
            reason = f"it belongs to another job ({self._differences()})"
        except Exception as error:  # torch.load raises many kinds for a damaged file
            reason = f"it is damaged ({error if isinstance(error, DamagedError) else type(error).__name__})"
        self.refuse(reason)
        return None

    def refuse(self, reason: str) -> None:
        """Set the saved state aside with a clear line: it must not be used."""
        path = self.folder / "state.pt"
        aside = refused_name(path)
        os.replace(path, aside)
        log(f"{path}: refused, {reason}; set aside as {aside.name}, starting from the beginning")

    def discard(self) -> None:
        """Remove the saved state of a finished part; what was set aside stays."""
        for name in ("state.pt", "identity.json"):
            (self.folder / name).unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _differences(self) -> str:
        saved = remembered(self.folder / "identity.json")
        keys = [key for key in sorted({*saved, *self.identity}) if saved.get(key) != self.identity.get(key)]
        return "other " + ", ".join(keys) if keys else "unknown difference"


def _sound(content: bytes) -> bytes:
    """What :meth:`Checkpoint.save` wrote, without the digest at its end.

    Raises:
        DamagedError: it is not what was written.
    """
    written, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if hashlib.sha256(written).digest() != digest:
        raise DamagedError("its bytes are not those of its digest")
    return written


def refused_name(path: Path) -> Path:
    """The first free name beside a file to set it aside under: ``refused-1.pt``, ``refused-2.pt``, ..."""
    number = 1
    while (aside := path.with_name(f"refused-{number}{path.suffix}")).exists():
        number += 1
    return aside
