"""Jobs of one experiment: what their checkpoints rest on, what they refuse, when their cost starts, what is scored."""

import fcntl
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from test_bad_input import Jobs
from true_shapes import SHAPES, write

from nasperf360.data.datasets import Dataset
from nasperf360.errors import DataError, UserError
from nasperf360.files import digest_file, read_json, write_json
from nasperf360.stages import code_digest, training_job
from nasperf360.stages.evaluate import evaluate
from nasperf360.stages.experiment import Experiment, is_checksummed
from nasperf360.stages.predictions import write_predictions
from nasperf360.stages.provenance import CostMeter
from nasperf360.stages.scoring import final_test, score, shape
from nasperf360.stages.search import trial_training

FILES = {"history": "history.csv", "model": "model.pt", "predictions": "predictions.h5"}


class NamedJobs(Jobs):
    """Whose files have the names that the rules give them; and their evaluation."""

    def outputs(self, *names: str) -> dict[str, str]:
        return {name: str(self.folder / "out" / FILES.get(name, f"{name}.json")) for name in names}

    def evaluate(self, seed: int = 0, method: str | None = None, task: str | None = None) -> dict:
        result = self.folder / "out" / "result.json"
        evaluate(
            Experiment("evaluate", task or self.task, method or self.method, seed),
            {},
            data=str(self.folder / "data.h5"),
            predictions=str(self.folder / "out" / "predictions.h5"),
            cost=str(self.folder / "out" / "cost.json"),
            output=str(result),
            verified=self.folder / "verified",
        )
        return read_json(result)


@pytest.fixture
def jobs(tmp_path: Path) -> NamedJobs:
    return NamedJobs(tmp_path, "satellite", "wrn-random")


def run(jobs: NamedJobs, stage: str) -> dict:
    """A job's result."""
    if stage == "search":
        jobs.search()
        return read_json(jobs.folder / "out" / "architecture.json")
    jobs.retrain({"architecture": {"space": "wrn"}})
    return jobs.evaluate()


STAGES = ("search", "retrain")


@pytest.mark.parametrize("stage", STAGES)
def test_the_checkpoint_of_another_number_of_threads_is_refused(stage, jobs, capsys):
    first = run(jobs, stage)
    assert first["provenance"]["settings"]["compute_threads"] == 1
    assert run(jobs, stage) == first
    assert "refused" not in capsys.readouterr().err
    jobs.machine = replace(jobs.machine, threads=2)
    assert run(jobs, stage)["provenance"]["settings"]["compute_threads"] == 2
    assert "refused, it belongs to another job (other settings)" in capsys.readouterr().err


@pytest.mark.parametrize("stage", STAGES)
def test_data_of_equal_size_that_their_manifest_does_not_describe_are_refused(stage, jobs):
    damage(jobs.folder / "data.h5")
    with pytest.raises(DataError, match=r"data\.h5: its content differs from its manifest; delete both and run again"):
        run(jobs, stage)
    assert not (jobs.folder / "out").exists()


