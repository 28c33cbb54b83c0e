"""Figures: the same bytes for the same numbers, simulated data named, and a run that lacks methods still drawn."""

from importlib import import_module

import matplotlib
import pandas as pd
import pytest

from nasperf360.errors import UserError
from nasperf360.figures import style
from nasperf360.tables.performance import read_reference, reference_performance, summarise, with_errors
from nasperf360.tables.tasks import task_frame

from .small_run import REFERENCE, TASKS, make_run, scores_of

FIGURES = ["profiles_settings", "profiles_tasks", "profiles_groups", "scores"]


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


@pytest.mark.parametrize("name", FIGURES)
def test_a_run_of_one_method_is_drawn(name, run, tmp_path):
    performance, scores, tasks = run
    only = performance[performance["method"] == "darts-gaea"]
    figure, numbers = draw(name, only, scores[scores["method"] == "darts-gaea"], tasks)
    style.save(figure, [tmp_path / "x.png", tmp_path / "x.csv"], True, numbers)
    wanted = {
        "scores": "no task has a result of wrn-default, to which errors are compared",
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
    assert set(numbers["method"]) == {"wrn-default", "densenas-random", "densenas-original", "wrn-asha", "darts-gaea"}


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
