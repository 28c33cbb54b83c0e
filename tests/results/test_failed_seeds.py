"""Failed, open, absent and zero are four things: in tables, ranks, profiles, figures and tests of pairs."""

import io
import json
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from nasperf360.errors import DivergedError, UserError
from nasperf360.figures import cost, experts, profiles, style
from nasperf360.study.paths import made_path, result_path
from nasperf360.tables import forms
from nasperf360.tables.aggregate import FAILURES, UNFINISHED, aggregate, aggregate_table
from nasperf360.tables.comparison import compare, comparison_table
from nasperf360.tables.comparisons import comparisons, mean_ranks
from nasperf360.tables.performance import (
    DESPITE,
    ENTRIES,
    LATER,
    OTHERS,
    error_matrix,
    performance_table,
    read_performance,
    read_reference,
    reference_performance,
    summarise,
    with_errors,
)
from nasperf360.tables.relative import baseline_notes, improvement, relative_error
from nasperf360.tables.tasks import task_frame

from .small_run import METHODS, REFERENCE, TASKS, make_performance, make_run, scores_of


def fail(folder, key, stage="retrain"):
    """The seed's training diverges."""
    path = made_path(folder, stage, key)
    path.unlink()
    path.with_name("failure.json").write_text(json.dumps({"reason": "train_loss became nan", "kind": "diverged"}))


def tables_of(folder, keys):
    """Performance as read from its csv, and scores."""
    scores = scores_of(keys, folder)
    performance = summarise(scores, read_reference(REFERENCE))
    return read_performance(io.StringIO(forms.csv_text(performance))), scores


def set_value(folder, key, value):
    path = result_path(folder, key)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"value": value}))


@pytest.fixture
def lucky(tmp_path):
    """GAEA would win every task by the seeds that it has; on ecg one failed, on darcy one is open."""
    keys = make_run(tmp_path)
    for key in keys:
        if key[1] == "darts-gaea":
            set_value(tmp_path, key, 0.99 if key[0] == "ecg" else 0.001)
    fail(tmp_path, ("ecg", "darts-gaea", 1))
    result_path(tmp_path, ("darcy", "darts-gaea", 1)).unlink()
    return tables_of(tmp_path, keys)


def entry(table, task, method):
    """An entry of the table of performances."""
    (block,) = table.blocks
    (row,) = block[(block["Search space"] == method)].index
    (column,) = [name for name in block.columns if name.startswith(task)]
    return block.loc[row, column]


def test_a_method_with_a_failed_seed_never_wins_by_its_others(lucky):
    performance, scores = lucky
    errors = error_matrix(performance)
    assert errors.loc["ecg", "darts-gaea"] == np.inf
    assert np.isfinite(errors.loc["darcy", "darts-gaea"])
    shown = performance_table(performance, "Caption.")
    assert entry(shown, "ECG", "DARTS") == "0.990 (1) ‡"
    assert not isinstance(entry(shown, "ECG", "DARTS"), forms.Bold)
    assert isinstance(entry(shown, "ECG", "WRN"), forms.Bold)
    assert isinstance(entry(shown, "Darcy", "DARTS"), forms.Bold)
    assert DESPITE in shown.notes
    assert any("ECG, darts-gaea: failed: seed 1 retrain failed: train_loss became nan" in note for note in shown.notes)
    table = aggregate(performance, scores).set_index("space")
    assert list(table.loc["darts", ["seeds_done", "seeds_failed", "seeds_open"]]) == [4, 1, 1]
    assert table.loc["darts", "median_rank"] == 1.0  # of 1, 1 and 2
    aggregated = aggregate_table(aggregate(performance, scores), performance, scores, "Caption.")
    rank = aggregated.blocks[0].set_index("Search space").loc["DARTS", "Median rank ↓"]
    assert rank == "1.0 ‡ §"
    assert not isinstance(rank, forms.Bold)
    assert {FAILURES, UNFINISHED} <= set(aggregated.notes)


