"""What is wrong with where to publish: each fault has its own sentence, before any request, and no key is shown."""

import pytest

from nasperf360.data.s3 import Bucket
from nasperf360.errors import UserError

SETTINGS = {"bucket": "data-sets", "prefix": "nas", "endpoint": "http://127.0.0.1:9"}
DAMAGED = "[default\nnot = ]]\n=x"


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for variable in ("SESSION_TOKEN", "REGION", "DEFAULT_REGION", "PROFILE", "DEFAULT_PROFILE"):
        monkeypatch.delenv(f"AWS_{variable}", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden/word")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


def said(**changes) -> str:
    with pytest.raises(UserError) as error:
        Bucket.open({**SETTINGS, **changes})
    text = str(error.value)
    assert "\n" not in text
    assert "hidden" not in text
    return text


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("AWS_REGION", "us east 1", "AWS_REGION: 'us east 1' is no region such as us-east-1; correct or unset it"),
        ("AWS_DEFAULT_REGION", "-x", "AWS_DEFAULT_REGION: '-x' is no region"),
        ("AWS_REGION", "us-east-1\n", "AWS_REGION: 'us-east-1\\n' is no region"),
        ("AWS_SECRET_ACCESS_KEY", "hidden\n", "AWS_SECRET_ACCESS_KEY: ends in a space, a line break or another sign"),
        ("AWS_ACCESS_KEY_ID", "hidden\r", "AWS_ACCESS_KEY_ID: ends in"),
        ("AWS_ACCESS_KEY_ID", "hidden word", "AWS_ACCESS_KEY_ID: holds"),
        ("AWS_SESSION_TOKEN", "schl\u00fcssel", "AWS_SESSION_TOKEN: holds"),
        ("AWS_PROFILE", "nobody", "AWS_PROFILE: there is no profile 'nobody' in the configuration of AWS; unset"),
    ],
)
def test_a_variable_that_cannot_be_right(monkeypatch, variable, value, words):
    monkeypatch.setenv(variable, value)
    assert said().startswith(words)


@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_a_damaged_file_of_aws_is_named(monkeypatch, tmp_path, variable):
    path = tmp_path / "damaged"
    path.write_text(DAMAGED)
    monkeypatch.setenv(variable, str(path))
    assert said() == f"{path}: a configuration of AWS that cannot be read; mend the file or move it"


@pytest.mark.parametrize("name", ["Bad Bucket!", "a/b", "x", "-data", "b" * 300, "data\n"])
def test_a_name_that_no_bucket_has(name):
    assert said(bucket=name).startswith("publish.bucket: ")
    assert "is no name of a bucket, which has 3 to 63 lower-case letters" in said(bucket=name)


@pytest.mark.parametrize(
    "endpoint",
    [
        "ftp://x",
        "127.0.0.1:9",
        "http://",
        "http://a:99999",
        "http://a:0",
        "http://a:x",
        "http://a/?b=1",
        "http://[::1",
        "http://a b",
    ],
)
def test_an_endpoint_that_is_no_address(endpoint):
    assert said(endpoint=endpoint) == f"publish.endpoint: '{endpoint}' is no URL such as https://s3.example.org"


@pytest.mark.parametrize("endpoint", ["https://user:hidden@s3.example.org", "http://hidden@127.0.0.1:9"])
def test_a_password_in_the_address_is_refused_and_not_repeated(endpoint):
    text = said(endpoint=endpoint)
    assert text.startswith("publish.endpoint: holds a name or a password, which the receipt would show")
    assert "AWS_SECRET_ACCESS_KEY in the environment" in text


def test_a_prefix_with_a_line_break():
    assert said(prefix="a\nb").startswith("publish.prefix: 'a\\nb' holds a line break")


@pytest.mark.parametrize("anonymous", [True, False])
def test_sound_settings_are_taken(anonymous):
    bucket = Bucket.open(
        {**SETTINGS, "prefix": "/nas/", "endpoint": "https://s3.example.org:9000"}, anonymous=anonymous
    )
    assert bucket.address("ecg.h5") == "s3://data-sets/nas/ecg.h5 at https://s3.example.org:9000"
