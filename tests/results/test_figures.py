"""Figures: the same bytes for the same numbers, simulated data named, and a run that lacks methods still drawn."""

from importlib import import_module
from itertools import pairwise

import matplotlib
import numpy as np
import pandas as pd
import pytest

from nasperf360.errors import UserError
from nasperf360.figures import style
from nasperf360.tables.performance import read_reference, reference_performance, summarise, with_errors
from nasperf360.tables.tasks import task_frame

from .small_run import REFERENCE, TASKS, make_performance, make_run, scores_of

FIGURES = ["profiles_settings", "profiles_tasks", "profiles_groups", "scores", "critical_difference"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    scores = scores_of(make_run(folder), folder)
    tasks = task_frame(list(TASKS), {}).set_index("task", drop=False)
    return with_errors(summarise(scores, read_reference(REFERENCE))), scores, tasks


def draw(name, performance, scores, tasks):
    module = import_module(f"nasperf360.figures.{name}")
    numbers = module.numbers(performance, scores, tasks)
    return module.draw(numbers, tasks), numbers


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in FIGURES[:3]] + FIGURES[3:])
def test_same_numbers_same_bytes(name, run, tmp_path):
    first, second = (
        [tmp_path / str(turn) / f"{name}.{form}" for form in ("pdf", "svg", "csv", "png")] for turn in (1, 2)
    )
    for turn, outputs in enumerate((first, second)):
        with matplotlib.rc_context({"font.size": 8 + 4 * turn, "svg.hashsalt": str(turn)}):  # a user's matplotlibrc
            figure, numbers = draw(name, *run)
            style.save(figure, outputs, True, numbers)
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.suffix
        assert one.stat().st_size > 200
    assert b"CreationDate" not in first[0].read_bytes()
    assert b"<dc:date>" not in first[1].read_bytes()


