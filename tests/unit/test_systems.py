"""Other systems: a locale that is not UTF-8, a home that cannot be written to, file systems without locks."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nasperf360 import caches
from nasperf360.stages.code_digest import PACKAGE

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for name in ("workflow", "docs", "benchmarks") for path in (ROOT / name).rglob("*.py"))
NO_LOCKS = "#include <errno.h>\nint flock(int file, int operation) { errno = ENOLCK; return -1; }\n"


def calls(path: Path):
    """Method calls of a source: the method's name, the keywords, the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func, {keyword.arg: keyword.value for keyword in node.keywords}, f"{path}:{node.lineno}"


def test_every_opened_text_is_utf_8():
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "open":
                mode = ast.unparse(node.args[1]) if len(node.args) > 1 else ""
                found += [node] if "b" not in mode else []
    assert len(found) >= 5
    assert [ast.unparse(node) for node in found if not any(word.arg == "encoding" for word in node.keywords)] == []


def test_every_text_file_is_utf_8():
    """Ruff's PLW1514 sees ``Path(...)`` only, not what a variable holds."""
    found = [
        where
        for path in SOURCES
        for function, keywords, where in calls(path)
        if function.attr in ("read_text", "write_text") and "encoding" not in keywords
    ]
    assert SOURCES
    assert found == []


def test_hdf5_asks_for_no_locks():
    """Whoever writes a file does so under another name; HDF5's own locks fail where a file system has none."""
    opened = {
        where: keywords
        for path in SOURCES
        if path.is_relative_to(PACKAGE)
        for function, keywords, where in calls(path)
        if ast.unparse(function) == "h5py.File" and "driver" not in keywords  # those in memory
    }
    assert len(opened) >= 4
    free = [where for where, keywords in opened.items() if "locking" in keywords and not keywords["locking"].value]
    assert free == list(opened)


SCRIPT = """
import sys
import numpy as np
from nasperf360.data.datasets import Dataset, DatasetWriter
with DatasetWriter("data.h5", task="ecg", origin="simulated", licence="none") as writer:
    for name in ("train", "valid", "test"):
        split = writer.split(name, x=((1, 4), "float32"), y=((), "int64"), classes=4)
        split.append(x=np.zeros((3, 1, 4), "float32"), y=np.arange(3))
with Dataset("data.h5") as dataset:
    dataset.verify()
    print(dataset.split("test").load("y").sum())
"""


def run(folder: Path, script: str, **environment: str) -> str:
    given = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), **environment}
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_data_on_a_file_system_without_locks(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no compiler for a flock that fails")
    (tmp_path / "flock.c").write_text(NO_LOCKS, encoding="utf-8")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", "flock.so", "flock.c"], cwd=tmp_path, check=True)
    assert run(tmp_path, SCRIPT, LD_PRELOAD=str(tmp_path / "flock.so")).strip() == "3"


TEXTS = """
from nasperf360.files import read_json, write_json, write_text
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.study import configuration
write_text("table.md", "\\u2212 3 \\u00b1 1")
write_json("a.json", {"name": "\\u00fc"})
assert read_json("a.json") == {"name": "\\u00fc"}
print(ascii(open("table.md", "rb").read().decode("utf-8")))
configuration.resolve(read_yaml(configuration.ROOT / "config" / "config.yaml"))
"""


def test_texts_in_a_locale_that_knows_ascii_alone(tmp_path):
    locale = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert run(tmp_path, TEXTS, **locale).strip() == "'\\u2212 3 \\xb1 1'"


def test_caches_go_beside_snakemake_s_records_where_home_cannot_be_written_to(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    environment = {"HOME": str(home)}
    caches.provide(environment, tmp_path / "caches")
    assert environment == {"HOME": str(home)}
    (tmp_path / "file").touch()
    environment = {"HOME": str(tmp_path / "file"), "XDG_CACHE_HOME": "/mine"}
    caches.provide(environment, tmp_path / "caches")
    assert environment["XDG_CACHE_HOME"] == "/mine"
    for variable in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
        assert Path(environment[variable]).is_dir()
        assert Path(environment[variable]).is_relative_to(tmp_path / "caches")


def test_matplotlib_takes_the_folder_without_a_word(tmp_path):
    (tmp_path / "file").touch()
    environment = {"HOME": str(tmp_path / "file")}
    caches.provide(environment, tmp_path / "caches")
    script = "import matplotlib; print(matplotlib.get_cachedir())"
    assert run(tmp_path, script, **environment).strip() == str(tmp_path / "caches" / "matplotlib")
