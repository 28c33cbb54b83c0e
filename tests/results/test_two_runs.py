"""Two runs side by side: differences, tests on the same samples, and what differs in settings, data and code."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

import compare
from nasperf360.errors import UserError
from nasperf360.figures import differences as figure
from nasperf360.study import paths
from nasperf360.study.changes import changes, flat
from nasperf360.tables.comparisons import holm
from nasperf360.tables.paired import signs_p

from .small_run import REFERENCE
from .test_paired import outputs_of, targets_of, write_data, write_experiment

TASK, METHODS, SEEDS, SAMPLES = "cifar100", ("wrn-default", "darts-gaea"), (0, 1), 80
METRIC = {"name": "0-1 error %", "higher_is_better": False}
KEYS = [(TASK, method, seed) for method in METHODS for seed in SEEDS]


def make_runs(results):
    """Runs a and b on the same data: b's WRN is better, its GAEA the same but for the noise."""
    rng = np.random.default_rng(3)
    targets, outputs = targets_of(TASK, rng, SAMPLES), {}
    for run, skills in (("a", (0.4, 0.8)), ("b", (1.4, 0.8))):
        folder = results / run
        (folder / "data").mkdir(parents=True)
        write_data(folder, TASK, targets)
        for key in KEYS:
            outputs[run, key] = outputs_of(TASK, rng, targets["y"], skills[METHODS.index(key[1])])
            write_experiment(folder, key, outputs[run, key])
            wrong = (outputs[run, key].argmax(1) != targets["y"]).mean()
            edit(paths.result_path(folder, key), {"value": 100 * wrong, "metric": METRIC}, provenance=run)
            edit(paths.made_path(folder, "search", key), {}, provenance=run)
        study = {"data_run": run, "tasks": [TASK], "seeds": SEEDS, "experiments": [(TASK, name) for name in METHODS]}
        (folder / "study.json").write_text(json.dumps(study))
    return targets, outputs


def edit(path, values, provenance=None):
    content = json.loads(path.read_text()) | values
    if provenance:
        lr = {"a": 0.1, "b": 0.2}[provenance]
        settings = {"architecture": {}, "retrain": {"lr": lr, "schedule": {"name": "cosine"}}, "search": {}}
        content["provenance"] = {"settings": settings, "data_sha256": "d", "code_sha256": "c"}
    path.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    results = tmp_path_factory.mktemp("study") / "results"
    return results, *make_runs(results)


def run_comparison(results, here, there):
    folder = results / here / "compare" / there
    compare.main(
        here=results / here,
        there=results / there,
        path_to_reference=REFERENCE,
        tables=[folder / f"differences.{form}" for form in ("csv", "md", "html", "tex")],
        pictures=[folder / f"differences.{form}" for form in ("svg", "png")],
        path_to_page=folder / "index.html",
    )
    return pd.read_csv(folder / "differences.csv"), (folder / "differences.md").read_text(), folder


def test_differences_are_tested_on_the_samples_that_both_saw(runs):
    results, targets, outputs = runs
    table, words, folder = run_comparison(results, "b", "a")
    p = {}
    for row in table.itertuples():
        wrong = {
            run: np.array([outputs[run, (TASK, row.method, seed)].argmax(1) != targets["y"] for seed in SEEDS])
            for run in ("a", "b")
        }
        assert row.mean == pytest.approx(100 * wrong["b"].mean())
        assert row.difference == pytest.approx(100 * (wrong["b"].mean() - wrong["a"].mean()))
        assert row.p == pytest.approx(signs_p(wrong["b"], wrong["a"]))
        assert row.difference_low < row.difference < row.difference_high
        p[row.method] = row.p
    assert table["p_holm"].tolist() == pytest.approx(holm([p[method] for method in METHODS]).tolist())
    assert table["better"].fillna("").tolist() == ["here", ""]
    assert table["changed"].tolist() == ["search: retrain.lr: 0.2 / 0.1; training: retrain.lr: 0.2 / 0.1"] * 2
    assert "retrain.lr: 0.2 / 0.1" in words
    page = (folder / "index.html").read_text()
    assert "Of 2 tested on the same samples b is better in 1, a in 0, and 1 cannot be told apart." in page
    assert "Simulated data" in page
    assert not re.search(r'(src|href)="http', page)


def test_the_other_way_round_signs_change(runs):
    results, *_ = runs
    one, other = (run_comparison(results, *pair)[0] for pair in (("b", "a"), ("a", "b")))
    assert one["difference"].tolist() == pytest.approx((-other["difference"]).tolist())
    assert one["error_ratio"].tolist() == pytest.approx((1 / other["error_ratio"]).tolist())
    assert other["better"].fillna("").tolist() == ["there", ""]


def test_the_paper_prints_no_predictions(runs):
    results, *_ = runs
    table, words, _ = run_comparison(results, "a", "reference")
    assert table["untested"].unique().tolist() == ["the paper prints no predictions"]
    assert table["other_mean"].tolist() == [23.35, 24.02]
    assert table["p"].isna().all()
    assert "Not tested (the paper prints no predictions)" in words


def test_what_cannot_be_tested_says_why(runs, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(runs[0], results)
    paths.made_path(results / "a", "retrain", KEYS[0]).with_name("predictions.h5").unlink()
    paths.made_path(results / "a", "retrain", KEYS[1]).with_name("predictions.h5").unlink()
    shutil.rmtree(paths.result_path(results / "a", KEYS[2]).parents[1])
    table, *_ = run_comparison(results, "b", "a")
    rows = table.set_index("method")
    assert rows.loc["wrn-default", "untested"] == "there: predictions not kept"
    assert np.isfinite(rows.loc["wrn-default", "difference"])
    assert rows.loc["darts-gaea", "untested"].startswith("there: not run")
    assert np.isnan(rows.loc["darts-gaea", "difference"])
    manifest = results / "a" / "data" / f"{TASK}.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"sha256": "0" * 64}))
    shutil.copytree(runs[0] / "a" / "retrain", results / "a" / "retrain", dirs_exist_ok=True)
    assert run_comparison(results, "b", "a")[0].set_index("method").loc["wrn-default", "untested"] == "other data"


def test_a_run_that_never_started_is_named(runs, tmp_path):
    with pytest.raises(UserError, match="nowhere: no run has been started there"):
        run_comparison(runs[0], "a", "nowhere")


def test_what_differs_in_settings_data_and_code(runs, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(runs[0], results)
    path = paths.result_path(results / "b", KEYS[0])
    content = json.loads(path.read_text())
    content["provenance"]["settings"]["retrain"] = {"lr": 0.1, "schedule": {"name": "step"}, "clip": 5}
    content["provenance"]["code_sha256"] = "other"
    path.write_text(json.dumps(content))
    found = changes(results / "a", results / "b", KEYS[0])
    assert found.settings == {
        "training: retrain.schedule.name": ("cosine", "step"),
        "training: retrain.clip": (None, 5),
        "search: retrain.lr": (0.1, 0.2),
    }
    assert (found.data, found.code) == (False, True)
    assert str(found).startswith("other code; search: retrain.lr: 0.1 / 0.2")
    assert changes(results / "a", results / "nowhere", KEYS[0]) is None
    assert flat({"architecture": {"lr": 1}, "space": {"width": 2}}) == {"space.width": 2}


def test_a_figure_of_nothing_in_common_says_so():
    table = pd.DataFrame({"error_ratio": [np.nan], "task": [TASK], "method": ["wrn-default"], "better": [""]})
    assert "no experiment has a result both in a and in b" in figure.draw(table, "a", "b").texts[0].get_text()
