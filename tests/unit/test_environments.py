"""Conda, Docker and Apptainer hold what ``pyproject.toml`` asks for, in the versions that ``requirements.txt`` pins."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from nasperf360.estimate.cards import NEEDED
from nasperf360.training.gpu import OLDEST

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA_NAMES = {
    "snakemake": "snakemake-minimal",
    "torch": "pytorch",
    "soundfile": "python-soundfile",
    "soxr": "soxr-python",
    "matplotlib": "matplotlib-base",
}
PYTHON = "3.11"  # of the images; the pins are of it


def pins(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def conda():
    """Constraint of each package, as pip writes them; conda's ``=2.13`` is pip's ``==2.13.*``."""
    found = yaml.safe_load((ROOT / "envs/environment.yaml").read_text(encoding="utf-8"))["dependencies"]
    split = (entry.partition(" ") for entry in found)
    return {name: re.sub(r"^=(?!=)(.*)", r"==\1.*", constraint) for name, _, constraint in split}


def test_conda_has_the_packages_of_the_project_in_versions_that_hold_the_pinned_ones():
    constraints, pinned = conda(), pins("requirements.txt")
    asked = {requirement.name: requirement for requirement in map(Requirement, PROJECT["dependencies"])}
    assert constraints.keys() == {CONDA_NAMES.get(name, name) for name in asked} | {"python"}
    assert Version(f"{PYTHON}.0") in SpecifierSet(constraints["python"])
    for name, requirement in asked.items():
        constraint = constraints[CONDA_NAMES.get(name, name)]
        assert Version(pinned[name]) in SpecifierSet(constraint), name
        assert Version(pinned[name]) in requirement.specifier, name
        assert bool(constraint) == bool(str(requirement.specifier)), name


def test_the_pins_of_developers_are_those_of_users():
    users, developers = pins("requirements.txt"), pins("requirements-dev.txt")
    assert users.items() <= developers.items()


def test_the_pins_install_with_the_oldest_python_that_is_supported():
    """Also with its first patch release: Debian 12 has 3.11.2."""
    oldest = Version(PROJECT["requires-python"].removeprefix(">=") + ".0")
    for name, version in pins("requirements-dev.txt").items():
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            pytest.skip(f"{name} is not installed: this is not what requirements-dev.txt makes")
        if installed.version.partition("+")[0] != version:
            pytest.skip(f"{name} {installed.version} is installed, not {version}: not what requirements-dev.txt makes")
        asked = installed.metadata["Requires-Python"] or ""
        assert oldest in SpecifierSet(asked), f"{name}=={version} needs Python {asked}"


def test_the_readme_names_the_pinned_torch_and_the_cards_that_it_drives():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"torch==(\S+)", text) == [pins("requirements.txt")["torch"]]
    assert f"| {'.'.join(map(str, NEEDED))} and later |" in text
    assert f"| {'.'.join(map(str, OLDEST))} to " in text


@pytest.mark.parametrize("name", ["Dockerfile", "apptainer.def"])
def test_images_install_the_pinned_list_and_nothing_else(name):
    text = (ROOT / "envs" / name).read_text(encoding="utf-8")
    assert re.findall(r"^(?:FROM|From:) (\S+)", text, re.MULTILINE) == [f"python:{PYTHON}-slim"]
    assert re.findall(r"pip install (.*)$", text, re.MULTILINE) == ["--no-cache-dir -r /opt/requirements.txt"]
    assert re.search(r"^(?:COPY|   ) *requirements.txt /opt/requirements.txt$", text, re.MULTILINE)
    assert re.findall(r"apt-get install -y --no-install-recommends ([\w ]+?) &&", text) == ["git"]
