"""A run's folder records its scale and source, and refuses another: two studies never mix in one folder."""

from pathlib import Path
from typing import Any

from nasperf360.errors import UserError
from nasperf360.files import read_json, write_json

KEYS = ("scale", "source")


def _record(run: str) -> Path:
    return Path("results") / run / "run.json"


def check(config: dict[str, Any]) -> None:
    """Compare the configuration with what the folders of its run and of its data record.

    Raises:
        UserError: a folder belongs to another scale or source.
    """
    for name in ("run", "data_run"):
        path = _record(config[name])
        if not path.exists():
            continue
        for key, value in read_json(path).items():
            if config[key] != value:
                raise UserError(
                    f"{name}: results/{config[name]} was made with {key}: {value}, now {key}: {config[key]} is given; "
                    f"choose another name with {name}=..."
                )


def record(config: dict[str, Any]) -> None:
    """Write what :func:`check` compares, once a run starts."""
    for name in ("run", "data_run"):
        path = _record(config[name])
        if not path.exists():
            write_json(path, {key: config[key] for key in KEYS})
