"""Paired tests on test samples, each number against an independent computation; and what is said of what is missing."""

import json
import sys
from importlib import import_module
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from nasperf360.data.datasets import DatasetWriter
from nasperf360.files import digest_file, read_json
from nasperf360.labels import halves
from nasperf360.stages.predictions import write_predictions
from nasperf360.study import paths
from nasperf360.tables import forms
from nasperf360.tables import paired as module
from nasperf360.tables.comparisons import holm
from nasperf360.tables.paired import (
    bootstrap_p,
    draws,
    paired,
    paired_table,
    signed_ranks_p,
    signs_p,
)
from nasperf360.tables.resampling import REPLICATES
from nasperf360.tables.verification import verify_tables
from nasperf360.tasks.shared.metrics import task_metric

from .small_run import make_run

TASKS = {"cifar100": 60, "darcy": 12, "ecg": 50}
METHODS = ("wrn-default", "darts-gaea", "densenas-random")
SEEDS = (0, 1)
KEYS = [(task, method, seed) for task in TASKS for method in METHODS for seed in SEEDS]


def targets_of(task, rng, samples):
    """Labels, and for ECG the record of each window."""
    if task == "darcy":
        return {"y": rng.normal(size=(samples, 5, 5)).astype(np.float32)}
    if task == "ecg":
        group = np.sort(rng.permutation(np.repeat(np.arange(20), 3))[:samples])
        return {"y": rng.integers(4, size=20)[group], "group": group}
    return {"y": rng.integers(100, size=samples)}


def outputs_of(task, rng, y, skill):
    """Predictions that are right more often, or nearer to the truth, with more skill."""
    if task == "darcy":
        return (y + rng.normal(size=y.shape) * rng.uniform(0.1, 1, (len(y), 1, 1)) / skill)[:, None].astype(np.float32)
    logits = rng.normal(size=(len(y), 4 if task == "ecg" else 100))
    logits[np.arange(len(y)), y] += 4 * skill
    return logits.astype(np.float32)


def write_data(folder, task, targets):
    """A data set whose test split holds these targets."""
    with DatasetWriter(folder / "data" / f"{task}.h5", task=task, origin="simulated", licence="none") as writer:
        for name in ("train", "valid", "test"):
            fields = {field: (values.shape[1:], str(values.dtype)) for field, values in targets.items()}
            split = writer.split(name, x=((1,), "float32"), **fields)
            split.append(x=np.zeros((len(targets["y"]), 1), np.float32), **targets)


