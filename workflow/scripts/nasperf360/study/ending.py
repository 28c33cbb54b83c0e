"""What a run says at its end: where its tables are, or what failed and why."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasperf360.study.runs import read_study
from nasperf360.study.status import missing

MADE = {"tables": "tables", "figures": "figures", "page": "report/index.html"}
MOST = 20  # failures that are listed


def made(config: Mapping[str, Any]) -> str:
    """Where the results of a run are, as far as it has any."""
    folder = Path("results") / config["run"]
    compared = {f"beside {other}": f"compare/{other}/index.html" for other in config["compare"]}
    found = [f"{name}: {folder / path}" for name, path in (MADE | compared).items() if (folder / path).exists()]
    return "; ".join(found) or f"results: {folder}"


def failures(config: Mapping[str, Any]) -> list[str]:
    """What failed in a run and why, a line for each experiment, and what to do; nothing where no experiment did."""
    folder, run = Path("results") / config["run"], config["run"]
    without = missing(folder)
    failed = [entry for entry in without if entry.failed]
    if not failed:
        return []
    done = len(read_study(folder).experiments) - len(without)
    lines = [f"{folder}: {len(failed)} experiments failed, {done} are done", *map(str, failed[:MOST])]
    if len(failed) > MOST:
        lines.append(f"and {len(failed) - MOST} more: python workflow/scripts/status.py --run {run}")
    return [*lines, "the same command does what is left; for tables of what there is add: tables --config partial=true"]
