"""Table 1: the tasks as the paper lists them, and the size of this run's data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nasperf360.data.datasets import SPLITS
from nasperf360.errors import DataError
from nasperf360.files import read_json
from nasperf360.labels import objective, published_size, task_label
from nasperf360.tables.forms import Table
from nasperf360.tables.performance import direction
from nasperf360.tables.stored import COUNT, COUNT_IF_ANY, FLAG, FLAG_IF_ANY, TEXT, read_table
from nasperf360.tasks.shared.task_spec import task_spec

TUNING, FINAL = SPLITS[:3], SPLITS[3:]
KINDS = {
    **dict.fromkeys(("task", "title", "published_size", "kind", "objective", "metric", "shape"), TEXT),
    "dimensions": COUNT,
    **dict.fromkeys(("multi_label", "higher_is_better"), FLAG),
    **dict.fromkeys(SPLITS, COUNT_IF_ANY),
    "simulated": FLAG_IF_ANY,
}
FINAL_NOTE = (
    "final: the train / test splits of the reported result, where it has its own; other tasks test it on the test split"
)


def task_frame(tasks: Sequence[str], manifests: Mapping[str, str | Path]) -> pd.DataFrame:
    """One row per task.

    Args:
        tasks: in the order of the table.
        manifests: ``data/<task>.json`` of the tasks whose data are there; the sizes of others stay empty.

    Raises:
        DataError: a manifest without the keys that it should have.
    """
    rows = []
    for name in tasks:
        task = task_spec(name)
        rows.append(
            {
                "task": name,
                "title": task_label(name),
                "published_size": published_size(name),
                "dimensions": task.dimensions,
                "kind": task.kind,
                "multi_label": task.multi_label,
                "objective": objective(name),
                "metric": task.metric.name,
                "higher_is_better": task.metric.higher_is_better,
                **_sizes(manifests.get(name)),
            }
        )
    counts = dict.fromkeys(SPLITS, "Int64")
    return pd.DataFrame(rows).astype({**counts, "simulated": "boolean"})


def _sizes(path: str | Path | None) -> dict[str, Any]:
    if path is None:
        return {"shape": None, **dict.fromkeys(SPLITS), "simulated": None}
    manifest = read_json(path)
    try:
        splits = manifest["splits"]
        return {
            "shape": "x".join(map(str, splits["train"]["fields"]["x"]["shape"])),
            **{split: splits[split]["samples"] if split in splits else None for split in SPLITS},
            "simulated": manifest["origin"] == "simulated",
        }
    except KeyError as error:
        raise DataError(f"{path}: lacks the key {error}; delete it and the .h5 beside it, and run again") from error


def read_tasks(path: str | Path) -> pd.DataFrame:
    """``tasks.csv``, indexed by task."""
    return read_table(path, KINDS).set_index("task", drop=False)


def _splits(row: Any) -> str:
    """``448 / 39 / 36``, and ``; final 480 / 43`` where the reported result has splits of its own."""
    tuning, final = _counts(row, TUNING), _counts(row, FINAL)
    return f"{tuning}; final {final}" if final else tuning


def _counts(row: Any, splits: Sequence[str]) -> str:
    counts = [getattr(row, split) for split in splits]
    return "" if any(pd.isna(count) for count in counts) else " / ".join(f"{int(count):,}" for count in counts)


def task_table(frame: pd.DataFrame, caption: str) -> Table:
    """Table 1, and beside it train / valid / test samples of this run where there are data."""
    rows = []
    for row in frame.itertuples():
        shown = {
            "Task": row.title,
            "Type": row.kind.capitalize() + (" (multi-label)" if row.multi_label else ""),
            "Learning objective": row.objective,
            "Metric": f"{row.metric} {direction(row.higher_is_better)}",
            "Dim.": f"{row.dimensions}D",
            "Size": row.published_size,
        }
        if frame["train"].notna().any():
            shown |= {
                "Sample": "" if pd.isna(row.shape) else row.shape.replace("x", "×"),
                "Train / valid / test here": _splits(row),
            }
        rows.append(shown)
    simulated = bool(frame["simulated"].dropna().astype(bool).any())
    notes = [FINAL_NOTE] if frame[list(FINAL)].notna().all(axis="columns").any() else []
    return Table("tasks", frame, caption, [pd.DataFrame(rows)], text_columns=4, notes=notes, simulated=simulated)
