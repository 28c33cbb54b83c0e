"""The tables of a whole study compile, and none is wider than the text of a page."""

import json
import re
import shutil
import subprocess
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from nasperf360.labels import PAPER_METHODS, PAPER_TASKS, method_name
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.tables import comparison, costs, forms, latex
from nasperf360.tables.aggregate import aggregate, aggregate_table
from nasperf360.tables.comparisons import comparisons, comparisons_table
from nasperf360.tables.licences import licence_frame, licence_table
from nasperf360.tables.paired import COLUMNS as PAIRED
from nasperf360.tables.paired import paired_table
from nasperf360.tables.performance import (
    LATER,
    performance_table,
    read_reference,
    reference_performance,
    summarise,
    with_errors,
)
from nasperf360.tables.tasks import task_frame, task_table

from .small_run import REFERENCE

PAGE = r"""\documentclass{article}
\usepackage[textwidth=5.5in,textheight=9in]{geometry}
\usepackage{array,booktabs,graphicx}
\begin{document}
\input{table}
\end{document}
"""
REASON = (
    "retrain failed: /mnt/projects/a/very/long/folder/nas_perf_360/results/demo/retrain/darcy/wrn-default/0/model.pt: "
    "damaged (sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08); delete it & run 100 % again"
)


def scores_of_study():
    """Three seeds of every result that the paper prints; one failed with a long reason, one is open."""
    rows = []
    for row in read_reference(REFERENCE).itertuples(index=False):
        for seed in range(3):
            name = {"method": method_name(row.space, row.algorithm), "outcome": "complete", "status": "complete"}
            rows.append(row._asdict() | name | {"seed": seed, "value": row.mean + row.std * (seed - 1)})
    scores = pd.DataFrame(rows).assign(simulated=True)
    for place, outcome, status in ((5, "failed", REASON), (20, "open", "not run"), (63, "failed", REASON)):
        scores.loc[place, ["value", "outcome", "status"]] = [np.nan, outcome, status]
    return scores


def jobs_of(keys):
    """Costs between a second and months."""
    rng = np.random.default_rng(2)
    rows = [
        (*key, stage, hours, "GPU", "NVIDIA H100 80GB HBM3", 71.9, True)
        for key in keys
        for stage, hours in zip(("search", "retrain"), 10 ** rng.uniform(-4, 3.5, 2), strict=True)
    ]
    columns = ["task", "method", "seed", "stage", "hours", "device", "device_name", "memory_gb", "simulated"]
    return pd.DataFrame(rows, columns=columns)


def study_tables(folder):
    scores = scores_of_study()
    performance = with_errors(summarise(scores, read_reference(REFERENCE)))
    keys = list(scores[["task", "method", "seed"]].itertuples(index=False, name=None))
    splits = ("train", "valid", "test", "final_train", "final_test")
    content = {name: {"samples": 123456, "fields": {"x": {"shape": [3, 128, 128]}}} for name in splits}
    (folder / "manifest.json").write_text(json.dumps({"origin": "simulated", "splits": content}))
    manifests = dict.fromkeys(PAPER_TASKS, folder / "manifest.json")
    sources = read_yaml(REFERENCE.with_name("sources.yaml"))
    printed = with_errors(reference_performance(read_reference(REFERENCE)))
    return {
        "tasks": task_table(task_frame(PAPER_TASKS, manifests), "Caption."),
        "performance": performance_table(performance, "Caption."),
        "aggregate": aggregate_table(aggregate(performance, scores), performance, scores, "Caption."),
        "reference": aggregate_table(aggregate(printed, None), printed, None, "Caption."),
        "comparisons": comparisons_table(comparisons(printed), printed, "Caption."),
        "paired": paired_table(pairs_of_study(), ["Not compared (failed): a seed."], "Caption."),
        "comparison": comparison.comparison_table(
            comparison.compare(performance, read_reference(REFERENCE, LATER)), "Caption."
        ),
        "cost": costs.cost_table(costs.summarise(jobs_of(keys), keys), "Caption."),
        "licences": licence_table(licence_frame(PAPER_TASKS, sources), "Caption."),
    }


def pairs_of_study():
    """Every pair of methods on every task, with the longest numbers."""
    rows = [
        (task, first, second, 1000, 3, 3, 12.3456, 11.2345, 1.1111, -10.1234, 10.1234, "signs", 1e-5, 1.0, "", True)
        for task in PAPER_TASKS
        for first, second in combinations(PAPER_METHODS, 2)
    ]
    return pd.DataFrame(rows, columns=PAIRED)


@pytest.mark.slow
def test_no_table_is_wider_than_the_text_or_longer_than_the_page(tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed (Debian: texlive-latex-base and texlive-latex-recommended)")
    for name, table in study_tables(tmp_path).items():
        folder = tmp_path / name
        folder.mkdir()
        forms.write(table, [folder / "table.tex"])
        (folder / "page.tex").write_text(PAGE)
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
        assert done.returncode == 0, f"{name}: {done.stdout[-2000:]}"
        log = (folder / "page.log").read_text(errors="replace")
        assert re.findall(r"Overfull.*|.*Float too large.*|.*undefined.*", log) == [], name


def test_long_tables_go_over_several_pages_and_lose_no_row(tmp_path):
    table = study_tables(tmp_path)["comparison"]
    text = forms.to_latex(table)
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") > 1
    assert text.count(r"\label{") == 1
    rows = [line for line in text.splitlines() if line.count(" & ") == 6 and not line.startswith("Task")]
    assert len(rows) == 56


@pytest.mark.parametrize("letters", [latex.SCALED - 4, latex.SCALED - 3])
def test_what_a_scaled_line_holds_is_not_wrapped_and_one_letter_more_wraps_to_a_plain_line(letters):
    """Two columns, each with two letters between it and the next; the longer one gives way."""
    block = pd.DataFrame({"Short": ["abc de fg"], "Long": [("ab " * 40)[: letters - 9]]})
    columns = latex.columns_of(block, words=2)
    assert sum(columns.longest) == letters
    if letters + 4 <= latex.SCALED:
        assert columns.widths == columns.longest
    else:
        assert columns.widths == [9, latex.LETTERS - 4 - 9]


def test_a_long_word_may_break_and_stays_itself():
    text = latex.text("of results/demo/retrain/x_y/0/model.pt here")
    assert text.replace(r"\allowbreak{}", "") == r"of results/demo/retrain/x\_y/0/model.pt here"
    assert text.count(r"\allowbreak{}") >= 5
    assert r"\allowbreak" not in latex.text("WRN default, Auto-DL")
