"""From result files to the tables: means, ranks, improvements, missing results, and the three forms of a table."""

import io
import json
import re
import sys
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from nasperf360.errors import DataError, UserError
from nasperf360.labels import PAPER_TASKS
from nasperf360.study import results
from nasperf360.study.paths import made_path, result_path
from nasperf360.tables import forms
from nasperf360.tables.aggregate import aggregate, aggregate_table
from nasperf360.tables.comparison import compare
from nasperf360.tables.licences import licence_frame
from nasperf360.tables.performance import (
    LATER,
    order_notes,
    performance_table,
    read_performance,
    read_reference,
    read_scores,
    reference_performance,
    summarise,
    task_blocks,
    with_errors,
)
from nasperf360.tables.relative import ZERO_RULE
from nasperf360.tables.scores import collect
from nasperf360.tables.tasks import task_frame, task_table

from .small_run import REFERENCE, make_performance, make_run, scores_of


@pytest.fixture(scope="module")
def reference():
    return read_reference(REFERENCE)


def test_the_paper_s_table_3_follows_from_its_table_2(reference):
    table = aggregate(reference_performance(reference), None)
    methods = [f"{row.space}-{row.algorithm}" for row in table.itertuples()]
    assert methods == [
        "wrn-default",
        "densenas-random",
        "densenas-original",
        "wrn-asha",
        "darts-gaea",
        "autodl-darts",
        "amber-enas",
    ]
    assert list(table["median_rank"]) == [4.0, 4.0, 4.0, 3.5, 1.5, 6.0, 1.0]
    assert list(table["median_improvement"].round(1)) == [0.0, 2.5, 0.0, 0.0, 20.1, -75.3, 20.0]
    assert list(table["tasks"]) == [10, 10, 10, 10, 10, 3, 3]


def test_the_script_writes_table_3_of_the_reference_and_says_what_the_paper_swaps(reference, tmp_path):
    reference_performance(reference).to_csv(tmp_path / "performance.csv", index=False)
    outputs = [tmp_path / f"aggregate.{form}" for form in ("csv", "md", "tex")]
    sys.path.insert(0, str(REFERENCE.parents[1] / "workflow" / "scripts"))
    import_module("aggregate_table").main(tmp_path / "performance.csv", None, outputs)
    assert list(pd.read_csv(outputs[0])["median_rank"]) == [4.0, 4.0, 4.0, 3.5, 1.5, 6.0, 1.0]
    for output in outputs[1:]:
        assert "swapped" in output.read_text()
        assert "20.0" in output.read_text()


def test_the_only_result_of_a_task_is_not_called_the_best(tmp_path, reference):
    scores = scores_of(make_run(tmp_path), tmp_path)
    alone = summarise(scores[scores["method"] == "wrn-default"], reference)
    assert "**" not in forms.to_markdown(performance_table(alone.assign(simulated=False), "Caption."))


def test_the_reference_holds_the_paper_s_56_results_and_only_those_are_ranked(reference):
    assert len(reference) == 56
    assert set(reference["task"]) == set(PAPER_TASKS)
    assert "perceiver-io" in set(pd.read_csv(REFERENCE)["space"])
    assert "perceiver-io" not in set(reference["space"])


def test_a_reference_with_a_result_twice_is_refused(tmp_path):
    lines = REFERENCE.read_text().splitlines()
    bad = tmp_path / "reference.csv"
    bad.write_text("\n".join([*lines, lines[1]]))
    with pytest.raises(DataError, match=r"reference\.csv: 'cifar100/wrn/default' stands there twice"):
        read_reference(bad)


def test_ties_share_the_mean_of_their_ranks_and_absent_methods_have_none():
    errors = {"a-x": [1.0, 5.0], "b-x": [1.0, np.nan], "c-x": [3.0, 5.0], "d-x": [3.0, 2.0]}
    table = aggregate(make_performance(errors), None, baseline="a-x").set_index("space")
    assert table.loc["a", "median_rank"] == np.median([1.5, 2.5])
    assert table.loc["b", "median_rank"] == 1.5
    assert table.loc["c", "median_rank"] == np.median([3.5, 2.5])
    assert table.loc["d", "median_rank"] == np.median([3.5, 1.0])
    assert table.loc["b", "tasks"] == 1
    assert table.loc["d", "median_improvement"] == pytest.approx(np.median([-200.0, 60.0]))


