"""``failure.json``: why a job did not come to its end, for tables, and for the next attempt at it."""

from pathlib import Path
from typing import Any

from nasperf360.files import remembered

GOES_ON = ("interrupted", "memory")
"""Kinds of failure that another attempt may not have."""


def read_failure(path: str | Path | None) -> dict[str, Any]:
    """What the last attempt left, ``reason`` and perhaps ``kind`` and ``mem_mb``; empty where it left nothing."""
    return remembered(path) if path else {}


def is_final(failure: dict[str, Any]) -> bool:
    """Whether every further attempt would fail so: a user's mistake, or a loss that diverged."""
    return "reason" in failure and failure.get("kind") not in GOES_ON
