"""The tables of a run in which everything happens and of the paper, and what their figures show, as text."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nasperf360.estimate.makespan import Chain, makespans
from nasperf360.figures import conclusions as conclusions_figure
from nasperf360.figures import cost, curves, differences, experts, gallery_spherical, makespan, samples
from nasperf360.report import charts, study
from nasperf360.report.experiments import Seed, read_seed, versions
from nasperf360.report.headline import headline
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.tables import forms
from nasperf360.tables.aggregate import aggregate, aggregate_table
from nasperf360.tables.comparison import compare, comparison_table
from nasperf360.tables.comparisons import comparisons, comparisons_table
from nasperf360.tables.conclusions import COLUMNS, LIMITS, PUBLISHED, VALUES, conclusions_table
from nasperf360.tables.costs import cost_table
from nasperf360.tables.licences import licence_frame, licence_table
from nasperf360.tables.paired import paired, paired_table
from nasperf360.tables.performance import LATER, performance_table, read_reference
from nasperf360.tables.relative import baseline_notes
from nasperf360.tables.tasks import task_table

from .drawn import shown
from .mixed_run import KEYS, Mixed, make_mixed, make_paper
from .small_run import REFERENCE
from .test_two_runs import KEYS as TWO_RUNS
from .test_two_runs import make_runs, run_comparison

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = Path(__file__).with_name("expected")
OF_RUNS = ("scores", "profiles_groups", "profiles_settings", "profiles_tasks", "critical_difference")


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Name of a file and its text, of all tables and figures; ``folder`` is empty."""
    run = make_mixed(folder / "mixed")
    yield from tables(run)
    yield from figures(run)
    yield from page(run)
    yield from of_predictions(folder / "two")
    yield from of_choices()


def page(run: Mixed) -> Iterator[tuple[str, str]]:
    """What the page of the run holds besides tables and figures."""
    of_methods = aggregate(run.performance, run.scores)
    pairs = comparisons(run.performance)
    details: dict[str, list[Seed]] = {}
    for key in KEYS:
        details.setdefault(f"{key[0]}/{key[1]}", []).append(read_seed(run.folder, key, None))
    cells = study.cells(run.performance, run.costs_read, details)
    said = {
        "headline": headline(of_methods, pairs, 6),
        "headline of one task": headline(of_methods.assign(tasks=1, seeds_failed=0), pairs.iloc[:0], 1),
        "cells": [asdict(cell) for cell in cells],
        "listed": study.listed(cells),
        "versions": versions(run.folder, KEYS, None),
    }
    yield "page.json", _json(said)
    drawn = {
        "profiles": charts.profiles(run.performance, run.tasks, simulated=True),
        "ranks": charts.ranks(of_methods, simulated=False),
        "cost": charts.cost(cost.numbers(run.performance, run.costs_read), simulated=True),
        "curves": charts.curves(simulated=True),
        "rows": charts.curve_rows(curves.numbers(run.histories)),
    }
    for name, chart in drawn.items():
        yield f"chart_{name}.json", _json(chart)


def _json(content: Any) -> str:
    text = json.dumps(content, indent=1, ensure_ascii=False, default=str, allow_nan=False)
    # Lists of numbers and flat objects in a line each.
    return re.sub(r"[\[{][^\[\]{}]*[\]}]", lambda found: " ".join(found[0].split()), text) + "\n"


def of_predictions(results: Path) -> Iterator[tuple[str, str]]:
    """The same of what compares predictions: methods of one run, and two runs."""
    make_runs(results)
    here = results / "a"
    table = paired_table(*paired(here, TWO_RUNS), "Caption.")
    run_comparison(results, "a", "b")
    run_comparison(results, "a", "reference")
    yield "paired.md", forms.to_markdown(table)
    yield "paired.csv", forms.to_csv(table)
    for other in ("b", "reference"):
        for form in ("md", "csv"):
            path = here / "compare" / other / f"differences.{form}"
            yield f"differences_{other}.{form}", path.read_text(encoding="utf-8")
    for name in ("b", "reference"):
        data = pd.read_csv(here / "compare" / name / "differences.csv")
        yield f"differences_{name}.txt", shown(differences.draw(data, "a", name))