def write_experiment(folder, key, outputs):
    """Architecture, training, predictions and result, as far as tables read them."""
    task, method, seed = key
    space, algorithm = halves(method)
    made = {stage: paths.made_path(folder, stage, key) for stage in ("search", "retrain", "evaluate")}
    for path in made.values():
        path.parent.mkdir(parents=True)
    names = {"task": task, "method": method, "space": space, "algorithm": algorithm, "seed": seed}
    data = read_json(folder / "data" / f"{task}.json")["sha256"]
    predictions = made["retrain"].with_name("predictions.h5")
    record = {"parameters": 1, "multiply_adds": 1, "simulated": True, "search_seed": seed, "samples": {}}
    write_predictions(predictions, outputs, {**names, **record, "provenance": {"data_sha256": data}})
    files = {"predictions.h5": digest_file(predictions)}
    made["search"].write_text(json.dumps({"architecture": {}}))
    made["retrain"].write_text(json.dumps({"files": files}))
    result = {**names, "files": files, "provenance": {"settings": {"architecture": {}}}}
    result |= {"metric": {"name": "m", "higher_is_better": False}, "value": 1.0, "parameters": 1, "simulated": True}
    made["evaluate"].write_text(json.dumps(result))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A run on three tasks, one for each kind of test, and what its networks said: folder, targets, outputs."""
    folder = tmp_path_factory.mktemp("results") / "mine"
    (folder / "data").mkdir(parents=True)
    rng, targets, outputs = np.random.default_rng(0), {}, {}
    for task, samples in TASKS.items():
        targets[task] = targets_of(task, rng, samples)
        write_data(folder, task, targets[task])
    for key in KEYS:
        task, method, _ = key
        skill = {"wrn-default": 0.5, "darts-gaea": 0.55, "densenas-random": 1.0}[method]
        outputs[key] = outputs_of(task, rng, targets[task]["y"], skill)
        write_experiment(folder, key, outputs[key])
    return folder, targets, outputs


def test_what_a_row_holds(study, monkeypatch):
    """Means over seeds, their difference, and its interval, by the task's own metric on the samples themselves."""
    folder, targets, outputs = study
    monkeypatch.setattr(module, "REPLICATES", 100)
    table, lacks = paired(folder, KEYS)
    assert lacks == []
    assert len(table) == 9
    assert list(table["test"].unique()) == ["signs", "signed ranks", "bootstrap"]
    assert table["simulated"].all()
    for row in table.itertuples(index=False):
        metric, known = task_metric(row.task), targets[row.task]
        group = np.unique(known.get("group", np.arange(len(known["y"]))), return_inverse=True)[1]
        counts = np.concatenate(list(draws(row.task, group.max() + 1)))
        assert row.samples == counts.shape[1]
        assert (row.seeds_first, row.seeds_second) == (2, 2)
        drawn = {}
        for method in (row.first, row.second):
            each = [outputs[row.task, method, seed] for seed in SEEDS]
            mean = getattr(row, "mean_first" if method == row.first else "mean_second")
            assert mean == pytest.approx(np.mean([metric(output, known) for output in each]), rel=1e-12)
            drawn[method] = [
                np.mean([redrawn(metric, output, known, group, sets) for output in each]) for sets in counts
            ]
        difference = np.subtract(drawn[row.first], drawn[row.second])
        assert row.difference == pytest.approx(row.mean_first - row.mean_second, abs=1e-12)
        low, high = np.percentile(difference, [2.5, 97.5])
        assert (row.difference_low, row.difference_high) == pytest.approx((low, high), abs=1e-9)
        assert low <= row.difference <= high
        if row.test == "bootstrap":
            expected = 2 * stats.norm.cdf(-abs(row.difference) / np.std(difference, ddof=1))
            assert row.p == pytest.approx(expected, rel=1e-6)


def redrawn(metric, outputs, targets, group, counts):
    """The metric on drawn samples, each group of rows as often as it was drawn, one after another."""
    rows = [np.flatnonzero(group == sample) for sample, count in enumerate(counts) for _ in range(count)]
    numbers = np.repeat(np.arange(len(rows)), list(map(len, rows)))
    drawn = {field: values[np.concatenate(rows)] for field, values in targets.items()}
    return metric(outputs[np.concatenate(rows)], {**drawn, "group": numbers} if "group" in targets else drawn)


def test_the_tests_of_each_kind(study):
    folder, targets, outputs = study
    table = paired(folder, KEYS)[0].set_index(["task", "first", "second"])
    for pair in [(first, second) for first, second in product(METHODS, METHODS) if first < second]:
        pair = tuple(sorted(pair, key=METHODS.index))
        wrong = [
            np.sum([outputs["cifar100", name, seed].argmax(1) != targets["cifar100"]["y"] for seed in SEEDS], axis=0)
            for name in pair
        ]
        # Methods change places sample by sample, at random.
        observed, flips = wrong[0] - wrong[1], np.random.default_rng(1).choice([-1, 1], (200_000, TASKS["cifar100"]))
        simulated = (np.abs(flips @ observed) >= abs(observed.sum())).mean()
        assert table.loc[("cifar100", *pair), "p"] == pytest.approx(simulated, abs=5e-3)
        y = targets["darcy"]["y"].reshape(12, -1)
        errors = [
            np.mean(
                [
                    [np.sqrt(((o.ravel() - t) ** 2).sum() / (t**2).sum()) for o, t in zip(output, y, strict=True)]
                    for output in (outputs["darcy", name, seed] for seed in SEEDS)
                ],
                axis=0,
            )
            for name in pair
        ]
        places = stats.rankdata(np.abs(errors[0] - errors[1]))
        sums = np.array([np.dot(places, signs) for signs in product((0, 1), repeat=12)])
        seen = places[errors[0] > errors[1]].sum()
        exact = min(1.0, 2 * min((sums <= seen).mean(), (sums >= seen).mean()))
        assert table.loc[("darcy", *pair), "p"] == pytest.approx(exact, rel=1e-9)
    for _, found in table.groupby("task"):
        np.testing.assert_allclose(found["p_holm"], holm(found["p"]))
        for (_, first, second), row in found.iterrows():
            better = first if (row["difference"] > 0) == (row.name[0] == "ecg") else second
            assert row["better"] == (better if row["p_holm"] < 0.05 else "")
    assert set(table["better"]) == {"", "densenas-random"}


