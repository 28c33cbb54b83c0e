"""What is drawn is what the numbers say: every dot, bar, mark, curve and band, read back from the figure."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection, PolyCollection

from nasperf360.tables.performance import read_reference, summarise, with_errors
from nasperf360.tables.tasks import task_frame

from .small_run import METHODS, REFERENCE, TASKS, make_run, scores_of


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    scores = scores_of(make_run(folder), folder)
    tasks = task_frame(list(TASKS), {}).set_index("task", drop=False)
    return with_errors(summarise(scores, read_reference(REFERENCE))), scores, tasks


def errors(scores: pd.DataFrame) -> dict[tuple[str, str], list[float]]:
    """Errors of the seeds: 1 less the score where higher is better."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in scores.itertuples():
        found.setdefault((row.task, row.method), []).append(1 - row.value if row.higher_is_better else row.value)
    return found


def test_scores_show_every_seed_and_mean_in_its_place(run):
    performance, scores, tasks = run
    module = import_module("nasperf360.figures.scores")
    figure = module.draw(module.numbers(performance, scores, tasks), tasks)
    (axes,) = figure.axes
    of = errors(scores)
    places = {
        (task, method): column + (number - 0.5) * 0.2  # groups are 0.8 wide, and have room for four
        for column, task in enumerate(TASKS)
        for number, method in enumerate(METHODS)
    }
    baseline = {task: np.mean(of[task, "wrn-default"]) for task in TASKS}
    dots = [
        tuple(offset) for part in axes.collections if isinstance(part, PathCollection) for offset in part.get_offsets()
    ]
    for (task, method), values in of.items():
        for value in values:
            assert any(np.allclose(dot, (places[task, method], value / baseline[task])) for dot in dots)
    bars = [part for part in axes.collections if isinstance(part, LineCollection)]
    segments = [segment for part in bars for segment in part.get_segments()]
    assert len(segments) == len(of)
    for (task, method), values in of.items():
        level, place = np.mean(values) / baseline[task], places[task, method]
        wanted = [[place - 0.09, level], [place + 0.09, level]]
        assert any(np.allclose(segment, wanted) for segment in segments)
    paper = read_reference(REFERENCE)
    printed = {(row.task, f"{row.space}-{row.algorithm}"): row for row in paper.itertuples()}
    assert len(dots) == sum(map(len, of.values())) + sum(key in printed for key in of)
    assert [label.get_text() for label in axes.get_xticklabels()] == [tasks.loc[task, "title"] for task in TASKS]
    assert axes.get_xlim() == (-0.5, 2.5)
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    assert low < min(y for _, y in dots) < max(y for _, y in dots) < high


def test_profiles_show_their_curves_and_bands(run):
    performance, scores, tasks = run
    module = import_module("nasperf360.figures.profiles_tasks")
    numbers = module.numbers(performance, scores, tasks)
    figure = module.draw(numbers, tasks)
    assert len(figure.axes) == numbers["panel"].dropna().nunique() == 2
    for axes, (panel, rows) in zip(
        figure.axes, numbers.dropna(subset="panel").groupby("panel", sort=False), strict=True
    ):
        assert axes.get_title().startswith(panel)
        assert axes.get_title().endswith(f"(n = {rows['tasks'].iloc[0]})")
        curves = [line for line in axes.get_lines() if len(line.get_xdata()) > 2]
        assert len(curves) == rows["method"].nunique() == len(METHODS)
        bands = [part for part in axes.collections if isinstance(part, PolyCollection)]
        assert len(bands) == len(METHODS)
        for line, band, (_, curve) in zip(curves, bands, rows.groupby("method", sort=False), strict=True):
            x, y = line.get_data()
            shown = curve[curve["tau"] <= x[-1]]
            np.testing.assert_allclose(x[:-1], shown["tau"])
            np.testing.assert_allclose(y[:-1], shown["fraction"])
            assert line.get_drawstyle() == "steps-post"
            corners = band.get_paths()[0].vertices
            assert corners[:, 1].min() == pytest.approx(shown["low"].min())
            assert corners[:, 1].max() == pytest.approx(shown["high"].max())
        assert axes.get_xscale() == "log"
        assert axes.get_xlim()[0] == 1.0
        assert axes.get_ylim() == (-0.02, 1.03)