def tables(run: Mixed) -> Iterator[tuple[str, str]]:
    """Name of a file and its text, of each table in Markdown and csv, and of some in LaTeX."""
    paper, of_paper = make_paper()
    later = read_reference(REFERENCE, LATER)
    sources = read_yaml(ROOT / "config" / "sources.yaml")
    of = {
        "run": [
            performance_table(run.performance, "Caption."),
            aggregate_table(aggregate(run.performance, run.scores), run.performance, run.scores, "Caption."),
            comparison_table(compare(run.performance, later), "Caption."),
            comparisons_table(comparisons(run.performance), run.performance, "Caption."),
            cost_table(run.costs, "Caption."),
            task_table(run.task_frame, "Caption."),
            licence_table(licence_frame(list(run.tasks["task"]), sources), "Caption."),
        ],
        "paper": [
            performance_table(paper, "Caption."),
            aggregate_table(aggregate(paper, None), paper, None, "Caption."),
            comparisons_table(comparisons(paper), paper, "Caption."),
            task_table(of_paper, "Caption."),
        ],
    }
    for owner, made in of.items():
        for table in made:
            yield f"{owner}_{table.name}.md", forms.to_markdown(table)
            yield f"{owner}_{table.name}.csv", forms.to_csv(table)
    for table in (of["paper"][0], of["run"][4]):
        yield f"{table.name}.tex", forms.to_latex(table)


def figures(run: Mixed) -> Iterator[tuple[str, str]]:
    """Name of a file and what it shows, of each figure."""
    paper, of_paper = make_paper()
    for name in OF_RUNS:
        module = import_module(f"nasperf360.figures.{name}")
        of = {"run": (run.performance, run.scores, run.tasks), "paper": (paper, None, of_paper)}
        for owner, given in of.items():
            yield f"{owner}_{name}.txt", shown(module.draw(module.numbers(*given), given[-1]))
    drawn = {
        "cost": cost.draw(cost.numbers(run.performance, run.costs_read), run.tasks, baseline_notes(run.performance)),
        "curves": curves.draw(curves.numbers(run.histories), run.tasks),
        "experts": experts.draw(experts.numbers(run.performance, run.later), run.tasks),
    }
    field = np.arange(2.0 * 6 * 7).reshape(2, 1, 6, 7)
    labels = np.array([3, 7])
    kinds = {
        "images": (np.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2), labels, False),
        "fields": (field, field + 1, True),
        "constants": (np.ones((2, 1, 3, 3)), labels, False),
        "signals": (np.arange(10.0).reshape(2, 1, 5), np.array([[1, 0, 1], [0, 0, 1]]), False),
        "letters": (np.arange(2.0 * 4 * 130).reshape(2, 4, 130), labels, False),
    }
    drawn |= {f"samples_{name}": samples.draw(*given) for name, given in kinds.items()}
    drawn["makespan"] = makespan.draw(makespans([Chain(24.0, (12.0, 6.0)), Chain(0.0, (3.0,))], [1, 2, 4]), "A study")
    drawn["spheres"] = gallery_spherical.draw(np.arange(5 * 3 * 8 * 8).reshape(5, 3, 8, 8) % 251, np.arange(5))
    for name, figure in drawn.items():
        yield f"{name}.txt", shown(figure)


def of_choices() -> Iterator[tuple[str, str]]:
    """Of corrected choices: one that was never started, one with a method that lacks results, and one that failed."""
    rows = [
        (PUBLISHED, "base", "wrn-default", 2.5, 0.0, 3, 0, 0, ""),
        (PUBLISHED, "base", "darts-gaea", 1.0, 12.345, 3, 0, 0, ""),
        ("batches", "base-batches", "wrn-default", 2.0, 0.0, 3, 0, 0, "batch_size: 64 / 128"),
        ("batches", "base-batches", "darts-gaea", 1.25, -np.inf, 3, 2, 1, "batch_size: 64 / 128"),
        ("absent", "base-absent", "wrn-default", np.nan, np.nan, 0, 0, np.nan, "no such run"),
        ("absent", "base-absent", "darts-gaea", np.nan, np.nan, 0, 0, np.nan, "no such run"),
    ]
    names = ["choice", "run", "method", *VALUES, "tasks", "corrected", "missing", "differs"]
    frame = pd.DataFrame(rows, columns=names).assign(simulated=True, **dict.fromkeys(LIMITS, np.nan))[COLUMNS]
    yield "conclusions.md", forms.to_markdown(conclusions_table(frame, "Choices."))
    yield "conclusions.txt", shown(conclusions_figure.draw(frame))
