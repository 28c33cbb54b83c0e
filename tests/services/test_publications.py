"""Results published beside data sets, and the page and the list of what a bucket holds, on a real S3 server."""

import html
import json

import pytest

from nasperf360.data.publish import publish
from nasperf360.data.published import fetch_published
from nasperf360.data.sources_file import read_terms
from nasperf360.errors import DataError, UserError
from nasperf360.files import digest_file, read_json, write_json
from nasperf360.report.publications import page, size
from nasperf360.stages.experiment import checksummed
from nasperf360.study import publications
from nasperf360.study.bundles import publish_bundle
from nasperf360.study.paths import ROOT
from nasperf360.study.publications import write_index
from services.datasets import make_dataset
from services.experiments import EXPERIMENT, make_experiment

TERMS = read_terms(ROOT / "config" / "sources.yaml")
FOLDER = "nas/perf/results/mine/ecg/wrn-default/0"


def outputs(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    files = {"list": "index.json", "page": "index.html"}
    return {name: str(folder / files.get(name, f"{name}.json")) for name in names}


def send_bundle(files, settings, folder):
    return publish_bundle("mine", EXPERIMENT, files, settings, outputs(folder, "manifest", "receipt"), progress=False)


def send_index(settings, folder, render=page):
    return write_index(settings, TERMS, render, outputs(folder, "list", "page", "receipt"))


def send_dataset(settings, folder, task="ecg", **about):
    publish(make_dataset(folder, task, **about), folder / f"receipt-{task}.json", settings, "allowed", progress=False)


def content(client, settings, name):
    return client.get_object(Bucket=settings["bucket"], Key=f"nas/perf/{name}")["Body"].read()


def test_an_experiment_is_a_bundle_whose_list_is_sent_last(settings, client, tmp_path):
    files = make_experiment(tmp_path / "files")
    names = ["result.json", "architecture.json", "predictions.h5", "model.pt", "bundle.json"]
    sent = send_bundle(files, settings, tmp_path)
    assert sent == [f"results/mine/ecg/wrn-default/0/{name}" for name in names]
    for name, path in files.items():
        sha256 = read_json(tmp_path / "receipt.json")["objects"][f"results/mine/ecg/wrn-default/0/{name}"]["sha256"]
        assert sha256 == digest_file(path)
        assert client.head_object(Bucket=settings["bucket"], Key=f"{FOLDER}/{name}")["Metadata"] == {"sha256": sha256}
    bundle = json.loads(client.get_object(Bucket=settings["bucket"], Key=f"{FOLDER}/bundle.json")["Body"].read())
    assert bundle["files"]["model.pt"] == {"bytes": 7, "sha256": digest_file(files["model.pt"])}
    assert (bundle["run"], bundle["method"], bundle["value"]) == ("mine", "wrn-default", 0.625)
    assert send_bundle(files, settings, tmp_path) == []


def test_other_weights_under_the_same_key_are_refused_and_nothing_is_sent(settings, client, tmp_path):
    send_bundle(make_experiment(tmp_path / "first"), settings, tmp_path)
    other = make_experiment(tmp_path / "second", weights=b"weightz")
    (tmp_path / "receipt.json").unlink()
    with pytest.raises(UserError, match=r"under this key lies another file"):
        send_bundle(other, settings, tmp_path)
    assert not (tmp_path / "receipt.json").exists()
    assert content(client, settings, "results/mine/ecg/wrn-default/0/model.pt") == b"weights"


@pytest.mark.parametrize("name", ["result.json", "architecture.json", "model.pt", "predictions.h5"])
def test_files_that_do_not_belong_together_are_not_published(settings, client, tmp_path, name):
    files = make_experiment(tmp_path / "files")
    if name == "architecture.json":
        write_json(files[name], checksummed({**read_json(files[name]), "architecture": {"space": "wrn", "lr": 0.5}}))
    elif name == "result.json":
        write_json(files[name], {**read_json(files[name]), "value": 0.99})
    else:
        (tmp_path / "files" / name).write_bytes(b"others")
    with pytest.raises(DataError, match=rf"{name}: .*publish again$"):
        send_bundle(files, settings, tmp_path)
    assert "Contents" not in client.list_objects_v2(Bucket=settings["bucket"])


def test_page_and_list_say_what_is_there(settings, client, tmp_path):
    send_dataset(settings, tmp_path)
    send_dataset(settings, tmp_path, "satellite", origin="original", licence="GPL-3.0")
    send_bundle(make_experiment(tmp_path / "files"), settings, tmp_path)
    assert send_index(settings, tmp_path / "index") == ["index.json", "index.html"]
    found, shown = json.loads(content(client, settings, "index.json")), content(client, settings, "index.html").decode()
    assert sorted(found["datasets"]) == ["ecg", "satellite"]
    for task, entry in found["datasets"].items():
        assert entry["data"]["sha256"] == digest_file(tmp_path / f"{task}.h5")
        assert entry["manifest"]["sha256"] == digest_file(tmp_path / f"{task}.json")
        for part in ("data", "manifest"):
            assert f'href="{entry[part]["path"]}"' in shown
            assert entry[part]["sha256"] in shown
            assert f"({entry[part]['bytes']} bytes)" in shown
    assert found["datasets"]["satellite"]["licence"] == "GPL-3.0"
    assert html.escape(TERMS["satellite"]["citation"]) in shown
    assert TERMS["satellite"]["homepage"] in shown
    assert found["datasets"]["ecg"]["citation"] == ""  # simulated data are nobody's work
    (result,) = found["results"]
    assert 'href="results/mine/ecg/wrn-default/0/architecture.json"' in shown
    assert result["files"]["model.pt"]["path"] == "results/mine/ecg/wrn-default/0/model.pt"
    head = client.head_object(Bucket=settings["bucket"], Key="nas/perf/index.html")
    assert head["ContentType"].startswith("text/html")
    # The same objects have the same list, whoever makes it; nothing is sent again.
    assert send_index(settings, tmp_path / "elsewhere") == []
    for name in ("index.json", "index.html"):
        assert (tmp_path / "index" / name).read_bytes() == (tmp_path / "elsewhere" / name).read_bytes()


def test_what_is_too_large_for_a_manifest_is_not_fetched(settings, client, tmp_path, monkeypatch):
    send_dataset(settings, tmp_path)
    large = b"{}" + b" " * 100_000
    client.put_object(Bucket=settings["bucket"], Key="nas/perf/results/others/bundle.json", Body=large)
    monkeypatch.setattr(publications, "LARGEST", 99_999)
    fetched, real = [], publications.Bucket.blocks
    monkeypatch.setattr(publications.Bucket, "blocks", lambda bucket, name: fetched.append(name) or real(bucket, name))
    send_index(settings, tmp_path / "index")
    assert list(read_json(tmp_path / "index/index.json")["datasets"]) == ["ecg"]
    assert fetched == ["ecg.json"]


def test_what_is_nothing_of_ours_is_left_out_and_said_so(settings, client, tmp_path, capsys):
    send_dataset(settings, tmp_path, licence="<script>alert(1)</script>")
    bad = {
        "notes.json": b"{}",
        "broken.json": b"no json",
        "broken.h5": b"x",
        "darcy.h5": b"x",
        "darcy.json": (tmp_path / "ecg.json").read_bytes(),
        "results/mine/ecg/wrn-default/0/bundle.json": b"{}",
        "results/bundle.json": b"[",
    }
    for name, body in bad.items():
        client.put_object(Bucket=settings["bucket"], Key=f"nas/perf/{name}", Body=body)
    send_index(settings, tmp_path / "index")
    found = read_json(tmp_path / "index/index.json")
    assert (list(found["datasets"]), found["results"]) == (["ecg"], [])
    said = capsys.readouterr().err
    for name in ("broken.json", "darcy.json", "wrn-default/0/bundle.json", "results/bundle.json"):
        assert f"{name} at {settings['endpoint']}: " in said
    assert "<script>alert" not in (tmp_path / "index/index.html").read_text()


def test_the_list_holds_what_others_published_meanwhile(settings, tmp_path):
    send_dataset(settings, tmp_path)
    rendered = []

    def render(listing):
        if not rendered:
            send_dataset(settings, tmp_path, "satellite")
        rendered.append(sorted(listing["datasets"]))
        return page(listing)

    send_index(settings, tmp_path / "index", render)
    assert rendered == [["ecg"], ["ecg", "satellite"]]
    assert sorted(read_json(tmp_path / "index/index.json")["datasets"]) == ["ecg", "satellite"]


def test_the_address_of_the_page_is_all_that_readers_need(settings, monkeypatch, tmp_path):
    send_dataset(settings, tmp_path)
    send_index(settings, tmp_path / "index")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    place = f"{settings['endpoint']}/{settings['bucket']}/nas/perf"
    for number, mirror in enumerate((f"{place}/index.html", f"{place}/index.json", place, f"{place}/")):
        target = tmp_path / str(number) / "ecg.h5"
        fetch_published("ecg", target, mirror, {}, progress=False)
        assert digest_file(target) == digest_file(tmp_path / "ecg.h5")
        assert sorted(path.name for path in target.parent.iterdir()) == ["ecg.h5", "ecg.json"]
    target = tmp_path / "none" / "darcy.h5"
    with pytest.raises(UserError, match=r"index.json: lists no data set of task 'darcy', but ecg; check 'mirror'"):
        fetch_published("darcy", target, f"{place}/index.html", {}, progress=False)
    with pytest.raises(UserError, match=r"no-such-place/index.json: the server answers 404"):
        fetch_published("ecg", target, f"{place}/no-such-place/index.html", {}, progress=False)


def test_a_folder_with_the_page_is_as_good(tmp_path, monkeypatch):
    path = make_dataset(tmp_path)
    listed = {"bytes": path.with_suffix(".json").stat().st_size, "sha256": digest_file(path.with_suffix(".json"))}
    write_json(tmp_path / "index.json", {"datasets": {"ecg": {"manifest": listed}}, "results": []})
    fetch_published("ecg", tmp_path / "a/ecg.h5", str(tmp_path / "index.html"), {}, progress=False)
    monkeypatch.chdir(tmp_path)
    fetch_published("ecg", tmp_path / "b/ecg.h5", "index.html", {}, progress=False)
    assert digest_file(tmp_path / "b/ecg.h5") == digest_file(path)
    # A manifest that is not the one listed.
    write_json(tmp_path / "ecg.json", {**read_json(tmp_path / "ecg.json"), "note": "more"})
    with pytest.raises(DataError, match=r"ecg.json: \d+ bytes, but \d+ are expected; have it published again"):
        fetch_published("ecg", tmp_path / "c/ecg.h5", "index.html", {}, progress=False)
    for text in ("[]", '{"datasets": {"ecg": 3}}', "{", '{"datasets": {"ecg": {"manifest": {"bytes": "x"}}}}'):
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(DataError, match=r"index.json: not a") as caught:
            fetch_published("ecg", tmp_path / "c/ecg.h5", "index.html", {}, progress=False)
        assert "\n" not in str(caught.value)


def test_sizes_are_written_for_people():
    assert [size(count) for count in (0, 999, 1000, 1_204_288_519, 10**13)] == [
        *("0 B", "999 B", "1.0 kB", "1.2 GB", "10.0 TB"),
    ]


def test_a_page_of_somebody_else_is_not_replaced(settings, client, tmp_path):
    send_index(settings, tmp_path)
    send_index(settings, tmp_path)  # its own it does
    for name in ("index.html", "index.json"):
        ours = content(client, settings, name)
        client.put_object(Bucket=settings["bucket"], Key=f"nas/perf/{name}", Body=b"<h1>ours</h1>")
        with pytest.raises(UserError, match=rf"{name}.*: a file of somebody else lies under this key; choose another"):
            send_index(settings, tmp_path)
        assert content(client, settings, name) == b"<h1>ours</h1>"
        client.put_object(Bucket=settings["bucket"], Key=f"nas/perf/{name}", Body=ours)
