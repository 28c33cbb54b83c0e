"""``run.json``, ``study.json`` and ``settings.json``: scale and source of a run, and what it was asked for last."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasperf360.errors import UserError
from nasperf360.files import remembered, write_json


def about_path(run: str) -> Path:
    """Where scale and source of a run stand."""
    return Path("results") / run / "run.json"


def study_path(run: str) -> Path:
    """Where it stands what a run was asked for last."""
    return Path("results") / run / "study.json"


def settings_path(run: str) -> Path:
    """Where the settings stand that hours follow from, those of other tasks and methods too."""
    return Path("results") / run / "settings.json"


def write_run(run: str, about: Mapping[str, Any], study: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Write them, and scale and source of the run whose data it uses, where they do not stand there yet.

    ``study.json`` keeps its time if it says the same: tables are made anew where it is newer.

    Raises:
        UserError: the folder cannot be written to.
    """
    try:
        for name in (run, study["data_run"]):
            if not about_path(name).exists():
                write_json(about_path(name), about)
        if remembered(study_path(run)) != study:
            write_json(study_path(run), study)
        write_json(settings_path(run), settings)
    except OSError as error:
        path = error.filename or "results"
        raise UserError(f"{path}: cannot be written ({error.strerror}); give yourself the right to do so") from error
