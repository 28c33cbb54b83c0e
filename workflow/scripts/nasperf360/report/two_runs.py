"""The page of two runs side by side."""

from pathlib import Path
from typing import Any

import pandas as pd

from nasperf360.report.pictures import svg_address
from nasperf360.tables.differences import HERE, THERE
from nasperf360.tables.forms import Table, html_body


def contents(table: Table, run: str, other: str, picture: Path) -> dict[str, Any]:
    """What the template shows.

    Args:
        table: of the differences.
        run: the name of this run.
        other: of the other.
        picture: the figure, as svg.
    """
    return {
        "run": run,
        "other": other,
        "simulated": table.simulated,
        "headline": headline(table.data, run, other),
        "table": html_body(table).replace("<table>", '<table class="sortable" data-filters>', 1),
        "picture": svg_address(picture),
        "specs": {},
        "curves": {},
    }


def headline(table: pd.DataFrame, run: str, other: str) -> str:
    """In how many experiments the runs differ."""
    both = table[table["difference"].notna()]
    only = len(table) - len(both)
    tested = both[both["p"].notna()]
    sentence = f"Both {run} and {other} have a result of {len(both)} pairs of task and method"
    if only:
        sentence += f"; {only} stand in one of them alone"
    if both.empty:
        return f"{sentence}."
    if tested.empty:
        return f"{sentence}; none could be tested on the same samples."
    better = {name: int((tested["better"] == name).sum()) for name in (HERE, THERE)}
    return (
        f"{sentence}. Of {len(tested)} tested on the same samples {run} is better in {better[HERE]}, {other} in "
        f"{better[THERE]}, and {len(tested) - sum(better.values())} cannot be told apart."
    )
