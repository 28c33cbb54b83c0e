"""Ranks, intervals and tests of methods against independent computations, and against what the paper's results give."""

import sys
from importlib import import_module
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nasperf360.tables import forms
from nasperf360.tables.aggregate import aggregate, aggregate_table
from nasperf360.tables.comparisons import (
    comparisons,
    comparisons_table,
    critical_difference,
    holm,
    mean_ranks,
    wilcoxon_p,
)
from nasperf360.tables.performance import error_matrix, read_reference, reference_performance, summarise, with_errors
from nasperf360.tables.ranks import ranks
from nasperf360.tables.resampling import drawn_errors, median_intervals, resampled_errors

from .small_run import REFERENCE, make_performance, make_run, scores_of


@pytest.fixture(scope="module")
def paper():
    return with_errors(reference_performance(read_reference(REFERENCE)))


def test_ranks_are_scipy_s_and_count_failed_methods_last():
    rng = np.random.default_rng(3)
    errors = rng.integers(0, 5, size=(50, 6)).astype(float)
    np.testing.assert_array_equal(ranks(errors), stats.rankdata(errors, axis=1))
    errors[rng.random(errors.shape) < 0.2] = np.inf
    errors[rng.random(errors.shape) < 0.2] = np.nan
    errors[0] = [np.inf, np.inf, np.nan, np.nan, np.inf, np.inf]
    expected = pd.DataFrame(errors).rank(axis="columns").to_numpy().copy()
    expected[~np.isfinite(errors).any(axis=1)] = np.nan  # a task that nobody solved ranks nobody
    np.testing.assert_array_equal(ranks(errors), expected)
    assert np.isnan(ranks(errors)[0]).all()


def test_wilcoxon_is_scipy_s_exact_one_where_nothing_ties():
    rng = np.random.default_rng(4)
    for size in (1, 3, 10, 25):
        first, second = rng.uniform(0.1, 1, size=(2, size))
        expected = stats.wilcoxon(np.log(first / second), method="exact").pvalue
        assert wilcoxon_p(first, second) == pytest.approx(expected, rel=1e-12)