def test_a_failed_task_ranks_last_and_is_unsolved_in_profiles(lucky):
    performance, scores = lucky
    assert list(mean_ranks(performance).ranks) == pytest.approx([5 / 3, 4 / 3])
    assert comparisons(performance)["rank_difference"].iloc[0] == pytest.approx(1 / 3)
    curves = profiles.panel_profiles(error_matrix(performance), scores)
    of_gaea = curves[curves["method"] == "darts-gaea"]
    assert of_gaea["fraction"].max() == pytest.approx(2 / 3)
    assert of_gaea["low"].max() == pytest.approx(2 / 3)
    assert of_gaea["high"].max() == 1.0  # when the seed that did not fail is drawn twice
    assert curves[curves["method"] == "wrn-default"]["fraction"].max() == 1.0


def test_with_two_of_three_seeds_failed_nothing_is_won(tmp_path):
    """As in a run of one task, which such a method won by "1.0, 25.0 %" in bold."""
    keys = [key for key in make_run(tmp_path) if key[0] == "darcy"]
    for seed, value in ((0, 0.03), (1, 0.03)):
        set_value(tmp_path, ("darcy", "darts-gaea", seed), value)
    fail(tmp_path, ("darcy", "darts-gaea", 1))
    performance, scores = tables_of(tmp_path, keys)
    table = aggregate(performance, scores).set_index("space")
    assert list(table["median_rank"]) == [1.0, 2.0]
    assert table.loc["darts", "median_improvement"] == -np.inf
    text = forms.to_markdown(aggregate_table(table.reset_index(), performance, scores, "Caption."))
    assert "| **1.0** |" in text
    assert "| 2.0 ‡ |" in text


def test_a_task_that_nobody_solved_ranks_nobody(tmp_path):
    keys = make_run(tmp_path)
    for key in keys:
        if key[0] == "ecg":
            fail(tmp_path, key)
    performance, scores = tables_of(tmp_path, keys)
    table = aggregate(performance, scores)
    assert list(table["tasks"]) == [2, 2]
    assert list(table["seeds_failed"]) == [2, 2]
    shown = aggregate_table(table, performance, scores, "Caption.")
    assert "No method solved ECG: no ranks there." in shown.notes
    assert entry(performance_table(performance, "Caption."), "ECG", "WRN") == "failed"
    assert len(mean_ranks(performance).errors) == 2


def test_the_table_explains_what_stands_in_place_of_a_number(tmp_path):
    keys = make_run(tmp_path)
    for seed in (0, 1):
        result_path(tmp_path, ("darcy", "darts-gaea", seed)).unlink()
        fail(tmp_path, ("ecg", "wrn-default", seed))
    keys = [key for key in keys if key[:2] != ("cifar100", "darts-gaea")]
    performance, _ = tables_of(tmp_path, keys)
    shown = performance_table(performance, "Caption.")
    found = {
        entry(shown, "CIFAR", "DARTS"): "n/a",
        entry(shown, "Darcy", "DARTS"): "open",
        entry(shown, "ECG", "WRN"): "failed",
    }
    assert all(text == name for text, name in found.items())
    assert list(shown.notes[:3]) == list(ENTRIES.values())
    assert not {DESPITE, OTHERS} & set(shown.notes)  # no number here lacks a seed
    beside = comparison_table(compare(performance, read_reference(REFERENCE, LATER)), "Caption.").blocks[0]
    assert not beside["Here"].str.contains("‡").any()
    assert sorted(beside["Here"][beside["Here"].isin(["open", "failed"])]) == ["failed", "open"]


