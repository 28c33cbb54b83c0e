"""Costs: hours add up by stage, devices are said, missing experiments stay empty, cost files alone decide the table."""

import json

import pandas as pd
import pytest
from matplotlib.text import Text

from nasperf360.errors import DataError
from nasperf360.figures import cost as figure
from nasperf360.figures import style
from nasperf360.study import paths, results
from nasperf360.tables import costs, forms
from nasperf360.tables.performance import read_reference, summarise, with_errors
from nasperf360.tables.relative import baseline_notes
from nasperf360.tables.tasks import task_frame

from .small_run import EXPERIMENTS, REFERENCE, TASKS, make_run, scores_of

HOUR = 3600


def write_cost(folder, stage, key, seconds, device="cpu", **more):
    path = paths.cost_path(folder, stage, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"device": device, "device_name": device.upper(), "wall_seconds": seconds, "peak_memory_mb": 512}
    path.write_text(json.dumps(content | {"simulated": True} | more))


def make_costs(folder, device="cpu"):
    """A search of (1 + seed) hours and a retraining of 10 hours per experiment."""
    for key in EXPERIMENTS:
        write_cost(folder, "search", key, (1 + key[2]) * HOUR, "cpu")
        write_cost(
            folder, "retrain", key, 10 * HOUR, device, **({"peak_gpu_memory_mb": 2048} if device == "cuda" else {})
        )


def table_of(folder, keys=EXPERIMENTS):
    return costs.summarise(costs.job_costs(folder, keys), keys)


def test_hours_are_sums_and_means_over_seeds_search_and_retraining_apart(tmp_path):
    make_costs(tmp_path, "cuda")
    row = table_of(tmp_path).iloc[0]
    assert (row["search_hours"], row["search_hours_per_seed"]) == (3, 1.5)
    assert (row["retrain_hours"], row["retrain_hours_per_seed"]) == (20, 10)
    assert row["hours_per_seed"] == 11.5
    assert (row["search_device"], row["retrain_device"], row["device_names"]) == ("CPU", "GPU", "CPU; CUDA")
    assert (row["search_memory_gb"], row["retrain_memory_gb"]) == (0.5, 2)


def test_a_search_that_seeds_share_counts_once(tmp_path):
    make_costs(tmp_path)  # seed 1 has a search of its own, left from before
    keys = [(task, method, seed) for task, method, _ in EXPERIMENTS[::2] for seed in (0, 1)]
    row = costs.summarise(costs.job_costs(tmp_path, keys, searches=1), keys).iloc[0]
    assert (row["search_hours"], row["search_seeds"]) == (1, 1)
    assert (row["retrain_hours"], row["retrain_seeds"]) == (20, 2)
    assert len(paths.cost_paths(tmp_path, keys, 1)) == len(keys) * 3 // 2


def test_the_table_adds_up_a_method_s_tasks_and_names_devices(tmp_path):
    make_costs(tmp_path)
    write_cost(tmp_path, "retrain", EXPERIMENTS[0], 10 * HOUR, "cuda")
    table = costs.cost_table(table_of(tmp_path), "Caption.")
    totals, rows = table.blocks
    assert list(totals["Search, h"]) == ["9.0", "9.0"]
    assert list(totals["Both, h"]) == ["69", "69"]
    assert list(totals["Device"]) == ["mixed", "CPU"]
    assert list(rows["Device"]) == ["mixed", "CPU", "CPU", "CPU", "CPU", "CPU"]
    assert "Simulated data" in forms.to_markdown(table)


def test_a_partial_run_shows_what_there_is(tmp_path):
    make_costs(tmp_path)
    gone = EXPERIMENTS[0], EXPERIMENTS[1]
    before = results.cost_snapshot(tmp_path, EXPERIMENTS)
    for key in gone:
        paths.cost_path(tmp_path, "retrain", key).unlink()
    assert len(before) - len(results.cost_snapshot(tmp_path, EXPERIMENTS)) == 2
    table = table_of(tmp_path)
    assert table.iloc[0]["search_hours"] == 3
    assert table.iloc[0][["retrain_hours", "hours_per_seed"]].isna().all()
    shown = costs.cost_table(table, "Caption.").blocks[1].iloc[0]
    assert (shown["Retraining, h"], shown["Both, h"], shown["Seeds"]) == ("", "", "2 / 0")
    assert len(table_of(tmp_path / "nothing")) == len(table)
    costs.cost_table(table_of(tmp_path / "nothing"), "Caption.")


