"""``run.json``, ``study.json`` and ``settings.json``: scale and source of a run, and what it was asked for last."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasperf360.errors import UserError
from nasperf360.files import remembered, write_json

RESULTS = Path("results")


def about_path(run: str, results: Path = RESULTS) -> Path:
    """Where scale and source of a run stand."""
    return results / run / "run.json"


def study_path(run: str, results: Path = RESULTS) -> Path:
    """Where it stands what a run was asked for last."""
    return results / run / "study.json"


def settings_path(run: str, results: Path = RESULTS) -> Path:
    """Where the settings stand that hours follow from, those of other tasks and methods too."""
    return results / run / "settings.json"


def write_run(
    run: str,
    about: Mapping[str, Any],
    study: Mapping[str, Any],
    settings: Mapping[str, Any],
    results: Path = RESULTS,
) -> None:
    """Write them, and scale and source of the run whose data it uses, where they do not stand there yet.

    ``study.json`` keeps its time if it says the same: tables are made anew where it is newer.

    Args:
        results: the folder of all runs; a copy of it, where the real one is in a bucket.

    Raises:
        UserError: the folder cannot be written to.
    """
    try:
        for name in (run, study["data_run"]):
            if not about_path(name, results).exists():
                write_json(about_path(name, results), about)
        if remembered(study_path(run, results)) != study:
            write_json(study_path(run, results), study)
        write_json(settings_path(run, results), settings)
    except OSError as error:
        path = error.filename or "results"
        raise UserError(f"{path}: cannot be written ({error.strerror}); give yourself the right to do so") from error
