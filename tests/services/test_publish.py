"""Publishing to a real S3 server, and fetching what was published."""

import shutil
from urllib.parse import parse_qs, urlsplit

import h5py
import pytest

from nasperf360.data import published, upload
from nasperf360.data.datasets import Dataset
from nasperf360.data.publish import publish
from nasperf360.data.published import fetch_published
from nasperf360.data.s3 import Bucket
from nasperf360.errors import DataError, UserError
from nasperf360.files import digest_file, read_json, write_json
from services.datasets import KEYS, make_dataset
from services.files import file_server


def test_round_trip(settings, client, tmp_path):
    path = make_dataset(tmp_path / "data")
    receipt = tmp_path / "publish/ecg.json"
    assert publish(path, receipt, settings, progress=False) == ["ecg.h5", "ecg.json"]
    content = read_json(receipt)
    assert content["objects"]["ecg.h5"]["key"] == "nas/perf/ecg.h5"
    assert content["objects"]["ecg.h5"]["sha256"] == digest_file(path)
    listed = client.list_objects_v2(Bucket=settings["bucket"])["Contents"]
    assert [entry["Key"] for entry in listed] == ["nas/perf/ecg.h5", "nas/perf/ecg.json"]

    fetched = tmp_path / "fetched/ecg.h5"
    fetch_published("ecg", fetched, "", settings, progress=False)
    assert digest_file(fetched) == digest_file(path)
    with Dataset(fetched) as dataset:
        dataset.verify()
        assert dataset.manifest == read_json(path.with_suffix(".json"))
        assert dataset.manifest["splits"]["train"]["fields"]["x"] == {"shape": [1, 1000], "dtype": "float32"}
    assert sorted(file.name for file in fetched.parent.iterdir()) == ["ecg.h5", "ecg.json"]


def test_a_signed_address_lasts_as_long_as_a_slow_download(settings, client, tmp_path, monkeypatch):
    """S3 asks for the signature anew with each part that a broken download goes on with: an hour would be too short."""
    publish(make_dataset(tmp_path / "data"), tmp_path / "publish/ecg.json", settings, progress=False)
    asked, real = [], published.download

    def download(url, *others):
        asked.append(parse_qs(urlsplit(url).query)["X-Amz-Expires"])
        return real(url, *others)

    monkeypatch.setattr(published, "download", download)
    fetch_published("ecg", tmp_path / "fetched/ecg.h5", "", settings, progress=False)
    assert asked == [["604800"]] * 2  # seven days, the longest there is


def test_a_second_time_sends_nothing_and_a_change_is_refused(settings, client, tmp_path):
    path = make_dataset(tmp_path)
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    publish(path, first, settings, progress=False)
    before = client.head_object(Bucket=settings["bucket"], Key="nas/perf/ecg.h5")["LastModified"]
    assert publish(path, second, settings, progress=False) == []
    assert second.read_bytes() == first.read_bytes()
    assert client.head_object(Bucket=settings["bucket"], Key="nas/perf/ecg.h5")["LastModified"] == before
    manifest = read_json(path.with_suffix(".json"))
    write_json(path.with_suffix(".json"), {**manifest, "note": "more"})
    with pytest.raises(UserError, match=r"nas/perf/ecg.json .*: under this key lies another file than"):
        publish(path, second, settings, progress=False)


def test_what_others_keep_in_the_bucket_is_not_listed(settings, client):
    for key in ("nas/perf/a/b.json", "nas/perfect/c.json", "d.json"):
        client.put_object(Bucket=settings["bucket"], Key=key, Body=b"12")
    assert Bucket.open(settings).listed() == {"a/b.json": 2}


def test_two_tasks_keep_each_their_entry(settings, client, tmp_path):
    for task in ("ecg", "satellite"):
        publish(make_dataset(tmp_path, task), tmp_path / f"receipt-{task}.json", settings, progress=False)
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=settings["bucket"])["Contents"]]
    assert keys == [f"nas/perf/{name}" for name in ("ecg.h5", "ecg.json", "satellite.h5", "satellite.json")]


