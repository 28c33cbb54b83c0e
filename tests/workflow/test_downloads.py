"""Downloads as Snakemake plans them: a lasting error ends at once, a refused file comes again by the same command."""

import json
import shutil

import pytest
import yaml
from checkout import Checkout

from nasperf360.registry import room
from nasperf360.seeds import generator
from nasperf360.tasks.satellite.spec import SimulateSettings
from services.files import file_server

pytestmark = pytest.mark.slow


def test_a_wrong_file_does_not_stay_wrong(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    folder = tmp_path / "site"
    folder.mkdir()
    files = room("tasks", "satellite", "simulator").simulate(
        folder, SimulateSettings(train=240, test=60), generator("simulate", "satellite")
    )
    names = {role: path.relative_to(folder).as_posix() for path, role, _ in files}
    good = (folder / names["test"]).read_bytes()
    with file_server(folder) as site:
        listed = [{"name": name, "role": role, "url": f"{site.url}/{name}"} for role, name in names.items()]
        sources = {"satellite": {"licence": "GPL-3.0", "files": listed}}
        (checkout.folder / "own.yaml").write_text(yaml.safe_dump(sources))
        config = ("run=own", "tasks=[satellite]", "source=original", "sources=own.yaml")

        def datasets(status):
            site.requests.clear()
            text = checkout.snakemake("datasets", "--cores", "1", "--retries", "2", config=config, status=status)
            return text, sorted(path.lstrip("/") for path, _ in site.requests)

        # 404: asked once, by whatever profile.
        (folder / names["test"]).unlink()
        text, asked = datasets(1)
        assert "answers 404 Not Found; correct the entry of" in text
        assert asked.count(names["test"]) == 1
        # A page in place of the file: refused by its reader, and fetched again by the same command, alone.
        (folder / names["test"]).write_text("please log in\n")
        text, asked = datasets(1)
        reason = json.loads((checkout.folder / "results/own/data/satellite/failure.json").read_text())["reason"]
        assert reason.endswith(f"; run the same command to fetch it again from {site.url}/{names['test']}")
        assert asked == [names["test"]]
        assert "Exiting because a job execution failed" in text  # and not because an input disappeared
        assert "Params have changed" in checkout.plan("datasets", config=config)["download satellite"]
        (folder / names["test"]).write_bytes(good)
        text, asked = datasets(0)
        assert asked == [names["test"]]
        assert (checkout.folder / "results/own/data/satellite.h5").is_file()
        assert not (checkout.folder / "results/own/data/satellite/failure.json").exists()
        assert checkout.plan("datasets", config=config) == {}
    shutil.rmtree(checkout.folder)
