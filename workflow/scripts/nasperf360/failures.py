"""``failure.json``: why a job did not come to its end, for tables, and for the next attempt at it."""

from pathlib import Path
from typing import Any

from nasperf360.files import remembered

GOES_ON = ("interrupted", "memory", "device")
"""Kinds of failure that another attempt may not have."""


def read_failure(path: str | Path | None) -> dict[str, Any]:
    """What the last attempt left, ``reason`` and perhaps ``kind`` and ``mem_mb``; empty where it left nothing."""
    return remembered(path) if path else {}


def is_of_run(failure: Path, began: Path) -> bool:
    """Whether a failure, if there is one, was left since a run began; what is older somebody may have mended.

    Args:
        failure: ``failure.json`` of the job.
        began: a file that is written when a run begins.
    """
    try:
        return failure.stat().st_mtime_ns >= began.stat().st_mtime_ns
    except FileNotFoundError:
        return True


def is_final(failure: dict[str, Any]) -> bool:
    """Whether every further attempt would fail so: a user's mistake, or a loss that diverged."""
    return "reason" in failure and failure.get("kind") not in GOES_ON