def damage(path: Path) -> None:
    """Another last byte."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize("stage", STAGES)
def test_cost_starts_once_the_lock_is_held(stage, jobs, monkeypatch):
    """Else the wait for an orphan would count as time of this job."""
    held = []

    class Meter(CostMeter):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            with open(jobs.folder / "checkpoints/satellite/wrn-random/0/lock", encoding="utf-8") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    held.append(False)
                except BlockingIOError:
                    held.append(True)

    monkeypatch.setattr(training_job, "CostMeter", Meter)
    run(jobs, stage)
    assert held == [True]


def test_trials_train_as_retraining_does_but_for_what_the_search_says():
    assert trial_training({"search": {"trials": 1}}) == {}
    settings = {"search": {"training": {"lr": 2.0}}, "retrain": {"lr": 1.0, "epochs": 3}}
    assert trial_training(settings) == {"lr": 2.0, "epochs": 3}


@pytest.mark.parametrize("stage", STAGES)
def test_code_that_changes_while_it_runs_leaves_no_result_and_the_checkpoint(stage, jobs, monkeypatch):
    """As ``run_job`` does for every job, but before the results are written."""
    asked = []

    def check_code(planned):
        asked.append(list((jobs.folder / "checkpoints").rglob("state.pt")))
        if len(asked) == 2:
            raise UserError("metric.py changed")

    monkeypatch.setattr(training_job, "check_code", check_code)
    with pytest.raises(UserError, match=r"metric\.py changed"):
        run(jobs, stage)
    assert [bool(states) for states in asked] == [False, True]
    assert not (jobs.folder / "out").exists()
    monkeypatch.setattr(training_job, "check_code", code_digest.check_code)
    run(jobs, stage)  # the code is that again
    assert read_json(jobs.folder / "out/cost.json")["attempts"] == 2


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> NamedJobs:
    """A training that has ended; tests copy it."""
    jobs = NamedJobs(tmp_path_factory.mktemp("trained"), "satellite", "wrn-default")
    jobs.retrain({"architecture": {"space": "wrn"}})
    return jobs


@pytest.fixture
def copy(trained, tmp_path) -> NamedJobs:
    jobs = NamedJobs.__new__(NamedJobs)
    vars(jobs).update(vars(trained), folder=tmp_path / "copy")
    shutil.copytree(trained.folder, jobs.folder)
    return jobs


def test_a_training_ends_with_its_network_and_its_predictions(trained):
    folder = trained.folder / "out"
    assert {path.name for path in folder.iterdir()} == {*FILES.values(), "cost.json"}
    cost = read_json(folder / "cost.json")
    assert cost["files"] == {name: digest_file(folder / name) for name in FILES.values()}
    assert cost["simulated"] is True
    with h5py.File(folder / "predictions.h5") as file:
        assert file["outputs"].dtype == np.float32
        assert file["outputs"].shape == (64, 24)
        assert file["outputs"].compression == "gzip"
        assert file["outputs"].shuffle


def test_predictions_are_read_by_the_megabyte(tmp_path):
    outputs = np.zeros((40, 100, 1000), np.float32)  # 0.4 MB a sample
    write_predictions(tmp_path / "predictions.h5", outputs, {})
    with h5py.File(tmp_path / "predictions.h5") as file:
        assert file["outputs"].chunks == (2, 100, 1000)
    write_predictions(tmp_path / "large.h5", outputs.reshape(10, 400, 1000), {})
    with h5py.File(tmp_path / "large.h5") as file:
        assert file["outputs"].chunks == (1, 400, 1000)


def test_an_evaluation_says_all_that_a_result_says(copy):
    result = copy.evaluate()
    assert is_checksummed(result)
    with Dataset(copy.folder / "data.h5") as dataset, h5py.File(copy.folder / "out/predictions.h5") as file:
        scores = score("satellite", file["outputs"][:], dataset.split("test").targets())
        manifest = dataset.manifest
    assert result["value"] == result["scores"]["value"] == scores["value"]
    assert result["scores"] == scores
    assert result["metric"] == {"name": "0-1 error %", "higher_is_better": False}
    names = {"task": "satellite", "method": "wrn-default", "space": "wrn", "algorithm": "default", "seed": 0}
    assert {name: result[name] for name in names} == names
    assert result["samples"] == {"train": 128, "test": 64}
    assert result["simulated"] is True
    assert result["files"] == read_json(copy.folder / "out/cost.json")["files"]
    assert result["parameters"] > 0
    assert result["multiply_adds"] > 0
    assert result["provenance"]["data_sha256"] == manifest["sha256"]
    assert result["provenance"]["seed"] == Experiment("retrain", "satellite", "wrn-default", 0).derived_seed
    assert result["provenance"]["settings"]["architecture"] == {"space": "wrn"}
    assert result["provenance"]["settings"]["retrain"]["lr"] > 0


def named(jobs: NamedJobs) -> None:
    """Let ``cost.json`` name the predictions as they are."""
    cost = jobs.folder / "out/cost.json"
    path = jobs.folder / "out/predictions.h5"
    write_json(cost, {**read_json(cost), "files": {path.name: digest_file(path)}})


def rewritten(change: Callable) -> Callable[[NamedJobs], None]:
    """Predictions with other outputs or another record, named by ``cost.json``."""

    def rewrite(jobs):
        path = jobs.folder / "out/predictions.h5"
        with h5py.File(path) as file:
            outputs, record = file["outputs"][:], json.loads(file.attrs["record"])
        write_predictions(path, *change(outputs, record))
        named(jobs)

    return rewrite


def cut(jobs):
    path = jobs.folder / "out/predictions.h5"
    path.write_bytes(path.read_bytes()[:1000])
    named(jobs)


def without_record(jobs):
    with h5py.File(jobs.folder / "out/predictions.h5", "r+") as file:
        del file.attrs["record"]
    named(jobs)


def of_earlier_version(jobs):
    write_json(jobs.folder / "out/cost.json", {"wall_seconds": 1.0})


def other_data(jobs):
    (jobs.folder / "data.h5").unlink()
    write(jobs.folder / "data.h5", "satellite", {"train": 65, "valid": 64, "test": 64})


FOREIGN = {
    "gone": (lambda jobs: (jobs.folder / "out/predictions.h5").unlink(), "no such file"),
    "damaged": (lambda jobs: damage(jobs.folder / "out/predictions.h5"), r"not the file that \S+cost\.json names"),
    "cut short": (cut, "cannot be read as predictions"),
    "no record": (without_record, "cannot be read as predictions"),
    "a part of the record": (
        rewritten(lambda o, r: (o, {key: value for key, value in r.items() if key != "samples"})),
        "cannot be read as predictions .'samples'",
    ),
    "other data": (other_data, r"of other data than \S+data\.h5"),
    "another task": (rewritten(lambda o, r: (o, {**r, "task": "ecg"})), "of ecg wrn-default seed 0"),
    "another method": (rewritten(lambda o, r: (o, {**r, "method": "wrn-asha"})), "of satellite wrn-asha seed 0"),
    "another seed": (rewritten(lambda o, r: (o, {**r, "seed": 1})), "of satellite wrn-default seed 1"),
    "too few samples": (
        rewritten(lambda o, r: (o[1:], r)),
        r"\(63, 24\) where the test split needs",
    ),
    "too few classes": (rewritten(lambda o, r: (o[:, 1:], r)), r"\(64, 23\) where the test split needs"),
    "another dimension": (rewritten(lambda o, r: (o[..., None], r)), r"\(64, 24, 1\) where the test split needs"),
}


@pytest.mark.parametrize(("change", "words"), FOREIGN.values(), ids=FOREIGN)
def test_predictions_that_do_not_fit_are_refused_in_one_sentence(copy, change, words):
    change(copy)
    with pytest.raises(UserError, match=rf"predictions\.h5: .*{words}.*; (delete it and )?run the same command again$"):
        copy.evaluate()
    assert not (copy.folder / "out/result.json").exists()


def test_predictions_with_any_bit_flipped_are_refused(copy):
    path, rng = copy.folder / "out/predictions.h5", np.random.default_rng(12)
    content = path.read_bytes()
    for place in rng.integers(8 * len(content), size=60):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << (place % 8)
        path.write_bytes(flipped)
        with pytest.raises(UserError, match=r"predictions\.h5: not the file that \S+cost\.json names; delete it"):
            copy.evaluate()
    path.write_bytes(content)
    copy.evaluate()


def test_a_cost_file_that_names_no_predictions_is_refused(copy):
    of_earlier_version(copy)
    with pytest.raises(UserError, match=r"cost\.json: does not name predictions\.h5; delete it and run the same"):
        copy.evaluate()


def test_equal_predictions_have_equal_bytes(tmp_path):
    outputs = np.random.default_rng(0).standard_normal((300, 1, 64, 64)).astype(np.float32)
    write_predictions(tmp_path / "a.h5", outputs, {"seed": 0, "a": 2, "b": [1]})
    write_predictions(tmp_path / "b.h5", outputs, {"b": [1], "a": 2, "seed": 0})
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(file["outputs"][:], outputs)


@pytest.mark.parametrize("task", SHAPES)
def test_the_shape_of_predictions_is_known_for_every_task(task, tmp_path):
    """And outputs of that shape can be scored."""
    write(tmp_path / "data.h5", task, {"train": 4, "valid": 4, "test": 4})
    with Dataset(tmp_path / "data.h5") as dataset:
        test = final_test(task, dataset)
        expected = shape(task, test)
        assert expected[:2] == (4, SHAPES[task].outputs)
        outputs = np.random.default_rng(0).standard_normal(expected).astype(np.float32)
        scores = score(task, outputs, test.targets())
    assert np.isfinite(scores["value"])


def test_an_evaluation_loads_no_torch():
    program = "import sys, nasperf360.stages.evaluate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=code_digest.SCRIPTS).returncode == 0


def test_data_are_read_once_by_all_evaluations_of_a_task(copy, monkeypatch):
    copy.evaluate()
    monkeypatch.setattr("nasperf360.data.datasets.digest_file", lambda path: pytest.fail("read again"))
    copy.evaluate()