def test_one_seed_each_gives_mcnemar_s_exact_test():
    rng = np.random.default_rng(2)
    for samples in (5, 80, 3000):
        first, second = 100.0 * (rng.random((2, 1, samples)) < [[[0.3]], [[0.36]]])
        only_first, only_second = int((first > second).sum()), int((second > first).sum())
        expected = stats.binomtest(only_first, only_first + only_second, 0.5).pvalue
        assert signs_p(first, second) == pytest.approx(expected, rel=1e-9)
        assert signs_p(second, first) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seeds", [(2, 2), (3, 3), (3, 2), (1, 3)])
def test_mistakes_of_several_seeds_by_all_ways_in_which_methods_could_have_changed_places(seeds):
    rng = np.random.default_rng(sum(seeds))
    first, second = (
        100.0 * (rng.random((count, 12)) < chance) for count, chance in zip(seeds, (0.3, 0.6), strict=True)
    )
    difference = first.mean(0) - second.mean(0)
    sums = np.array([np.dot(difference, signs) for signs in product((-1, 1), repeat=12)])
    expected = (np.abs(sums) >= abs(difference.sum()) - 1e-9).mean()
    assert signs_p(first, second) == pytest.approx(expected, rel=1e-9)


def test_equal_networks_have_no_p():
    same = np.array([[0.0, 100.0, 0.0]])
    assert np.isnan(signs_p(same, same))
    assert np.isnan(signed_ranks_p(same, same))
    assert np.isnan(bootstrap_p(0.0, np.zeros(5)))
    assert np.isnan(bootstrap_p(np.nan, np.full(5, np.nan)))


def test_draws_are_those_of_a_bootstrap_and_the_same_each_time():
    counts = np.concatenate(list(draws("darcy", 7000)))
    assert counts.shape == (REPLICATES, 7000)
    assert (counts.sum(axis=1) == 7000).all()
    assert counts.var() == pytest.approx(1 - 1 / 7000, rel=0.01)
    assert np.abs(np.corrcoef(counts[0], counts[1])[0, 1]) < 0.05
    assert np.abs(np.corrcoef(counts[0], counts[-1])[0, 1]) < 0.05
    assert np.array_equal(counts, np.concatenate(list(draws("darcy", 7000))))
    assert not np.array_equal(counts[:5], next(draws("ecg", 7000))[:5])


def test_f1_is_scikit_learn_s_of_the_votes(study):
    """So that a row rests on more than the metric's own code."""
    folder, targets, outputs = study
    known, row = targets["ecg"], paired(folder, KEYS)[0].query("task == 'ecg'").iloc[0]
    scores = []
    for seed in SEEDS:
        frame = pd.DataFrame({"group": known["group"], "vote": outputs["ecg", row["first"], seed].argmax(1)})
        votes = frame.groupby("group")["vote"].agg(lambda seen: seen.value_counts(sort=False).idxmax())
        truth = pd.Series(known["y"]).groupby(known["group"]).first()
        scores.append(f1_score(truth, votes, average="macro", labels=range(4), zero_division=0))
    assert row["mean_first"] == pytest.approx(np.mean(scores), abs=1e-12)


