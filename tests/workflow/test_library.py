"""The library from outside: installed by pip, on the small run; and the workflow beside an installed one."""

import re
import subprocess
import sys

import pytest
from checkout import ROOT, environment

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
EXAMPLE = "".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S))
MADE = "results/small/evaluate/satellite/wrn-default/0/result.json"


@pytest.fixture(scope="module")
def installed(checkout, tmp_path_factory):
    """A folder with the installed package alone; its dependencies are those of this Python."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    checkout.git("worktree", "add", "--quiet", "--detach", str(source))  # pip builds in the folder that it is given
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder / "site"), str(source)]
    subprocess.run(command, check=True, timeout=300)
    checkout.git("worktree", "remove", "--force", str(source))
    return folder / "site"


def test_the_example_of_the_page_runs_outside_of_the_checkout(installed, checkout, tmp_path):
    (tmp_path / "results").symlink_to(checkout.folder / "results")
    program = EXAMPLE.replace("results/demo", "results/small") + "\nprint(nasperf360.__file__)\n"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(str(installed)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "<darcy wrn-default seed 0 of results/small>"
    assert lines[-1] == str(installed / "nasperf360" / "__init__.py")
    assert (installed / "nasperf360/report/templates/style.css").is_file()


def test_jobs_run_the_code_of_the_checkout_whatever_is_installed(checkout, tmp_path):
    other = tmp_path / "nasperf360"
    other.mkdir()
    (other / "__init__.py").write_text("raise ImportError('the installed one')")
    before = (checkout.folder / MADE).read_bytes()
    checkout.snakemake("--cores", "1", "--force", MADE, path=str(tmp_path))
    assert (checkout.folder / MADE).read_bytes() == before
