"""The whole pipeline on real raw files."""

import json

import pandas as pd
import pytest
from checkout import Checkout

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