def test_what_is_missing_is_said_and_the_rest_compared(study, tmp_path):
    _, targets, outputs = study
    run = tmp_path / "other"
    (run / "data").mkdir(parents=True)
    for task in ("cifar100", "darcy"):
        write_data(run, task, targets[task])
    for key in KEYS:
        if key[0] != "ecg":
            write_experiment(run, key, outputs[key])
    paths.result_path(run, ("cifar100", "wrn-default", 1)).unlink()
    paths.made_path(run, "retrain", ("cifar100", "wrn-default", 1)).unlink()
    failed = paths.made_path(run, "retrain", ("darcy", "darts-gaea", 0))
    failed.with_name("failure.json").write_text(json.dumps({"reason": "the loss is nan"}))
    paths.made_path(run, "retrain", ("darcy", "densenas-random", 1)).with_name("predictions.h5").unlink()
    table, lacks = paired(run, KEYS)
    rows = table.set_index(["task", "first", "second"])
    assert [index for index in rows.index if index[0] == "darcy"] == [("darcy", "wrn-default", "densenas-random")]
    assert rows.loc[("cifar100", "wrn-default", "darts-gaea"), ["seeds_first", "seeds_second"]].tolist() == [1, 2]
    assert rows.loc[("darcy", "wrn-default", "densenas-random"), ["seeds_first", "seeds_second"]].tolist() == [2, 1]
    assert "ecg" not in table["task"].tolist()
    text = "\n".join(lacks)
    assert "A method with a failed seed on a task is not compared there." in lacks
    assert "Not compared (predictions not kept): DenseNAS random on Darcy Flow, seed 1." in lacks
    assert "DARTS GAEA on Darcy Flow, seed 0" in next(line for line in lacks if "(failed)" in line)
    assert "WRN default on CIFAR-100, seed 1" in text
    assert "WRN default on ECG, seed 0, 1" in text


def test_verification_makes_the_table_anew(study):
    folder = study[0]
    pairs = [(task, method) for task in TASKS for method in METHODS]
    asked = {"data_run": "mine", "tasks": list(TASKS), "experiments": pairs, "seeds": list(SEEDS)}
    (folder / "study.json").write_text(json.dumps(asked))
    path = folder / "tables" / "paired.csv"
    path.parent.mkdir(exist_ok=True)
    text = forms.csv_text(paired(folder, KEYS)[0])
    path.write_text(text)
    assert list(verify_tables(folder)) == []
    path.write_text(text.replace("densenas-random,60,", "densenas-random,61,", 1))
    (fault,) = verify_tables(folder)
    assert "paired.csv: line 3 is not what the run's results give" in fault


def test_a_run_without_predictions(tmp_path):
    keys = make_run(tmp_path / "mine")
    table, lacks = paired(tmp_path / "mine", keys)
    assert table.empty
    assert len(lacks) == 1
    assert "predictions not kept" in lacks[0]
    for form in (forms.to_markdown, forms.to_latex, forms.to_csv):
        form(paired_table(table, lacks, "Caption."))


def test_the_script_writes_what_readers_see(study, tmp_path):
    sys.path.insert(0, str(forms.__file__).rsplit("/nasperf360/", 1)[0])
    outputs = [tmp_path / f"paired.{form}" for form in ("csv", "md", "tex")]
    import_module("paired_table").main(study[0], [list(key) for key in KEYS], outputs)
    table = paired(study[0], KEYS)[0]
    assert len(pd.read_csv(outputs[0])) == len(table)
    text = outputs[1].read_text()
    counts = table[(table["first"] == "wrn-default") & (table["second"] == "densenas-random")]
    wins = (counts["better"] == "densenas-random").sum()
    assert wins > 0
    assert f"| WRN default | DenseNAS random | 3 | 0 | {wins} | {3 - wins} |" in text
    assert "Test on CIFAR-100: exact, of the signs" in text
    assert "not what other seeds or tasks would" in text
    assert "| Darcy Flow, relative l2 ↓ | WRN default − DARTS GAEA |" in text
    assert outputs[2].read_text().count(r"\begin{tabular}") == 2
