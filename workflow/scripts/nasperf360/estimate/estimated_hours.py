"""The estimate's hours of one job of each cell of a run, kept beside the run: to count the networks takes a while."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nasperf360.estimate.cards import DEFAULT
from nasperf360.estimate.estimate import estimate
from nasperf360.files import digest_json, remembered, write_json
from nasperf360.study.hours import Cell


def estimated_hours(folder: Path, config: Mapping[str, Any]) -> dict[Cell, float]:
    """Hours of one job by cell, of those whose algorithm is known; on the default card, so only ratios mean something.

    Args:
        folder: ``results/<run>``.
        config: of its study, as ``settings.json`` has it.
    """
    path, sha256 = folder / "estimate.json", digest_json(config)
    kept = remembered(path)
    if kept.get("config_sha256") != sha256:
        cells = estimate(config, DEFAULT)
        hours = {f"{cell.stage}/{cell.task}/{cell.method}": cell.hours for cell in cells if cell.hours is not None}
        kept = {"config_sha256": sha256, "hours": hours}
        with suppress(OSError):  # of somebody else's run
            write_json(path, kept)
    found: dict[Cell, float] = {}
    for name, value in kept["hours"].items():
        stage, task, method = name.split("/")
        found[stage, task, method] = value
    return found
