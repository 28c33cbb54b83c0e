"""The page of what a bucket holds: each data set and result with size, digest, licence and citation."""

from collections.abc import Mapping
from typing import Any

from nasperf360.labels import PAPER_TASKS, method_label, task_label
from nasperf360.report.page import render


def page(listing: Mapping[str, Any]) -> str:
    """The page; equal lists have equal pages.

    Args:
        listing: as ``study/publications.py`` makes it.
    """
    order = {task: position for position, task in enumerate(PAPER_TASKS)}

    def place(task: str) -> tuple[int, str]:
        return order.get(task, len(order)), task

    datasets = [
        {"title": task_label(task), "task": task, **listing["datasets"][task]}
        for task in sorted(listing["datasets"], key=place)
    ]
    results = [
        {"title": task_label(result["task"]), "method_title": method_label(result["method"]), **result}
        for result in listing["results"]
    ]
    results.sort(key=lambda result: (result["run"], place(result["task"]), result["method"], result["seed"]))
    return render("publications.html.j2", datasets=datasets, results=results, size=size)


def size(count: int) -> str:
    """``1.2 GB``."""
    number, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 1000:
            break
        number, unit = number / 1000, larger
    return f"{count} B" if unit == "B" else f"{number:.1f} {unit}"