def test_improvement_at_a_baseline_without_error_is_said_in_the_table():
    performance = make_performance({"wrn-default": [0.0], "a-x": [0.0], "b-x": [1.0]})
    table = aggregate(performance, None)
    assert list(table["median_improvement"]) == [0.0, 0.0, -np.inf]
    shown = aggregate_table(table, read_back(performance), None, "Caption.")
    (block,) = read_markdown(forms.to_markdown(shown))
    assert list(block["Better than WRN ↑"]) == ["**0.0 %**", "**0.0 %**", "−∞ %"]
    assert ZERO_RULE in shown.notes
    assert (
        "WRN default has an error of 0, to which another 0 is equal and any other error infinitely larger: task0."
        in (shown.notes)
    )


def read_back(performance):
    """As from its csv."""
    return read_performance(io.StringIO(forms.csv_text(performance)))


def test_without_the_baseline_improvement_is_empty():
    table = aggregate(make_performance({"a-x": [1.0], "b-x": [2.0]}), None)
    assert table["median_improvement"].isna().all()
    assert list(table["median_rank"]) == [1.0, 2.0]


def test_higher_is_better_turns_into_an_error():
    frame = make_performance({"a-x": [0.25]}, higher_is_better=True)
    assert with_errors(frame)["error"].iloc[0] == 0.75
    assert with_errors(frame)["method"].iloc[0] == "a-x"


def test_mean_and_sample_deviation_over_seeds(tmp_path, reference):
    scores = scores_of(make_run(tmp_path), tmp_path)
    row = summarise(scores, reference).iloc[0]
    values = scores[(scores["task"] == row.task) & (scores["method"] == f"{row.space}-{row.algorithm}")]["value"]
    assert row["mean"] == pytest.approx(sum(values) / 2)
    assert row["std"] == pytest.approx(abs(values.iloc[0] - values.iloc[1]) / np.sqrt(2))
    assert (row["seeds"], row["reference_mean"], row["reference_std"]) == (2, 23.35, 0.05)
    assert bool(row["simulated"])


def test_failed_and_open_experiments_say_why(tmp_path, reference):
    keys = make_run(tmp_path)
    for seed in (0, 1):
        path = made_path(tmp_path, "retrain", ("ecg", "wrn-default", seed))
        path.unlink()
        path.with_name("failure.json").write_text(json.dumps({"reason": "out of memory"}))
    result_path(tmp_path, ("ecg", "darts-gaea", 1)).unlink()
    performance = summarise(scores_of(keys, tmp_path), reference)
    found = performance.set_index(["task", "space"])
    assert found.loc[("ecg", "wrn"), "status"] == "failed: seeds 0, 1 retrain failed: out of memory"
    assert np.isnan(found.loc[("ecg", "wrn"), "mean"])
    assert found.loc[("ecg", "wrn"), "seeds"] == 0
    assert found.loc[("ecg", "darts"), "status"] == "open: seed 1 not run"
    assert np.isnan(found.loc[("ecg", "darts"), "std"])
    text = forms.to_markdown(performance_table(performance, "Caption."))
    assert "| failed |" in text
    assert re.search(r"\d \(1\)", text)
    assert "retrain failed: out of memory" in text
    table = aggregate(performance, scores_of(keys, tmp_path)).set_index("space")
    assert list(table.loc["wrn", ["tasks", "seeds_done", "seeds_failed", "seeds_open"]]) == [3, 4, 2, 0]
    assert list(table.loc["darts", ["tasks", "seeds_done", "seeds_failed", "seeds_open"]]) == [3, 5, 0, 1]


def test_a_search_whose_order_was_not_fixed_is_named(tmp_path, reference):
    keys = make_run(tmp_path)
    assert order_notes(scores_of(keys, tmp_path)) == ()
    path = result_path(tmp_path, ("ecg", "darts-gaea", 1))
    path.write_text(json.dumps({**json.loads(path.read_text()), "search_order_fixed": False}))
    scores = scores_of([*keys, ("ecg", "darts-gaea", 2)], tmp_path)  # the last is open
    (note,) = order_notes(scores)
    assert note.endswith(
        "whose order of events was not fixed, so another run may find other architectures: ECG, darts-gaea"
    )
    assert note in performance_table(summarise(scores, reference), "caption", order_notes(scores)).notes


def test_a_snapshot_changes_with_a_result_and_with_a_reason(tmp_path):
    keys = make_run(tmp_path)
    before = results.snapshot(tmp_path, keys)
    path = result_path(tmp_path, keys[0])
    path.write_text(path.read_text().replace("}", "} ", 1))
    result_path(tmp_path, keys[1]).unlink()
    after = results.snapshot(tmp_path, keys)
    changed = [key for key in before if before[key] != after[key]]
    assert changed == ["/".join(map(str, key)) for key in keys[:2]]
    assert after[changed[1]] == "not run"


def test_a_result_of_another_experiment_is_refused(tmp_path):
    keys = make_run(tmp_path)
    first, second = (result_path(tmp_path, key) for key in keys[:2])
    first.write_text(second.read_text())
    with pytest.raises(DataError, match=r"result\.json: holds the result of cifar100/wrn-default/1"):
        collect(tmp_path, keys)


