"""The whole pipeline on real raw files, and through a real SLURM."""

import json

import pandas as pd
import pytest
from checkout import Checkout

from services.slurm import slurm, unavailable

pytestmark = pytest.mark.slow

REAL = ["cifar100", "spherical", "darcy", "ecg", "satellite", "deepsea"]


def test_real_raw_files_give_real_numbers(tmp_path, samples):
    checkout = Checkout(tmp_path / "checkout")
    quick = "retrain={wrn: {all: {epochs: 1, batch_size: 16}}}"
    config = [f"tasks=[{','.join(REAL)}]", "methods=[wrn-default]", "run=real", "source=original", quick]
    config += [
        f"mirror={samples}",
        "sources=tests/samples/sources.yaml",
        "spaces={wrn: {all: {width: 4, width_1d: 4}}}",
    ]
    checkout.snakemake("tables", "--cores", "2", config=tuple(config))
    results = checkout.folder / "results" / "real"
    table = pd.read_csv(results / "tables" / "performance.csv").set_index("task")
    assert list(table.index) == REAL
    assert table["mean"].notna().all()
    assert not table["simulated"].any()
    assert "simulated" not in (results / "tables" / "performance.md").read_text().lower()
    scores = json.loads((results / "evaluate/deepsea/wrn-default/0/result.json").read_text())["scores"]
    assert scores["labels_scored"] == 1  # column 127 is the only one of the samples that has both classes
    assert checkout.plan("tables", config=tuple(config)) == {}


def test_one_task_through_slurm(tmp_path):
    if reason := unavailable():
        pytest.skip(reason)
    checkout = Checkout(tmp_path / "checkout")
    config = ("tasks=[satellite]", "methods=[wrn-default]", "run=cluster")
    profile = ["--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1"]
    with slurm(tmp_path / "slurm", gpus=1):
        text = checkout.snakemake("evaluations", *profile, "--slurm-no-account", config=config)
    assert (checkout.folder / "results/cluster/evaluate/satellite/wrn-default/0/result.json").is_file()
    cost = json.loads((checkout.folder / "results/cluster/retrain/satellite/wrn-default/0/cost.json").read_text())
    assert cost["job"].isdigit(), text[-2000:]