def by_all_signs(first, second):
    """Two-sided p from every way in which the signs could have fallen."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a != b]
    with np.errstate(divide="ignore"):
        ratios = np.array([np.log(a) - np.log(b) for a, b in pairs])
    places = stats.rankdata(np.abs(ratios).round(9))
    sums = np.array([np.dot(places, signs) for signs in product((0, 1), repeat=len(ratios))])
    observed = places[ratios > 0].sum()
    return min(1.0, 2 * min((sums <= observed).mean(), (sums >= observed).mean()))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([1, 2, 4, 3, 5], [2, 1, 2, 3, 1]),  # ratios of 2 tie, equal errors count for nothing
        ([0.3, 0.6, 1.2, 1.0], [0.1, 0.2, 0.4, 3.0]),  # ratios of 3 that differ in their last bits
        ([0, 1, 2, np.inf, 5, 6], [1, 2, 1, 3, 4, 5]),  # an error of 0 and a failed method
        ([np.inf, np.inf, 1], [np.inf, 2, 3]),
    ],
)
def test_wilcoxon_with_ties_zeros_and_failures_is_exact(first, second):
    assert wilcoxon_p(first, second) == pytest.approx(by_all_signs(first, second), rel=1e-12)


def test_wilcoxon_of_equal_errors_has_no_p():
    assert np.isnan(wilcoxon_p([1.0, 0.0], [1.0, 0.0]))


def test_holm():
    p = [0.01, 0.04, 0.03, np.nan, 0.005, 0.9]
    known = [value for value in p if not np.isnan(value)]
    expected = []
    for value in p:  # the definition, for each p: the largest product among those that are not larger
        smaller = sorted(other for other in known if other <= value)
        expected.append(np.nan if np.isnan(value) else min(1, max((len(known) - k) * q for k, q in enumerate(smaller))))
    np.testing.assert_allclose(holm(p), expected)


# q of the Nemenyi test at 5 %: Demsar (2006), Table 5a.
@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (7, 2.949), (10, 3.164)])
def test_the_critical_difference_is_demsar_s(methods, q):
    assert critical_difference(methods, 14) == pytest.approx(q * np.sqrt(methods * (methods + 1) / 84), abs=1e-3)


def test_what_the_paper_s_ranking_rests_on(paper):
    """Friedman's p 0.17, the largest gap 1.5 below the critical difference of 1.93, GAEA against WRN 0.13."""
    errors = error_matrix(paper).dropna(axis="columns")
    assert errors.shape == (10, 5)
    found = mean_ranks(paper)
    assert found.friedman_p == pytest.approx(stats.friedmanchisquare(*errors.to_numpy().T).pvalue)
    assert found.friedman_p == pytest.approx(0.17, abs=0.005)
    assert found.critical_difference == pytest.approx(1.93, abs=0.005)
    assert found.ranks.max() - found.ranks.min() == pytest.approx(1.5)
    assert found.left_out == ["autodl-darts", "amber-enas"]
    table = comparisons(paper)
    assert len(table) == 10
    pairs = table.set_index(["first", "second"])
    for first, second in combinations(errors.columns, 2):
        row = pairs.loc[(first, second)]
        assert row["p"] == pytest.approx(by_all_signs(errors[first], errors[second]), rel=1e-9)
        by_task = errors.rank(axis="columns")
        assert row["rank_difference"] == pytest.approx((by_task[first] - by_task[second]).mean())
    assert pairs.loc[("wrn-default", "darts-gaea"), "p"] == pytest.approx(0.13, abs=0.005)
    assert list(pairs["p_holm"]) == list(holm(table["p"]))
    assert set(pairs["tasks"]) == {10}
    text = forms.to_markdown(comparisons_table(table, paper, "Caption."))
    assert "On 10 tasks Friedman's p is 0.17; the largest gap of mean ranks, 1.50, is not larger" in text
    assert "Not compared, since they lack a task: Auto-DL DARTS, AMBER ENAS." in text


def test_the_script_writes_the_comparisons(paper, tmp_path):
    (tmp_path / "performance.csv").write_text(forms.csv_text(reference_performance(read_reference(REFERENCE))))
    sys.path.insert(0, str(REFERENCE.parents[1] / "workflow" / "scripts"))
    outputs = [tmp_path / f"comparisons.{form}" for form in ("csv", "md", "tex")]
    import_module("comparisons_table").main(tmp_path / "performance.csv", outputs)
    columns = ["first", "second", "tasks", "p", "p_holm", "rank_difference", "critical_difference"]
    assert list(pd.read_csv(outputs[0]).columns[:7]) == columns


def test_the_interval_of_gaea_s_improvement(paper):
    """18.1 to 21.7 by seeds alone, about -0.9 to 39.3 by tasks and seeds: against draws of the test's own."""
    rng = np.random.default_rng(7)
    by_method = {name: frame.set_index("task") for name, frame in paper.groupby("method")}
    tasks = list(by_method["wrn-default"].index)

    def draw(method, places):
        mean, std = (by_method[method].loc[tasks, name].to_numpy()[places, None] for name in ("error", "std"))
        return rng.normal(mean, std, (*places.shape, 3)).mean(axis=-1)

    def medians(places):
        return np.median(100 * (1 - draw("darts-gaea", places) / draw("wrn-default", places)), axis=-1)

    seeds = medians(np.tile(np.arange(10), (20000, 1)))
    both = medians(rng.integers(10, size=(20000, 10)))
    methods = ["wrn-default", "darts-gaea"]
    drawn = drawn_errors(paper[paper["method"].isin(methods)], tasks, methods)
    of_seeds = np.median(100 * (1 - drawn[..., 1] / drawn[..., 0]), axis=1)
    np.testing.assert_allclose(np.quantile(of_seeds, [0.025, 0.975]), np.quantile(seeds, [0.025, 0.975]), atol=0.5)
    np.testing.assert_allclose(np.quantile(of_seeds, [0.025, 0.975]), [18.1, 21.7], atol=0.5)
    row = aggregate(paper, None).set_index(["space", "algorithm"]).loc[("darts", "gaea")]
    limits = row[["median_improvement_low", "median_improvement_high"]].astype(float)
    np.testing.assert_allclose(limits, np.quantile(both, [0.025, 0.975]), atol=1)
    np.testing.assert_allclose(limits, [-0.9, 39.3], atol=1)