def test_a_result_without_a_value_is_refused(tmp_path):
    keys = make_run(tmp_path)
    path = result_path(tmp_path, keys[0])
    content = json.loads(path.read_text())
    del content["value"]
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"result\.json: lacks the key 'value'"):
        collect(tmp_path, keys)


def test_scores_survive_the_csv(tmp_path):
    keys = make_run(tmp_path)
    result_path(tmp_path, keys[3]).unlink()
    scores = scores_of(keys, tmp_path)
    pd.testing.assert_frame_equal(scores, collect(tmp_path, keys))
    assert list(scores[["task", "method", "seed"]].itertuples(index=False, name=None)) == keys


def test_performance_survives_the_csv(tmp_path, reference):
    performance = summarise(scores_of(make_run(tmp_path), tmp_path), reference)
    path = tmp_path / "performance.csv"
    forms.write(performance_table(performance, "Caption."), [path])
    again = read_performance(path)
    assert list(pd.read_csv(path).columns[:10]) == [
        "task",
        "space",
        "algorithm",
        "metric",
        "higher_is_better",
        "mean",
        "std",
        "seeds",
        "reference_mean",
        "reference_std",
    ]
    np.testing.assert_allclose(again["mean"], performance["mean"], rtol=1e-9)
    assert list(again["higher_is_better"]) == list(performance["higher_is_better"])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: "", "it is empty"),
        (lambda text: text[: len(text) // 2], "it ends within a line"),
        (lambda text: text.replace("seed,", "seeds,"), "it lacks the columns seed"),
        (lambda text: text.replace("False", "Fal"), ".*"),
        (lambda text: text.replace("False", ""), ".*"),
        (lambda text: text.replace(",20.", ",2O."), ".*2O.*"),
        (lambda text: text.replace("\n", ',"\n'), ".*"),
    ],
)
def test_damaged_scores_are_named_with_the_command_that_makes_them_anew(tmp_path, damage, said):
    scores_of(make_run(tmp_path), tmp_path)
    path = tmp_path / "scores.csv"
    path.write_text(damage(path.read_text()))
    with pytest.raises(DataError, match=rf"^{path}: cannot be read \({said}\); make it anew: .* --force {path}, with"):
        read_scores(path)


def test_a_table_without_rows_has_the_types_of_one_with_rows(tmp_path):
    scores = scores_of(make_run(tmp_path), tmp_path)
    path = tmp_path / "scores.csv"
    path.write_text(path.read_text().partition("\n")[0] + "\n")
    assert read_scores(path).dtypes.to_dict() == scores.dtypes.to_dict()


