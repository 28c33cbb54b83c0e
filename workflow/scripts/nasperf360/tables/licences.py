"""Under which licence the raw data of each task come, and from where."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from nasperf360.errors import UserError
from nasperf360.labels import task_label
from nasperf360.tables.forms import Table
from nasperf360.tasks.shared.task_spec import task_spec

NOT_LISTED = {"licence": "not stated"}


def licence_frame(tasks: Sequence[str], sources: Mapping[str, Any]) -> pd.DataFrame:
    """One row per task: its raw data's licence, home page, number of files and their bytes where all are known.

    A task that the sources do not list (its data were never but simulated) has ``not stated``.

    Args:
        tasks: in the order of the table.
        sources: the entries of the sources file by name of the task that owns the raw files.

    Raises:
        UserError: an entry without a licence.
    """
    rows = []
    for name in tasks:
        raw = name if name in sources else task_spec(name).raw
        entry = sources.get(raw, NOT_LISTED) or {}
        if not entry.get("licence"):
            raise UserError(f"sources: '{raw}' has no licence; add it to the sources file")
        sizes = [file.get("bytes") for file in entry.get("files") or []]
        rows.append(
            {
                "task": name,
                "title": task_label(name),
                "raw": raw,
                "licence": entry["licence"],
                "homepage": entry.get("homepage", ""),
                "files": len(sizes),
                "bytes": sum(sizes) if sizes and None not in sizes else None,
            }
        )
    return pd.DataFrame(rows).astype({"bytes": "Int64"})


def licence_table(frame: pd.DataFrame, caption: str) -> Table:
    """The licences for readers."""
    rows = [
        {
            "Task": row.title,
            "Licence": row.licence,
            "Home page": row.homepage,
            "Files": str(row.files),
            "Size": "" if pd.isna(row.bytes) else f"{row.bytes / 1e6:,.1f} MB",
        }
        for row in frame.itertuples()
    ]
    return Table("licences", frame, caption, [pd.DataFrame(rows)], text_columns=3)