def texts(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


def test_simulated_data_are_named_on_the_figure_and_in_its_csv(run, tmp_path):
    for simulated in (True, False):
        figure, numbers = draw("scores", *run)
        style.save(figure, [tmp_path / "x.svg", tmp_path / "x.csv"], simulated, numbers)
        assert any("imulated data" in text for text in texts(figure)) is simulated
        assert pd.read_csv(tmp_path / "x.csv")["simulated"].eq(simulated).all()


def test_simulated_images_are_named_on_top_of_them_and_on_any_ground(tmp_path):
    pixels = []
    for simulated in (False, True):
        for ground in ("black", "white"):
            figure = matplotlib.figure.Figure(figsize=(4, 1), facecolor=ground)
            figure.add_axes((0, 0, 1, 1), facecolor=ground, xticks=[], yticks=[])
            path = tmp_path / f"{ground}-{simulated}.png"
            style.save(figure, [path], simulated, mark=style.IMAGES)
            pixels.append(matplotlib.image.imread(path)[..., :3])
    plain, marked = pixels[:2], pixels[2:]
    assert (marked[0] > 0.8).mean() > (plain[0] > 0.8).mean() + 0.03  # white letters on black
    assert (marked[1] < 0.2).mean() > (plain[1] < 0.2).mean() + 0.01  # their black edges on white
    assert style.IMAGES.sentence in texts(figure)
    assert style.RESULTS.sentence not in texts(figure)


@pytest.mark.parametrize("name", FIGURES)
def test_a_run_of_one_method_is_drawn(name, run, tmp_path):
    performance, scores, tasks = run
    only = performance[performance["method"] == "darts-gaea"]
    figure, numbers = draw(name, only, scores[scores["method"] == "darts-gaea"], tasks)
    style.save(figure, [tmp_path / "x.png", tmp_path / "x.csv"], True, numbers)
    wanted = {
        "scores": "WRN default has no result, so no error is relative to it: CIFAR-100, Darcy Flow, ECG.",
        "critical_difference": "No test of the ranking: it takes three methods that have every task, and two tasks; "
        "here are 1 and 3.",
        "profiles_settings": "no results in this run",
        "profiles_tasks": "All tasks (n = 3)",
        "profiles_groups": "1-D (n = 1)",
    }
    assert wanted[name] in texts(figure)


def test_the_panels_hold_the_methods_that_the_paper_shows():
    performance = reference_performance(read_reference(REFERENCE))
    info = {"cifar100": (2, "point"), "spherical": (2, "point"), "darcy": (2, "dense"), "ecg": (1, "point")}
    tasks = pd.DataFrame([(name, *kind) for name, kind in info.items()], columns=["task", "dimensions", "kind"])
    module = import_module("nasperf360.figures.profiles_tasks")
    numbers = module.numbers(with_errors(performance), None, tasks)
    assert dict(numbers.groupby("panel")["tasks"].first()) == {"All tasks": 4, "2-D point tasks": 2}
    shown = numbers.dropna(subset="panel")
    assert set(shown["method"]) == {"wrn-default", "densenas-random", "densenas-original", "wrn-asha", "darts-gaea"}


def test_a_figure_names_the_methods_of_the_run_that_it_leaves_out(run):
    performance, scores, tasks = run
    mine = performance[performance["method"] == "wrn-default"].assign(algorithm="mine", method="wrn-mine")
    figure, numbers = draw("profiles_settings", pd.concat([performance, mine]), scores, tasks)
    assert list(numbers[numbers["panel"].isna()]["method"]) == ["wrn-mine"]
    assert any("Methods not shown: WRN mine." in text for text in texts(figure))
    assert "WRN mine" not in texts(figure)  # nor in the legend
    figure, _ = draw("profiles_settings", performance, scores, tasks)
    assert not any("not shown" in text for text in texts(figure))


def test_bands_are_no_confidence_bands_and_say_how_many_seeds_they_rest_on(run):
    performance, scores, tasks = run
    figure, _ = draw("profiles_tasks", performance, scores, tasks)
    assert any("spread over resampled seeds, at most 2 per task and method" in text for text in texts(figure))
    assert not any("95" in text for text in texts(figure))
    figure, _ = draw("profiles_tasks", performance, scores[scores["seed"] == 0], tasks)
    assert not any("Shaded" in text for text in texts(figure))


def test_a_value_beyond_an_empty_decade_is_an_outlier_unless_many_are():
    values = [0.3, 0.5, 1, 1, 1, 1.5, 2, 2, 3]
    assert style.last_inlier([*values, 29]) == 29
    assert style.last_inlier([*values, 31]) == 3
    assert style.last_inlier([*values, 200, 300]) == 3
    assert style.last_inlier([*values, 200, 300, 400]) == 400
    assert style.last_inlier([1, 100]) == 100


def with_outlier(run):
    """The run with a hundredfold error of one method on one task."""
    performance, scores, tasks = run
    performance, scores = performance.copy(), scores.copy()
    for frame, columns in ((performance, ["mean", "error"]), (scores, ["value"])):
        frame.loc[(frame["task"] == "darcy") & (frame["method"] == "darts-gaea"), columns] *= 100
    return performance, scores, tasks


def test_outliers_are_written_at_the_end_of_the_axis_of_scores(run):
    figure, numbers = draw("scores", *with_outlier(run))
    beyond = numbers[(numbers["relative_error"] > 10) & (numbers["kind"] == "seed")]["relative_error"]
    assert figure.axes[0].get_ylim()[1] < 10
    assert f"{beyond.min():.3g}–{beyond.max():.3g}" in texts(figure)


def test_steps_beyond_the_axis_of_a_profile_are_written_at_its_end():
    errors = {"wrn-default": [1, 1, 1, 1], "wrn-asha": [1.1, 1.2, 1.3, 1.4], "darts-gaea": [1.5, 1.6, 1.7, 100]}
    module = import_module("nasperf360.figures.profile_panels")
    performance = make_performance(errors)
    numbers = module.numbers(performance, None, {"P": ([f"task{index}" for index in range(4)], list(errors))})
    figure = module.draw(numbers, ["P"])
    assert numbers["tau"].max() > 100  # the csv holds the whole profile
    assert figure.axes[0].get_xlim()[1] == pytest.approx(1.7 * 1.1)
    assert "next step at 100 →" in texts(figure)
    assert max(line.get_xdata().max() for line in figure.axes[0].lines) == pytest.approx(1.7 * 1.1)


def test_a_panel_whose_results_are_all_missing_is_drawn():
    module = import_module("nasperf360.figures.profile_panels")
    performance = make_performance({"wrn-default": [np.nan], "wrn-asha": [np.nan]})
    figure = module.draw(module.numbers(performance, None, {"P": (["task0"], ["wrn-default"])}), ["P"])
    assert all((line.get_ydata() == 0).all() for line in figure.axes[0].lines)


@pytest.mark.parametrize(("axis", "size"), [("x", 1.2), ("x", 4), ("y", 1.2), ("y", 4)])
@pytest.mark.parametrize("span", [1.3, 3, 8, 50, 3000])
def test_the_labels_of_a_logarithmic_axis_stand_apart(axis, size, span):
    with style.context():
        figure = matplotlib.figure.Figure(figsize=(size, size))
        axes = figure.subplots()
        style.log_axis(axes, axis, 0.25, 0.25 * span)
        figure.draw_without_rendering()
        target = axes.xaxis if axis == "x" else axes.yaxis
        boxes = [label.get_window_extent() for label in target.get_ticklabels()]
    assert boxes
    assert not any(one.overlaps(other) for one, other in pairwise(boxes))


def test_scores_are_relative_to_the_mean_of_the_baseline(run):
    performance, scores, tasks = run
    _, numbers = draw("scores", performance, scores, tasks)
    base = performance[(performance["method"] == "wrn-default") & (performance["task"] == "ecg")]["error"].iloc[0]
    seeds = numbers[(numbers["kind"] == "seed") & (numbers["task"] == "ecg") & (numbers["method"] == "darts-gaea")]
    values = scores[(scores["task"] == "ecg") & (scores["method"] == "darts-gaea")]["value"]
    assert list(seeds["relative_error"]) == pytest.approx(list((1 - values) / base))
    paper = numbers[(numbers["kind"] == "paper") & (numbers["task"] == "ecg") & (numbers["method"] == "darts-gaea")]
    assert list(paper["relative_error"]) == pytest.approx([0.34 / 0.43])


def test_a_method_keeps_its_look_and_a_new_one_gets_one_by_name():
    known = [style.look(name) for name in ("wrn-default", "wrn-asha", "darts-gaea", "densenas-random")]
    assert len({look.colour for look in known}) == 4
    assert style.look("darts-random") == style.look("darts-random")
    assert style.look("darts-random").colour not in {look.colour for look in known}


def test_unknown_form_and_csv_without_numbers_are_refused(run, tmp_path):
    figure, _ = draw("scores", *run)
    for name in ("x.gif", "x.csv"):
        with pytest.raises(UserError, match=name):
            style.save(figure, [tmp_path / name], False)
