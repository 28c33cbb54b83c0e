"""The workflow under each other Python that the project supports, with the pinned packages, where it is installed.

But for torch, which makes up most of the list and which no plan, no data set and no table loads.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT, Checkout, environment, said

import pythons

pytestmark = pytest.mark.slow

OTHERS = [version for version in pythons.VERSIONS if not sys.version.startswith(f"{version}.")]
TARGETS = ("datasets", "reference")
STUDY = ("tasks=[ecg,darcy]",)


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Checkout:
    """What this Python makes."""
    checkout = Checkout(tmp_path_factory.mktemp("here") / "checkout")
    checkout.snakemake("--cores", "2", *TARGETS, config=STUDY)
    return checkout


def environment_of(version: str, folder: Path) -> str:
    """A Python with the pinned packages."""
    if (python := pythons.installed().get(version)) is None:
        pytest.skip(f"no Python {version} here")
    pins = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("torch==")]
    (folder / "pins.txt").write_text("\n".join(pins))
    subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
    made = str(folder / "venv/bin/python")
    install = [made, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "-r", str(folder / "pins.txt")]
    said(install, folder, dict(os.environ))
    return made


def tables(checkout: Checkout) -> dict[str, bytes]:
    folder = checkout.folder / "results/reference/tables"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("version", OTHERS)
def test_another_python_plans_and_makes_the_same(tmp_path, here, version):
    python = environment_of(version, tmp_path)
    said([python, "-m", "compileall", "-q", "workflow"], here.folder, environment())  # what loads torch can be read too
    command = [python, *here.command("--cores", "1", config=STUDY)[1:]]
    (here.folder / ".snakemake/nasperf360-sources.json").unlink()  # digests that this Python made
    assert "Nothing to be done" in said([*command, "-n", "--", *TARGETS], here.folder, environment())
    assert "rule retrain:" in said([*command, "-n"], here.folder, environment())
    there = Checkout(tmp_path / "checkout")
    said([*command, "--", *TARGETS], there.folder, environment())
    assert "Nothing to be done" in there.snakemake("-n", "--cores", "1", *TARGETS, config=STUDY)
    assert tables(there) == tables(here)
