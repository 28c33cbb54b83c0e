"""Performance profiles against their definition, at their steps, with missing results, and their bands."""

import numpy as np
import pandas as pd
import pytest

from nasperf360.figures.profiles import bands, most_seeds, panel_profiles, performance_ratios, profile
from nasperf360.tables.performance import error_matrix, read_reference, reference_performance

from .small_run import REFERENCE


def fraction(errors, method, tau):
    """The definition, task by task."""
    solved = 0
    for row in errors:
        present = [value for value in row if not np.isnan(value)]
        solved += bool(present) and not np.isnan(row[method]) and row[method] <= tau * min(present)
    return solved / len(errors)


def test_profiles_follow_the_definition():
    rng = np.random.default_rng(5)
    errors = rng.integers(1, 9, size=(12, 4)).astype(float)  # small integers: many ties
    errors[rng.random(errors.shape) < 0.2] = np.nan
    errors[3] = np.nan  # a task that no method solves
    taus = np.array([1.0, 1.25, 1.5, 2.0, 3.0, 8.0])  # exact quotients are among them
    curves = profile(performance_ratios(errors), taus)
    for method in range(4):
        assert list(curves[method]) == [fraction(errors, method, tau) for tau in taus]


def test_of_methods_without_a_result_there_are_no_seeds():
    scores = pd.DataFrame({"task": ["p", "p"], "method": ["a-x", "a-x"], "seed": [0, 1], "value": [1.0, 2.0]})
    scores = scores.assign(outcome="done", higher_is_better=False)
    assert most_seeds(scores, ["p"], ["a-x"]) == 2
    assert most_seeds(scores, ["p"], ["b-x"]) == 0


def test_a_profile_is_right_continuous_at_its_steps():
    ratios = performance_ratios(np.array([[1.0, 3.0], [1.0, 2.0]]))
    assert list(profile(ratios, np.array([np.nextafter(2.0, 0), 2.0, 3.0]))[1]) == [0.0, 0.5, 1.0]


def test_the_curve_of_a_panel_has_a_point_at_every_step():
    errors = pd.DataFrame({"a-x": [1.0, 2.0, 4.0], "b-x": [3.0, 2.0, 5.0]}, index=["p", "q", "r"])
    curves = panel_profiles(errors, None).set_index("method")
    assert list(curves.loc["b-x", "tau"][:3]) == [1.0, 1.25, 3.0]
    assert list(curves.loc["b-x", "fraction"][:3]) == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert list(curves.loc["a-x", "fraction"]) == [1.0] * 4
    assert curves["low"].isna().all()
    assert set(curves["seeds"]) == {0}


def test_a_missing_result_is_never_solved():
    errors = pd.DataFrame({"a-x": [1.0, np.nan], "b-x": [2.0, 1.0]}, index=["p", "q"])
    curves = panel_profiles(errors, None)
    assert curves[curves["method"] == "a-x"]["fraction"].max() == 0.5
    assert curves[curves["method"] == "b-x"]["fraction"].max() == 1.0


def test_zero_errors():
    ratios = performance_ratios(np.array([[0.0, 0.0, 1.0]]))
    assert list(ratios[0]) == [1.0, 1.0, np.inf]


def test_the_paper_s_figure_1():
    """DenseNAS and WRN each best on six tasks (two ties) of ten; GAEA at or below tuned WRN on seven."""
    errors = error_matrix(reference_performance(read_reference(REFERENCE)))
    small = panel_profiles(errors[["wrn-default", "densenas-original"]], None)
    assert list(small[small["tau"] == 1]["fraction"]) == [0.6, 0.6]
    large = panel_profiles(errors[["wrn-asha", "darts-gaea"]], None)
    assert list(large[large["tau"] == 1]["fraction"]) == [0.3, 0.7]


def make_scores(values):
    rows = [
        {"task": task, "method": method, "seed": seed, "value": value, "higher_is_better": False}
        | {"outcome": "failed" if np.isnan(value) else "complete"}
        for (task, method), seeds in values.items()
        for seed, value in enumerate(seeds)
    ]
    return pd.DataFrame(rows)


def test_bands_enclose_what_the_seeds_allow():
    scores = make_scores({("p", "a-x"): [1.0, 1.0], ("p", "b-x"): [1.5, 2.5], ("q", "a-x"): [1.0], ("q", "b-x"): [3.0]})
    taus = np.array([1.0, 1.5, 2.0, 2.5, 3.0])
    low, high = bands(scores, ["p", "q"], ["a-x", "b-x"], taus)
    assert list(low[0]) == list(high[0]) == [1.0] * 5  # always the best
    assert list(low[1]) == [0.0, 0.0, 0.0, 0.5, 1.0]
    assert list(high[1]) == [0.0, 0.5, 0.5, 0.5, 1.0]


def test_a_further_method_leaves_the_draws_of_the_others_alone():
    values = {("p", "a-x"): [1.0, 1.3, 1.6], ("p", "b-x"): [1.5, 2.5, 2.0]}
    taus = np.geomspace(1, 3, 50)
    alone = bands(make_scores(values), ["p"], ["a-x", "b-x"], taus)
    more = bands(make_scores({("p", "0-x"): [9.0, 8.0]} | values), ["p"], ["0-x", "a-x", "b-x"], taus)
    np.testing.assert_array_equal(alone, more[:, 1:])


def test_one_seed_gives_no_band_and_two_give_one():
    errors = pd.DataFrame({"a-x": [1.0], "b-x": [2.0]}, index=["p"])
    single = panel_profiles(errors, make_scores({("p", "a-x"): [1.0], ("p", "b-x"): [2.0]}))
    double = panel_profiles(errors, make_scores({("p", "a-x"): [1.0], ("p", "b-x"): [1.5, 2.5]}))
    assert single["low"].isna().all()
    assert (set(single["seeds"]), set(double["seeds"])) == ({1}, {2})
    assert double["low"].notna().all()
    assert (double["low"] <= double["high"]).all()
