"""Every Snakemake command of the pages for users plans its jobs."""

import os
import re
import shlex
import sys

import pytest
from checkout import ROOT, Checkout, said

pytestmark = pytest.mark.slow

BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


PAGES = ("README.md", "docs/cluster.md")


def commands(page):
    lines = "\n".join(BLOCK.findall((ROOT / page).read_text())).splitlines()
    found = [command.strip() for line in lines for command in line.split("&&")]
    return [command for command in found if command.startswith("snakemake")]


def test_the_readme_has_commands():
    assert "snakemake --cores 1 --resources gpu=1" in commands("README.md")
    assert len(commands("README.md")) >= 5
    assert len(commands("docs/cluster.md")) >= 3


@pytest.mark.parametrize("page", PAGES)
def test_commands_plan_what_they_say(tmp_path, page):
    checkout = Checkout(tmp_path / "checkout")
    for command in commands(page):
        planned = [sys.executable, "-m", "snakemake", "-n", *shlex.split(command)[1:]]
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        assert "This was a dry-run" in said(planned, checkout.folder, env, timeout=120), command