def read_markdown(text):
    """The tables of a Markdown file, by a reader that knows only that file's syntax."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    for block in blocks:
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
        rows = [[re.sub(r"\\(.)", r"\1", entry.strip()) for entry in row] for row in rows]
        yield pd.DataFrame(rows[2:], columns=rows[0])


def test_markdown_and_latex_show_the_same_entries(reference):
    blocks = [pd.DataFrame({"a|b": ["x_1 & 5 %", forms.Bold("best")], "±": ["1 ± 2", "{y}"]})]
    table = forms.Table("name", blocks[0], "A caption with 5 %.", blocks, text_columns=1)
    (back,) = read_markdown(forms.to_markdown(table))
    assert back.to_numpy().tolist() == [["x_1 & 5 %", "1 ± 2"], ["**best**", "{y}"]]
    assert list(back.columns) == ["a|b", "±"]
    latex = forms.to_latex(table)
    assert r"x\_1 \& 5 \% & 1 $\pm$ 2 \\" in latex
    assert r"\textbf{best} & \{y\} \\" in latex
    assert latex.count(r"\begin{") == latex.count(r"\end{")
    assert pd.read_csv(io.StringIO(forms.to_csv(table))).columns.tolist() == ["a|b", "±"]


def test_the_best_of_each_task_is_bold(tmp_path, reference):
    performance = summarise(scores_of(make_run(tmp_path), tmp_path), reference)
    frame = with_errors(performance)
    (block,) = read_markdown(forms.to_markdown(performance_table(performance, "Caption.")))
    for index, task in enumerate(dict.fromkeys(frame["task"])):
        best = frame[frame["task"] == task].sort_values("error")["method"].iloc[0]
        bold = block[block.iloc[:, 2 + index].str.startswith("**")]
        assert len(bold) == 1
        labels = {"wrn-default": ("WRN", "default"), "darts-gaea": ("DARTS", "GAEA")}
        assert tuple(bold.iloc[0, :2]) == labels[best]


def test_tables_of_simulated_data_say_so_first(tmp_path, reference):
    table = performance_table(summarise(scores_of(make_run(tmp_path), tmp_path), reference), "Caption.")
    assert forms.to_markdown(table).splitlines()[0].startswith("**Simulated data")
    assert r"\caption{Simulated data" in forms.to_latex(table)
    assert pd.read_csv(io.StringIO(forms.to_csv(table)))["simulated"].all()
    real = performance_table(
        summarise(scores_of(make_run(tmp_path / "real", simulated=False), tmp_path / "real"), reference), "Caption."
    )
    assert "imulated data" not in forms.to_markdown(real) + forms.to_latex(real)


def test_daggers_mark_methods_on_some_tasks_and_bold_the_best_of_the_others():
    performance = make_performance({"wrn-default": [2.0, 2.0], "a-x": [3.0, 3.0], "b-x": [0.5, np.nan]})
    table = aggregate_table(aggregate(performance, None), read_back(performance), None, "Caption.")
    (block,) = read_markdown(forms.to_markdown(table))
    ranks = block.set_index("Search space")["Median rank ↓"]
    assert ranks["b"] == "1.0 †"
    assert ranks["WRN"] == "**1.5**"
    assert ranks["a"] == "2.5"


def test_comparison_in_units_and_in_errors(tmp_path, reference):
    performance = summarise(scores_of(make_run(tmp_path), tmp_path), reference)
    row = compare(performance, read_reference(REFERENCE, LATER)).set_index(["task", "space"]).loc[("ecg", "wrn")]
    assert row["difference"] == pytest.approx(row["mean"] - 0.57)
    assert row["error_ratio"] == pytest.approx((1 - row["mean"]) / 0.43)


def test_blocks_are_even():
    names = [f"t{index}" for index in range(10)]
    assert [len(block) for block in task_blocks(names)] == [5, 5]
    assert [len(block) for block in task_blocks(names[:6])] == [3, 3]
    assert [len(block) for block in task_blocks(names[:1])] == [1]


def task_manifest(path, **samples):
    """``data/<task>.json`` with these sizes of its splits."""
    splits = {name: {"samples": count, "fields": {"x": {"shape": [1, 1000]}}} for name, count in samples.items()}
    path.write_text(json.dumps({"origin": "simulated", "splits": splits}))
    return path


def test_task_table_with_and_without_data(tmp_path):
    manifest = task_manifest(tmp_path / "ecg.json", train=7000, valid=800, test=900)
    frame = task_frame(["cifar100", "ecg"], {"ecg": manifest}).set_index("task")
    assert frame.loc["ecg", "train"] == 7000
    assert pd.isna(frame.loc["ecg", "final_test"])
    assert pd.isna(frame.loc["cifar100", "train"])
    table = task_table(frame.reset_index(), "Caption.")
    assert "| 7,000 / 800 / 900 |" in forms.to_markdown(table)
    assert not table.notes
    assert table.simulated
    assert "Train" not in forms.to_markdown(task_table(task_frame(["ecg"], {}), "Caption."))


def test_task_table_shows_the_splits_of_the_reported_result_where_it_has_its_own(tmp_path):
    tuning = {"train": 7000, "valid": 800, "test": 900}
    manifests = {
        "ecg": task_manifest(tmp_path / "ecg.json", **tuning, final_train=7500, final_test=950),
        "satellite": task_manifest(tmp_path / "satellite.json", **tuning),
    }
    text = forms.to_markdown(task_table(task_frame(list(manifests), manifests), "Caption."))
    assert "| 7,000 / 800 / 900; final 7,500 / 950 |" in text
    assert "| 7,000 / 800 / 900 |" in text
    assert "- final: the train / test splits of the reported result" in text


def test_a_source_without_a_licence_is_refused():
    with pytest.raises(UserError, match="'cifar100' has no licence"):
        licence_frame(["spherical"], {"cifar100": {"homepage": "https://x.org"}})
    # A task of one's own that is only simulated needs no entry.
    assert licence_frame(["spherical"], {"ecg": {"licence": "ODC-BY 1.0"}}).iloc[0]["licence"] == "not stated"
    entry = {"licence": "CC BY 4.0", "homepage": "https://x.org", "files": [{"bytes": 5}, {"bytes": 6}]}
    row = licence_frame(["spherical"], {"cifar100": entry}).iloc[0]
    assert (row["licence"], row["files"], row["bytes"]) == ("CC BY 4.0", 2, 11)


def test_an_unknown_form_is_refused(tmp_path, reference):
    table = forms.Table("name", reference, "Caption.", [])
    with pytest.raises(UserError, match=r"x\.docx: no such form"):
        forms.write(table, [tmp_path / "x.docx"])
