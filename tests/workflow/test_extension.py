"""The pages on adding a method and a task: their files, dropped into a checkout, run through the whole pipeline."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from checkout import LIBRARY, ROOT, Checkout, environment, said

pytestmark = pytest.mark.slow

FILE = re.compile(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
OTHER_YAML = re.compile(r"^```yaml\n(?!# )(.*?)^```", re.MULTILINE | re.DOTALL)


class Page:
    """A page of ``docs/`` whose code blocks begin with the path of the file that they are."""

    def __init__(self, name: str):
        text = (ROOT / "docs" / name).read_text()
        self.files = dict(FILE.findall(text))
        self.command, *self.others = (command.strip() for command in COMMAND.findall(text))
        self.other = [yaml.safe_load(block) for block in OTHER_YAML.findall(text)]

    def install(self, checkout: Checkout) -> None:
        for name, content in self.files.items():
            assert not (ROOT / name).exists()
            (checkout.folder / name).parent.mkdir(exist_ok=True)
            (checkout.folder / name).write_text(content)

    def folders(self) -> set[str]:
        """Where its files lie."""
        return {str(Path(name).parent) for name in self.files}

    def run(self, checkout: Checkout, *config: str) -> None:
        """The page's first command line as it stands, with some more keys of the configuration."""
        self.execute(checkout, " ".join([self.command, "--config", *config]))

    @staticmethod
    def execute(checkout: Checkout, command: str) -> None:
        env = {**environment(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        said(["bash", "-c", command], checkout.folder, env, timeout=900)


def contracts(checkout: Checkout, names: str) -> None:
    """The contract tests of new folders pass, as the pages say; it is an error that there are none."""
    tests = f"{sys.executable} -m pytest -q -p no:cacheprovider tests/contracts -k '{names}'"
    Page.execute(checkout, f"NASPERF_CONTRACT_CONFIG=config/mine.yaml {tests}")


def performance(checkout: Checkout, run: str = "mine") -> pd.DataFrame:
    frame = pd.read_csv(checkout.folder / "results" / run / "tables" / "performance.csv")
    return frame.assign(method=frame["space"] + "-" + frame["algorithm"]).set_index(["task", "method"])


def test_a_new_algorithm_and_a_new_space_need_a_folder_each(tmp_path):
    page, checkout = Page("add_a_method.md"), Checkout(tmp_path / "checkout")
    assert page.folders() == {f"{LIBRARY}/algorithms/halving", f"{LIBRARY}/spaces/plain", "config"}
    page.install(checkout)
    contracts(checkout, "plain or halving")
    page.run(checkout, "'tasks=[satellite,darcy]'", "'seeds=[0]'")

    table = performance(checkout)
    methods = yaml.safe_load(page.files["config/mine.yaml"])["methods"]
    assert set(table.index) == {(task, method) for task in ("satellite", "darcy") for method in methods}
    assert (table["status"] == "complete").all()
    assert np.isfinite(table["mean"]).all()
    # Not chance: the majority class and the constant prediction do worse.
    for method in ("plain-random", "plain-halving"):
        assert table.loc[("satellite", method), "mean"] < 85
        assert table.loc[("darcy", method), "mean"] < 1
    history = pd.read_csv(checkout.folder / "results/mine/search/satellite/plain-halving/0/history.csv")
    assert list(history["epochs"]) == [1] * 4 + [3] * 2
    shown = (checkout.folder / "results/mine/tables/performance.md").read_text()
    assert "| plain" in shown
    assert "halving" in shown
    drawn = pd.read_csv(checkout.folder / "results/mine/figures/scores.csv")
    assert set(methods) <= set(drawn["method"])

    # What a search found is trained again without a search.
    (command,) = page.others
    page.execute(checkout, command + " 'seeds=[0]'")
    found, given = (
        json.loads((checkout.folder / f"results/{run}/search/satellite/{method}/0/architecture.json").read_text())
        for run, method in (("mine", "plain-halving"), ("again", "plain-given"))
    )
    assert given["architecture"] == found["architecture"]
    assert performance(checkout, "again").loc[("satellite", "plain-given"), "mean"] < 85
    assert "given architecture" in (checkout.folder / "results/again/tables/performance.md").read_text()

    # The new modules stand in the jobs' digests like all others.
    new = f"{LIBRARY}/algorithms/halving/search.py"
    path = checkout.folder / new
    path.write_text(path.read_text() + "\nADDED = 1\n")
    plan = subprocess.run(
        ["bash", "-c", f"{page.command} -n --config 'tasks=[satellite,darcy]' 'seeds=[0]'"],
        cwd=checkout.folder,
        env={**environment(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    searched = re.findall(r"^rule search:.*?method=(\S+?),", plan, re.MULTILINE | re.DOTALL)
    assert sorted(set(searched)) == ["plain-halving", "wrn-halving"]
    assert len(searched) == 4


def test_a_new_task_needs_a_folder(tmp_path):
    page, checkout = Page("add_a_task.md"), Checkout(tmp_path / "checkout")
    assert page.folders() == {f"{LIBRARY}/tasks/pulses", "config"}
    page.install(checkout)
    contracts(checkout, "pulses")
    page.run(checkout, "'seeds=[0]'")

    table = performance(checkout)
    assert set(table.index) == {(task, f"wrn-{how}") for task in ("pulses", "satellite") for how in ("default", "asha")}
    assert (table["status"] == "complete").all()
    assert table.loc[("pulses", "wrn-default"), "mean"] < 45  # two in three are wrong by chance
    tables, figures = (checkout.folder / "results" / "mine" / kind for kind in ("tables", "figures"))
    for name in ("tasks", "performance", "comparison", "licences"):
        assert "Pulses" in (tables / f"{name}.md").read_text(), name
    assert "pulses" in set(pd.read_csv(figures / "scores.csv")["task"])

    # Its files as an original source: the page's entry without urls and placeholders, the files in a mirror's folder.
    (entries,) = page.other
    raw, mirror = checkout.folder / "results" / "mine" / "raw" / "pulses", tmp_path / "mirror" / "pulses"
    mirror.mkdir(parents=True)
    for file in entries["pulses"]["files"]:
        del file["url"]
        file.pop("bytes", None), file.pop("md5", None)
        (mirror / file["name"]).write_bytes((raw / file["name"]).read_bytes())
    sources = checkout.folder / "config" / "sources.yaml"
    sources.write_text(sources.read_text() + yaml.safe_dump(entries))
    (command,) = page.others
    assert command.count("/data/mirror") == 1
    page.execute(checkout, command.replace("/data/mirror", str(mirror.parent)) + " 'seeds=[0]'")
    assert performance(checkout, "real")["status"].tolist() == ["complete"] * 2
    assert "CC BY 4.0" in (checkout.folder / "results/real/tables/licences.md").read_text()
