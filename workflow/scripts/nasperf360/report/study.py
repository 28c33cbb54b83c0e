"""The page of a study: what won, how sure that is, what it cost, what was found, what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nasperf360.figures.columns import COST, CURVES
from nasperf360.files import remembered
from nasperf360.labels import FAILED, method_label, task_label, task_note
from nasperf360.report import charts
from nasperf360.report.experiments import Seed, read_seed, versions
from nasperf360.report.headline import headline
from nasperf360.report.pictures import png_address, svg_address
from nasperf360.study.paths import Key, data_folder
from nasperf360.tables.aggregate import KINDS as AGGREGATE
from nasperf360.tables.comparisons import KINDS as COMPARISONS
from nasperf360.tables.costs import hours, read_costs
from nasperf360.tables.forms import mean_and_std, number
from nasperf360.tables.performance import decimals, direction, read_performance
from nasperf360.tables.stored import read_table
from nasperf360.tables.tasks import read_tasks

Tables = Mapping[str, Path]

SECTIONS = {
    "result": "Result",
    "performance": "Performance",
    "profiles": "Performance profiles",
    "ranks": "Ranks and differences",
    "cost": "Error against cost",
    "architectures": "Architectures",
    "data": "Data sets",
    "missing": "Missing and failed",
    "settings": "Settings, versions, digests",
    "cite": "How to cite",
}
"""What a reader asks, in this order."""


@dataclass(frozen=True)
class Cell:
    """A task and a method on the page.

    Args:
        name: ``<task>-<method>``, for addresses within the page.
        shown: its mean and deviation, or why it has none.
        value: the mean, for sorting; None where there is none.
        difference: here - paper, in units of the metric, as text.
        status: of its seeds: ``complete``, or what is missing and why.
    """

    name: str
    task: str
    method: str
    metric: str
    shown: str
    value: float | None
    seeds: str
    paper: str
    difference: str
    distance: float | None
    rank: str
    status: str
    cost: str = ""
    details: Sequence[Seed] = field(default=())

    @property
    def task_label(self) -> str:
        return task_label(self.task)

    @property
    def method_label(self) -> str:
        return method_label(self.method)

    @property
    def complete(self) -> bool:
        return self.status == "complete"


def cells(performance: pd.DataFrame, costs: pd.DataFrame | None, details: Mapping[str, Sequence[Seed]]) -> list[Cell]:
    """A cell per task and method, in the order of the tables.

    Args:
        performance: as ``read_performance`` gives it.
        costs: as ``read_costs`` gives them; None for printed results.
        details: seeds by ``<task>/<method>``.
    """
    ranked = performance.assign(rank=performance.groupby("task")["error"].rank())
    spent: dict[tuple[str, str], float] = {}
    if costs is not None:
        spent = costs.set_index(["task", "method"])["hours_per_seed"].to_dict()
    found = []
    for row in ranked.itertuples():
        digits = decimals(row.metric)
        shown = mean_and_std(row.mean, row.std, digits)
        if pd.isna(row.mean):
            shown = FAILED if row.seeds_failed else "open"
        printed = pd.notna(row.reference_mean)
        distance = row.mean - row.reference_mean
        found.append(
            Cell(
                name=f"{row.task}-{row.method}",
                task=row.task,
                method=row.method,
                metric=f"{row.metric} {direction(row.higher_is_better)}",
                shown=f"{shown} ‡" if row.seeds_failed and pd.notna(row.mean) else shown,
                value=charts.finite(row.mean),
                seeds=str(row.seeds) + (f", {row.seeds_failed} failed" if row.seeds_failed else ""),
                paper=mean_and_std(row.reference_mean, row.reference_std, digits) if printed else "not printed",
                difference=_signed(distance, digits),
                distance=charts.finite(distance),
                rank=number(row.rank, 1) if np.isfinite(row.error) else "",
                status=row.status,
                cost=hours(spent.get((row.task, row.method), np.nan)),
                details=details.get(f"{row.task}/{row.method}", ()),
            )
        )
    return found


def _signed(value: float, digits: int) -> str:
    text = number(value, digits)
    return f"+{text}" if text and value > 0 else text


def contents(
    folder: Path,
    tables: Tables,
    experiments: Sequence[Key],
    searches: int | None,
    pictures: Mapping[str, Path],
    samples: Mapping[str, Path],
    architectures: Mapping[str, Mapping[str, Path]],
    curves: Path | None,
    costs: Path | None,
    citation: Mapping[str, Any],
    missing: Sequence[Any],
) -> dict[str, Any]:
    """What the template shows of ``results/<run>``.

    Args:
        folder: of the run.
        tables: the HTML of tables by name; the csv lies beside each.
        experiments: task, method and seed of each; none for the paper's printed results.
        searches: of the configuration.
        pictures: svg of figures by name.
        samples: png of samples by task.
        architectures: png of what was found, by method and seed.
        curves: ``figures/curves.csv``, or None.
        costs: ``figures/cost.csv``, or None.
        citation: ``CITATION.cff``.
        missing: experiments without a result, as ``status.missing`` gives them.
    """
    performance = read_performance(tables["performance"].with_suffix(".csv"))
    tasks = read_tasks(tables["tasks"].with_suffix(".csv"))
    aggregate = read_table(tables["aggregate"].with_suffix(".csv"), AGGREGATE)
    comparisons = read_table(tables["comparisons"].with_suffix(".csv"), COMPARISONS)
    simulated = bool(performance["simulated"].any() or tasks["simulated"].eq(True).any())
    details: dict[str, list[Seed]] = {}
    for key in experiments:
        details.setdefault(f"{key[0]}/{key[1]}", []).append(read_seed(folder, key, searches))
    specs = {
        "profiles": charts.profiles(performance, tasks, simulated),
        "ranks": charts.ranks(aggregate, simulated),
    }
    if costs:
        specs["cost"] = charts.cost(read_table(costs, COST), simulated)
    if curves:
        specs["curves"] = charts.curves(simulated)
    found = cells(performance, read_costs(tables["cost"].with_suffix(".csv")) if "cost" in tables else None, details)
    data = data_folder(folder) / "data"
    return {
        "sections": SECTIONS,
        "run": folder.name,
        "printed": not experiments,
        "simulated": simulated,
        "about": remembered(folder / "run.json"),
        "seeds": sorted({seed for _, _, seed in experiments}),
        "headline": headline(aggregate, comparisons, len(missing)),
        "tasks": list(dict.fromkeys(performance["task"])),
        "methods": list(dict.fromkeys(performance["method"])),
        "task_label": task_label,
        "method_label": method_label,
        "notes": {task: note for task in tasks["task"] if (note := task_note(task))},
        "cells": found,
        "by_pair": {(cell.task, cell.method): cell for cell in found},
        "tables": {name: table_body(path) for name, path in tables.items()},
        "pictures": {name: svg_address(path) for name, path in pictures.items()},
        "samples": {task: png_address(path) for task, path in samples.items()},
        "architectures": {
            method: {seed: png_address(path) for seed, path in of_method.items()}
            for method, of_method in architectures.items()
        },
        "listed": listed(found),
        "specs": specs,
        "curves": charts.curve_rows(read_table(curves, CURVES)) if curves else {},
        "missing": missing,
        "versions": versions(folder, experiments, searches),
        "data": {task: remembered(data / f"{task}.json") for task in tasks["task"]} if experiments else {},
        "citation": citation,
    }


def listed(cells: Sequence[Cell]) -> dict[str, list[tuple[str, str, str]]]:
    """Task, seed and architecture of each search by method; one row for all where all are the same."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for cell in cells:
        rows = [(cell.task_label, str(seed.number), seed.architecture) for seed in cell.details if seed.architecture]
        found.setdefault(cell.method, []).extend(rows)
    return {
        method: [("every task", "every seed", rows[0][2])] if len({text for *_, text in rows}) == 1 else rows
        for method, rows in found.items()
    }


def table_body(path: Path) -> str:
    """The body of a table's page."""
    return path.read_text(encoding="utf-8").partition("<body>")[2].partition("</body>")[0]