def test_large_files_go_in_parts(settings, client, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(upload, "_PART_BYTES", 5 << 20)
    path = make_dataset(tmp_path, samples=1000)
    publish(path, tmp_path / "receipt.json", settings)
    head = client.head_object(Bucket=settings["bucket"], Key="nas/perf/ecg.h5")
    assert head["ETag"].strip('"').endswith("-3")
    assert head["Metadata"]["sha256"] == digest_file(path)
    assert "ecg.h5" in capsys.readouterr().err
    fetch_published("ecg", tmp_path / "fetched/ecg.h5", "", settings, progress=False)
    assert digest_file(tmp_path / "fetched/ecg.h5") == digest_file(path)


@pytest.mark.parametrize(
    ("changes", "environment", "message"),
    [
        ({}, {KEYS[0]: None, KEYS[1]: None}, f"{KEYS[0]} and {KEYS[1]}: not set in the environment"),
        ({}, {KEYS[1]: None}, f"^{KEYS[1]}: not set in the environment"),
        ({}, {KEYS[1]: "wrong"}, rf"s3://.*: access denied .*check {KEYS[0]} and {KEYS[1]}"),
        ({"bucket": ""}, {}, r"publish.bucket: not set"),
        ({"bucket": "no-such-bucket"}, {}, r"publish.bucket: there is no bucket s3://no-such-bucket at http"),
        ({"endpoint": "http://127.0.0.1:1"}, {}, r"publish.endpoint: http://127.0.0.1:1 cannot be reached"),
        ({"endpoint": "nonsense"}, {}, r"publish.endpoint: 'nonsense' is no URL"),
    ],
)
def test_each_fault_is_one_line(settings, tmp_path, monkeypatch, changes, environment, message):
    path = make_dataset(tmp_path)
    for key, value in environment.items():
        monkeypatch.setenv(key, value) if value else monkeypatch.delenv(key)
    with pytest.raises(UserError, match=message) as caught:
        publish(path, tmp_path / "receipt.json", {**settings, **changes}, progress=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "receipt.json").exists()


def test_what_differs_from_its_manifest_is_not_published(settings, client, tmp_path):
    path = make_dataset(tmp_path)
    with h5py.File(path, "r+") as file:
        file["train/y"][0] = (file["train/y"][0] + 1) % 4
    with pytest.raises(DataError, match="its content differs from its manifest"):
        publish(path, tmp_path / "receipt.json", settings, progress=False)
    manifest = read_json(path.with_suffix(".json"))
    del manifest["licence"]
    write_json(path.with_suffix(".json"), {**manifest, "sha256": digest_file(path)})
    with pytest.raises(DataError, match="no 'licence' in the manifest"):
        publish(path, tmp_path / "receipt.json", settings, progress=False)
    assert "Contents" not in client.list_objects_v2(Bucket=settings["bucket"])


def test_an_object_with_other_bytes_is_neither_already_published_nor_overwritten(settings, client, tmp_path):
    """Whatever its metadata say: somebody copied them to something else of the same size."""
    path = make_dataset(tmp_path)
    publish(path, tmp_path / "receipt.json", settings, progress=False)
    other = bytearray(path.read_bytes())
    other[-1] ^= 1
    for parts in (1, 2):  # sent at once, and in parts, whose ETag is no digest of the whole
        put(client, settings["bucket"], "nas/perf/ecg.h5", bytes(other), {"sha256": digest_file(path)}, parts)
        (tmp_path / "receipt.json").unlink(missing_ok=True)
        with pytest.raises(UserError, match=r"nas/perf/ecg.h5 at http.*: under this key lies another file") as caught:
            publish(path, tmp_path / "receipt.json", settings, progress=False)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "receipt.json").exists()
        body = client.get_object(Bucket=settings["bucket"], Key="nas/perf/ecg.h5")["Body"].read()
        assert body == bytes(other)
    # The right bytes, sent in parts of another size: their ETag is not ours, and nothing is sent again.
    put(client, settings["bucket"], "nas/perf/ecg.h5", path.read_bytes(), {"sha256": digest_file(path)}, 2)
    assert publish(path, tmp_path / "receipt.json", settings, progress=False) == []


def put(client, bucket, key, content, metadata, parts):
    """An object of which each part but the last has 5 MiB, the least that S3 takes."""
    if parts == 1:
        client.put_object(Bucket=bucket, Key=key, Body=content, Metadata=metadata)
        return
    upload = client.create_multipart_upload(Bucket=bucket, Key=key, Metadata=metadata)["UploadId"]
    place = {"Bucket": bucket, "Key": key, "UploadId": upload}
    pieces = [content] if len(content) <= 5 << 20 else [content[: 5 << 20], content[5 << 20 :]]
    sent = [
        {"PartNumber": number, "ETag": client.upload_part(**place, PartNumber=number, Body=piece)["ETag"]}
        for number, piece in enumerate(pieces, 1)
    ]
    client.complete_multipart_upload(**place, MultipartUpload={"Parts": sent})


def test_a_damaged_object_is_refused(settings, client, tmp_path):
    path = make_dataset(tmp_path)
    publish(path, tmp_path / "receipt.json", settings, progress=False)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    client.put_object(Bucket=settings["bucket"], Key="nas/perf/ecg.h5", Body=bytes(content))
    target = tmp_path / "fetched/ecg.h5"
    with pytest.raises(DataError, match="wrong checksum"):
        fetch_published("ecg", target, "", settings, progress=False)
    assert not target.exists()
    with pytest.raises(UserError, match=r"s3://.*/nas/perf/darcy.json .*: not published"):
        fetch_published("darcy", target, "", settings, progress=False)


def test_published_folder_and_url(tmp_path):
    path = make_dataset(tmp_path / "index")
    fetch_published("ecg", tmp_path / "a/ecg.h5", str(tmp_path / "index"), {}, progress=False)
    with file_server(tmp_path / "index") as site:
        fetch_published("ecg", tmp_path / "b/ecg.h5", site.url, {}, progress=False)
        with pytest.raises(UserError, match="404"):
            fetch_published("darcy", tmp_path / "b/darcy.h5", site.url, {}, progress=False)
    for folder in ("a", "b"):
        assert digest_file(tmp_path / folder / "ecg.h5") == digest_file(path)
        with Dataset(tmp_path / folder / "ecg.h5") as dataset:
            dataset.verify()
    shutil.copy(path.with_suffix(".json"), tmp_path / "index/darcy.json")
    with pytest.raises(DataError, match="describes task 'ecg', not 'darcy'"):
        fetch_published("darcy", tmp_path / "a/darcy.h5", str(tmp_path / "index"), {}, progress=False)
