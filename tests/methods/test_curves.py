"""The files of a job: the same history from equal runs, seconds in cost.json, validation only on held-out samples."""

import csv
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from test_experiments import FILES, NamedJobs

from nasperf360.files import read_json

STAGES = ("search", "retrain")


def rows_of(jobs: NamedJobs) -> list[dict[str, str]]:
    with (jobs.folder / "out" / "history.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def retrained(folder: Path, task: str, **retrain: Any) -> NamedJobs:
    folder.mkdir()
    jobs = NamedJobs(folder, task, "wrn-default", retrain={"wrn": {"all": retrain}})
    jobs.retrain({"architecture": {"space": "wrn"}, "seed": 5})
    return jobs


def test_validation_changes_neither_network_nor_predictions(tmp_path: Path) -> None:
    """DeepSEA's validation split is no part of the final training."""
    without, looking = (retrained(tmp_path / str(every), "deepsea", validate_every=every) for every in (0, 2))
    model, other = ((jobs.folder / "out" / FILES["model"]).read_bytes() for jobs in (without, looking))
    assert model == other
    outputs = []
    for jobs in (without, looking):
        with h5py.File(jobs.folder / "out" / FILES["predictions"]) as file:
            outputs.append(file["outputs"][:])
    assert np.array_equal(*outputs)
    assert "valid_loss" not in rows_of(without)[0]
    shown = [row["valid_loss"] for row in rows_of(looking)]
    assert len(shown) > 2
    assert [bool(loss) for loss in shown] == [number % 2 == 0 for number in range(1, len(shown) + 1)]
    trained = [{key: value for key, value in row.items() if key != "valid_loss"} for row in rows_of(looking)]
    assert trained == rows_of(without)


def test_no_loss_is_shown_on_samples_that_are_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = retrained(tmp_path / "merged", "satellite", validate_every=1)
    assert "valid_loss" not in rows_of(jobs)[0]
    assert "validate_every: train+valid holds samples of the validation split; no loss is taken" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("method", ["wrn-asha", "wrn-random", "densenas-densenas", "darts-gaea"])
def test_equal_searches_have_equal_histories_and_their_times_stand_beside(tmp_path: Path, method: str) -> None:
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        jobs = NamedJobs(tmp_path / name, "satellite", method, samples=80)
        jobs.search()
        found.append((jobs.folder / "out" / "history.csv").read_bytes())
        seconds = read_json(jobs.folder / "out" / "cost.json")["history_seconds"]
        assert len(seconds) == len(rows_of(jobs)) > 1
        assert min(seconds) > 0
    assert found[0] == found[1]
    assert (b"valid_loss" in found[0]) == (method in ("densenas-densenas", "darts-gaea"))
    assert (b"architecture" in found[0].splitlines()[0].split(b",")) == (method in ("wrn-asha", "wrn-random"))


def test_a_training_says_which_search_it_rests_on(tmp_path: Path) -> None:
    jobs = retrained(tmp_path / "shared", "satellite")
    assert len(read_json(jobs.folder / "out" / "cost.json")["history_seconds"]) == len(rows_of(jobs)) > 1
    result = jobs.evaluate()
    assert (result["seed"], result["search_seed"]) == (0, 5)
