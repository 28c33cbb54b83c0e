"""The documentation site: its pages say what the library says, and it is built without a warning."""

import re
import subprocess
import sys

import pytest
from checkout import ROOT, Checkout, environment
from PIL import Image

sys.path.insert(0, str(ROOT / "docs"))
import site_pages

from nasperf360.labels import PAPER_METHODS, PAPER_TASKS, task_label
from nasperf360.registry import PACKAGE

COMMAND = re.compile(r"^(?:snakemake|python) .*$", re.MULTILINE)
SCRIPTS = ROOT / "workflow" / "scripts"


@pytest.mark.parametrize("task", PAPER_TASKS)
def test_every_row_of_a_task_stands_on_its_page(task):
    protocol = site_pages.protocol_rows(ROOT)
    rows = site_pages.rows_of(protocol, {task})
    mine = [row for row in protocol if re.match(rf"(\w+, )*{task}\b", row[0])]
    assert mine
    assert len(rows.splitlines()) == len(mine) + 2
    assert all(row[-1].split(";")[0] in rows for row in mine)


def test_every_row_of_the_protocol_stands_on_a_page_of_a_task_or_method():
    """But those of all methods, and of tables and figures."""
    protocol = site_pages.protocol_rows(ROOT)
    names = {*PAPER_TASKS}.union(*map(site_pages.words_of_method, PAPER_METHODS))
    left = {row[0].split(":")[0] for row in protocol if site_pages.rows_of([row], names) == "Nothing."}
    assert left == {"all", "tables", "figures"}


def test_every_module_of_the_library_is_in_the_reference():
    pages = dict(site_pages.library_pages())
    named = set(re.findall(r"automodule:: (\S+)", "\n".join(pages.values())))
    modules = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    assert len(named) == len(modules)


def test_the_pictures_of_the_readme_are_small():
    pictures = sorted((ROOT / "docs" / "pictures").iterdir())
    assert [path.name for path in pictures] == ["figures.png", "page.png"]
    assert sum(path.stat().st_size for path in pictures) < 300_000
    for path in pictures:
        assert f"](docs/pictures/{path.name})" in (ROOT / "README.md").read_text()
        with Image.open(path) as picture:
            assert picture.width > 1000


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("sphinx", reason="Sphinx is not installed: pip install -r requirements-dev.txt")
    folder = Checkout(tmp_path / "checkout").folder
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q", "-c", "docs", ".", "site"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=2400)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    site = folder / "site"
    assert "docs/index.html" in (site / "index.html").read_text()
    for task in PAPER_TASKS:
        page = (site / "docs" / "made" / "tasks" / f"{task}.html").read_text()
        assert task_label(task) in page
        assert f"_images/{task}.png" in page
        assert (site / "_images" / f"{task}.png").stat().st_size > 1000
    reference = (site / "docs" / "made" / "library" / "nasperf360.tables.html").read_text()
    assert 'id="nasperf360.tables.ranks.ranks"' in reference
    assert "infinite where a method failed" in reference


@pytest.mark.slow
def test_the_commands_of_the_tutorial_plan(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    text = (ROOT / "docs" / "tutorial.md").read_text()
    commands = [command for command in COMMAND.findall(text) if command.startswith("snakemake")]
    assert len(commands) >= 5
    for command in commands:
        if "compare" in command or "mine.yaml" in command:
            continue  # of runs, or of a file, that the reader makes
        done = subprocess.run(
            f"{sys.executable} -m {command} -n",
            shell=True,
            cwd=checkout.folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
