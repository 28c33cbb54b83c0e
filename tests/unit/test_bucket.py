"""What a bucket is called, and which keys its client signs with; no server is asked."""

import botocore
import pytest

from nasperf360.data.s3 import Bucket
from nasperf360.errors import UserError

SETTINGS = {"bucket": "study", "prefix": "/nas/perf/", "endpoint": "https://s3.example.org"}


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name in ("AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "reader")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def credentials(bucket: Bucket):
    found = bucket.client._request_signer._credentials
    return found.access_key, found.secret_key, found.token


def test_keys_come_from_the_environment(monkeypatch):
    assert credentials(Bucket.open(SETTINGS)) == ("reader", "secret", None)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "for-an-hour")
    assert credentials(Bucket.open(SETTINGS)) == ("reader", "secret", "for-an-hour")


def test_without_keys_only_anonymous_reading_is_left(monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UserError, match="AWS_SECRET_ACCESS_KEY: not set"):
        Bucket.open(SETTINGS)
    assert Bucket.open(SETTINGS, anonymous=True).client.meta.config.signature_version is botocore.UNSIGNED


def test_region_and_address(monkeypatch):
    assert Bucket.open(SETTINGS).client.meta.region_name == "us-east-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    bucket = Bucket.open(SETTINGS)
    assert bucket.client.meta.region_name == "eu-north-1"
    assert bucket.client.meta.endpoint_url == "https://s3.example.org"
    assert bucket.client.meta.config.s3["addressing_style"] == "path"


def test_names_of_objects():
    bucket = Bucket.open(SETTINGS)
    assert bucket.key("ecg.h5") == "nas/perf/ecg.h5"
    assert bucket.address() == "s3://study at https://s3.example.org"
    assert bucket.address("ecg.h5") == "s3://study/nas/perf/ecg.h5 at https://s3.example.org"
    plain = Bucket.open({"bucket": "study"})
    assert plain.key("ecg.h5") == "ecg.h5"
    assert plain.address("ecg.h5") == "s3://study/ecg.h5"
    assert plain.client.meta.config.s3["addressing_style"] == "auto"