def test_relative_errors_follow_one_rule():
    errors = np.array([0.0, 1.0, 2.0, np.inf, np.nan])
    np.testing.assert_array_equal(relative_error(errors, 0.0), [1, np.inf, np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(relative_error(errors, 2.0), [0, 0.5, 1, np.inf, np.nan])
    assert np.isnan(relative_error(errors, np.inf)).all()
    assert np.isnan(relative_error(errors, np.nan)).all()
    np.testing.assert_array_equal(improvement(errors, 2.0), [100, 50, 0, -np.inf, np.nan])


def test_absent_failed_and_zero_are_three_sentences(tmp_path):
    keys = make_run(tmp_path)
    for seed in (0, 1):
        result_path(tmp_path, ("cifar100", "wrn-default", seed)).unlink()
        set_value(tmp_path, ("darcy", "wrn-default", seed), 0.0)
    fail(tmp_path, ("ecg", "wrn-default", 0))
    performance, scores = tables_of(tmp_path, keys)
    notes = baseline_notes(performance)
    assert notes == [
        "WRN default has no result, so no error is relative to it: CIFAR-100.",
        "WRN default failed, so no error is relative to it: ECG.",
        "WRN default has an error of 0, to which another 0 is equal and any other error infinitely larger: Darcy Flow.",
    ]
    assert set(notes) <= set(aggregate_table(aggregate(performance, scores), performance, scores, "Caption.").notes)


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.fixture
def tasks():
    return task_frame(list(TASKS), {}).set_index("task", drop=False)


def hours(performance):
    columns = {"search_hours_per_seed": 1.0, "retrain_hours_per_seed": 2.0, "hours_per_seed": 3.0}
    return performance[["task", "method"]].assign(**columns, retrain_device="CPU")


def test_a_baseline_without_error_empties_no_figure(tmp_path, tasks):
    keys = make_run(tmp_path)
    for key in keys:
        if key[1] == "wrn-default":
            set_value(tmp_path, key, 1.0 if key[0] == "ecg" else 0.0)
    performance, scores = tables_of(tmp_path, keys)
    module = import_module("nasperf360.figures.scores")
    numbers = module.numbers(performance, scores, tasks)
    means = numbers[numbers["kind"] == "mean"].set_index("method")["relative_error"]
    assert list(means["wrn-default"]) == [1, 1, 1]
    assert list(means["darts-gaea"]) == [np.inf] * 3
    drawn = module.draw(numbers, tasks)
    assert texts(drawn).count("∞") == 3
    assert any("has an error of 0" in text for text in texts(drawn))
    spent = cost.draw(cost.numbers(performance, hours(performance)), tasks, baseline_notes(performance))
    assert texts(spent).count("∞") == 3
    style.save(spent, [tmp_path / "x.png"], True)


def test_an_error_of_0_is_drawn_at_the_lower_end(tmp_path, tasks):
    keys = make_run(tmp_path)
    for seed in (0, 1):
        set_value(tmp_path, ("darcy", "darts-gaea", seed), 0.0)
    performance, scores = tables_of(tmp_path, keys)
    module = import_module("nasperf360.figures.scores")
    assert "0" in texts(module.draw(module.numbers(performance, scores, tasks), tasks))
    assert "0" in texts(cost.draw(cost.numbers(performance, hours(performance)), tasks))


def test_figures_name_the_methods_that_failed(lucky, tasks):
    performance, scores = lucky
    later = reference_performance(read_reference(REFERENCE, LATER))
    module = import_module("nasperf360.figures.scores")
    numbers = module.numbers(performance, scores, tasks)
    drawn = [
        module.draw(numbers, tasks),
        cost.draw(cost.numbers(performance, hours(performance)), tasks),
        experts.draw(experts.numbers(performance, later), tasks),
    ]
    for figure in drawn:
        assert any("Seeds failed, so there is no mean: DARTS GAEA (ECG)." in text for text in texts(figure))
        assert "∞" not in texts(figure)
    seeds = numbers[(numbers["kind"] == "seed") & (numbers["task"] == "ecg") & (numbers["method"] == "darts-gaea")]
    assert len(seeds) == 1


def test_failures_say_their_kind():
    assert (UserError.kind, DivergedError.kind) == (None, "diverged")


def test_the_best_of_nas_beside_the_expert():
    performance = reference_performance(read_reference(REFERENCE))
    later = read_reference(REFERENCE, LATER)
    assert len(later) == 28
    table = compare(performance, later).drop_duplicates("task").set_index("task")
    printed = pd.read_csv(REFERENCE)
    for task, rows in printed.groupby("task"):
        searched = rows[(rows["source"] == "paper") & (rows["space"] != "wrn")]
        higher = searched["higher_is_better"].iloc[0]
        best = searched.loc[searched["mean"].idxmax() if higher else searched["mean"].idxmin()]
        assert table.loc[task, "best_of_nas"] == best["mean"]
        expert = rows[rows["space"] == "expert"]["mean"]
        assert list(expert) == ([] if task == "cosmic" else [table.loc[task, "expert"]])
    assert table.loc["deepsea", "best_of_nas_method"] == "amber-enas"
    beside = comparison_table(compare(performance, later), "Caption.").blocks[1].set_index("Task")
    assert beside.loc["Darcy Flow", "Ratio, of errors"] == "3.25"  # 0.026 over 0.008
    assert beside.loc["Cosmic", "Expert"] == "n/a"


def test_the_best_of_nas_has_no_failed_seed(lucky):
    performance, _ = lucky
    table = compare(performance, read_reference(REFERENCE, LATER)).drop_duplicates("task").set_index("task")
    assert table["best_of_nas_method"].fillna("").to_dict() == {
        "cifar100": "darts-gaea",
        "darcy": "darts-gaea",
        "ecg": "",
    }
    (marked,) = [
        text
        for text in comparison_table(compare(performance, read_reference(REFERENCE, LATER)), "").blocks[0]["Here"]
        if "‡" in text
    ]
    assert marked == "0.990 ‡"
    assert set(METHODS) == {"wrn-default", "darts-gaea"}


def test_experts_are_the_line_at_1():
    performance = read_performance(io.StringIO(forms.csv_text(reference_performance(read_reference(REFERENCE)))))
    numbers = experts.numbers(performance, reference_performance(read_reference(REFERENCE, LATER)))
    rows = numbers.set_index(["task", "method"])["relative_error"]
    assert rows["ecg", "darts-gaea"] == pytest.approx(0.34 / 0.28)
    assert rows["cifar100", "xgboost-default"] == pytest.approx(84.83 / 19.39)
    assert rows["cosmic"].isna().all()
    assert len(numbers) == 56 + 19
    drawn = experts.draw(numbers, task_frame(list(numbers["task"].unique()), {}).set_index("task", drop=False))
    assert {"XGBoost", "Perceiver IO", "DARTS GAEA"} <= set(texts(drawn))
    assert any("No expert's error is printed: Cosmic." in text for text in texts(drawn))
    # Nine methods side by side, the fifth above the name of the task: none covers another.
    shown = numbers.dropna(subset="relative_error")
    methods, names = list(dict.fromkeys(shown["method"])), list(dict.fromkeys(shown["task"]))
    places = [tuple(point) for part in drawn.axes[0].collections for point in part.get_offsets()]
    for row in shown.itertuples():
        place = names.index(row.task) + (methods.index(row.method) - 4) * experts.SPREAD / 9
        assert any(point == pytest.approx((place, row.relative_error)) for point in places), (row.task, row.method)


def test_methods_within_the_critical_difference_are_joined():
    module = import_module("nasperf360.figures.critical_difference")
    # Ranks 1, 2, 3 and 4 on each of twelve tasks: the critical difference of 1.354 joins neighbours alone.
    values = {"d-x": 4.0, "b-x": 2.0, "c-x": 3.0, "a-x": 1.0}
    performance = with_errors(make_performance({name: [value] * 12 for name, value in values.items()}))
    numbers = module.numbers(performance, None, None)
    assert list(numbers["method"]) == ["a-x", "b-x", "c-x", "d-x"]
    assert list(numbers["mean_rank"]) == [1, 2, 3, 4]
    assert numbers["critical_difference"].iloc[0] == pytest.approx(1.354, abs=1e-3)
    drawn = module.draw(numbers, None)
    bars = [tuple(line.get_xdata()) for line in drawn.axes[0].lines if len(line.get_xdata()) == 2]
    assert bars[:3] == [(1, 2), (2, 3), (3, 4)]
    assert bars[3] == pytest.approx((1, 1 + numbers["critical_difference"].iloc[0]))
