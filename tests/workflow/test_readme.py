"""Every Snakemake command of the pages for users plans its jobs."""

import re
import shlex

import pytest
from checkout import ROOT, Checkout

pytestmark = pytest.mark.slow

BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands():
    lines = "\n".join(BLOCK.findall((ROOT / "README.md").read_text())).splitlines()
    found = [command.strip() for line in lines for command in line.split("&&")]
    return [command for command in found if command.startswith("snakemake")]


def test_the_readme_has_commands():
    assert "snakemake --cores 1 --resources gpu=1" in commands()
    assert len(commands()) >= 5


def test_commands_plan_what_they_say(tmp_path):
    import os
    import subprocess
    import sys

    checkout = Checkout(tmp_path / "checkout")
    for command in commands():
        words = shlex.split(command)[1:]
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "-n", *words],
            cwd=checkout.folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}"
        assert "This was a dry-run" in done.stdout, command
