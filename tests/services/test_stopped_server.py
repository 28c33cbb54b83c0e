"""The S3 server killed in the middle of an upload and of a download, and started again."""

import pytest
import urllib3

from nasperf360.data import upload, web
from nasperf360.data.publish import publish
from nasperf360.data.published import fetch_published
from nasperf360.errors import UserError
from nasperf360.files import digest_file
from services.datasets import make_dataset


@pytest.fixture
def killing(server):
    """Gives a module progress bars that kill the server once so many bytes went through; it runs again at the end."""

    def kill_after(patched, module, count):
        class Bar:
            done = 0

            def __init__(self, *args):
                pass

            def __enter__(self):
                return self

            def __exit__(self, *error):
                pass

            def update(self, more):
                Bar.done += more
                if Bar.done >= count:
                    server.kill()

        patched.setattr(module, "bar", Bar)

    yield kill_after
    if server.process.poll() is not None:
        server.start()


def test_an_upload_is_sent_whole_the_next_time(server, settings, client, killing, tmp_path, monkeypatch):
    monkeypatch.setattr(upload, "_PART_BYTES", 5 << 20)
    path, receipt = make_dataset(tmp_path, samples=3000), tmp_path / "receipt.json"
    with monkeypatch.context() as patched:
        killing(patched, upload, 12 << 20)
        with pytest.raises(UserError, match=r"cannot be reached") as caught:
            publish(path, receipt, settings, progress=False)
    assert "\n" not in str(caught.value)
    assert server.secret_key not in str(caught.value)
    assert not receipt.exists()
    server.start()
    # What came of it is no object: whoever looks finds the whole data set or none.
    assert "Contents" not in client.list_objects_v2(Bucket=settings["bucket"])
    assert publish(path, receipt, settings, progress=False) == ["ecg.h5", "ecg.json"]
    fetch_published("ecg", tmp_path / "fetched/ecg.h5", "", settings, progress=False)
    assert digest_file(tmp_path / "fetched/ecg.h5") == digest_file(path)


def test_a_download_goes_on_where_it_stopped(server, settings, killing, tmp_path, monkeypatch):
    path = make_dataset(tmp_path, samples=6000)
    publish(path, tmp_path / "receipt.json", settings, progress=False)
    target = tmp_path / "fetched/ecg.h5"
    part = target.with_name("ecg.h5.part")
    real = web.bar
    with monkeypatch.context() as patched:
        patched.setattr(web, "PATIENCE", urllib3.Retry(total=1, connect=0, other=0))
        killing(patched, web, 6 << 20)
        with pytest.raises(
            UserError, match=r"^s3://\S+/nas/perf/ecg.h5 at http\S+: (cannot be reached|the conn)"
        ) as caught:
            fetch_published("ecg", target, "", settings, progress=False)
    assert server.secret_key not in str(caught.value)
    assert server.access_key not in str(caught.value)  # as in the signed address
    assert not target.exists()
    assert not target.with_suffix(".json").exists()
    came = part.stat().st_size
    assert 6 << 20 <= came < path.stat().st_size
    server.start()
    began = []
    monkeypatch.setattr(
        web, "bar", lambda name, total, start, progress: began.append(start) or real(name, total, start, progress)
    )
    fetch_published("ecg", target, "", settings, progress=False)
    assert digest_file(target) == digest_file(path)
    assert began[-1] == came