def test_a_cost_file_without_a_key_is_named(tmp_path):
    make_costs(tmp_path)
    path = paths.cost_path(tmp_path, "search", EXPERIMENTS[0])
    path.write_text("{}")
    with pytest.raises(DataError, match=rf"{path}: lacks the key 'wall_seconds'"):
        table_of(tmp_path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1e-6, "0.0036 s"),
        (0.00064, "2.3 s"),
        (59 / 3600, "59 s"),
        (1 / 60, "0.017"),
        (0.0996, "0.10"),
        (3.14, "3.1"),
        (1234.5, "1,234"),
    ],
)
def test_hours_keep_two_digits_and_are_seconds_below_a_minute(value, text):
    assert costs.hours(value) == text


@pytest.fixture
def study(tmp_path):
    """Performance, costs after a round trip through the csv, and tasks."""
    scores = scores_of(make_run(tmp_path), tmp_path)
    make_costs(tmp_path)
    forms.write(costs.cost_table(table_of(tmp_path), "Caption."), [tmp_path / "cost.csv"])
    tasks = task_frame(list(TASKS), {}).set_index("task", drop=False)
    return with_errors(summarise(scores, read_reference(REFERENCE))), costs.read_costs(tmp_path / "cost.csv"), tasks


def test_the_figure_sets_the_relative_error_against_the_hours_of_a_seed(study, tmp_path):
    performance, spent, tasks = study
    numbers = figure.numbers(performance, spent)
    assert len(numbers) == 6
    assert (numbers["hours"] == 11.5).all()
    errors = performance.set_index(["task", "method"])["error"]
    row = numbers[(numbers["task"] == "ecg") & (numbers["method"] == "darts-gaea")].iloc[0]
    assert row["relative_error"] == pytest.approx(errors["ecg", "darts-gaea"] / errors["ecg", "wrn-default"])
    drawn = figure.draw(numbers, tasks)
    texts = {text.get_text() for text in drawn.findobj(Text)}
    assert {"Search and retraining of one seed, CPU-hours", "ECG", "Darcy Flow", "CIFAR-100"} <= texts
    again = [tmp_path / f"{turn}.{form}" for turn in (1, 2) for form in ("svg", "csv")]
    style.save(drawn, again[:2], True, numbers)
    style.save(figure.draw(numbers, tasks), again[2:], True, numbers)
    assert again[0].read_bytes() == again[2].read_bytes()
    assert pd.read_csv(again[1])["simulated"].all()


def test_no_marker_is_cut_and_an_outlier_is_written_at_the_end_of_the_axis(study):
    performance, spent, tasks = study
    performance.loc[(performance["task"] == "ecg") & (performance["method"] == "darts-gaea"), "error"] *= 100
    numbers = figure.numbers(performance, spent)
    drawn = figure.draw(numbers, tasks)
    drawn.draw_without_rendering()
    half = 26**0.5 / 2 * drawn.dpi / 72  # of a marker
    places = [
        (axes, axes.transData.transform(markers.get_offsets())) for axes in drawn.axes for markers in axes.collections
    ]
    assert sum(len(place) for _, place in places) == len(numbers) - 1
    for axes, place in places:
        assert (place > axes.bbox.min + half).all()
        assert (place < axes.bbox.max - half).all()
    assert f"{numbers['relative_error'].max():.3g}" in {text.get_text() for text in drawn.findobj(Text)}


def test_without_the_baseline_the_figure_says_so(study):
    performance, spent, tasks = study
    only = performance[performance["method"] == "darts-gaea"]
    drawn = figure.draw(figure.numbers(only, spent), tasks, baseline_notes(only))
    texts = {text.get_text() for text in drawn.findobj(Text)}
    assert "WRN default has no result, so no error is relative to it: CIFAR-100, Darcy Flow, ECG." in texts