def test_intervals_of_a_run_come_from_its_seeds(tmp_path):
    scores = scores_of(make_run(tmp_path), tmp_path)
    tasks, methods = list(dict.fromkeys(scores["task"])), list(dict.fromkeys(scores["method"]))
    drawn = resampled_errors(scores, tasks, methods)
    for row, task in enumerate(tasks):
        for column, method in enumerate(methods):
            values = scores[(scores["task"] == task) & (scores["method"] == method)]["value"]
            errors = 1 - values if task == "ecg" else values
            low, high = sorted(errors)
            means, counts = np.unique(drawn[:, row, column].round(12), return_counts=True)
            np.testing.assert_allclose(means, [low, (low + high) / 2, high])
            np.testing.assert_allclose(counts / 1000, [0.25, 0.5, 0.25], atol=0.05)
    table = aggregate(summarise(scores, read_reference(REFERENCE)), scores)
    assert (table["median_rank_low"] <= table["median_rank"]).all()
    assert (table["median_rank"] <= table["median_rank_high"]).all()
    assert list(table["seeds_done"]) == [6, 6]


def test_a_task_drawn_twice_has_other_seeds_each_time():
    """Tasks alike, whose improvements spread by seeds alone: drawing tasks anew must not widen the interval."""
    rng = np.random.default_rng(1)
    errors = np.ones((4000, 10, 2))
    errors[..., 1] -= rng.normal(size=errors.shape[:2]) / 100
    _, (low, high) = median_intervals(errors, 0)
    expected = np.quantile(np.median(rng.normal(size=(20000, 10)), axis=1), [0.025, 0.975])
    np.testing.assert_allclose([low[1], high[1]], expected, atol=0.06)


def test_one_task_gives_no_interval_and_two_methods_no_test_of_ranks():
    performance = with_errors(make_performance({"wrn-default": [1.0], "a-x": [2.0]}))
    assert aggregate(performance, None).filter(like="_low").isna().all(axis=None)
    table = comparisons(performance)
    assert list(table["p"]) == [1.0]
    assert table[["critical_difference", "friedman_p"]].isna().all(axis=None)
    text = forms.to_markdown(comparisons_table(table, performance, "Caption."))
    assert "it takes three methods that have every task, and two tasks; here are 2 and 1." in text
    alone = with_errors(make_performance({"a-x": [2.0, 1.0]}))
    assert comparisons(alone).empty
    forms.to_latex(comparisons_table(comparisons(alone), alone, "Caption."))


def test_methods_that_tie_everywhere_do_not_differ():
    performance = with_errors(make_performance({"a-x": [1.0, 2.0], "b-x": [1.0, 2.0], "c-x": [1.0, 2.0]}))
    assert mean_ranks(performance).friedman_p == 1.0
    assert comparisons(performance)["p"].isna().all()


def test_infinite_improvements_have_infinite_limits():
    performance = make_performance({"wrn-default": [0.0, 0.0, 1.0], "a-x": [1.0, 1.0, 0.5]})
    row = aggregate(performance, None).iloc[1]
    assert row["median_improvement"] == -np.inf
    assert list(row[["median_improvement_low", "median_improvement_high"]]) == [-np.inf, 50.0]
    table = aggregate(performance, None)
    text = forms.to_markdown(aggregate_table(table, with_errors(performance), None, "Caption."))
    assert "−∞ to 50.0" in text
