"""The digest of a job's code changes with what the code does, and with nothing else."""

import shutil
from pathlib import Path

import pytest

from nasperf360.errors import UserError
from nasperf360.jobs import code_digest as module
from nasperf360.jobs.code_digest import closure, code_digest, code_params, source_digest
from nasperf360.jobs.memo import Memo
from nasperf360.jobs.provenance import code_of


@pytest.fixture
def digest(tmp_path: Path):
    """Digest of a source text."""

    def of(text: str) -> str:
        path = tmp_path / f"{abs(hash(text))}.py"
        path.write_text(text)
        return source_digest(path)

    return of


SOURCE = 'def f(x):\n    """Doc."""\n    return x + 1\n'


@pytest.mark.parametrize(
    "same",
    [
        'def f(x):\n    """Another."""\n    return x + 1\n',
        "def f(x):\n    return x + 1\n",
        "# why\ndef f(\n    x,\n):\n    return (x + 1)  # more\n",
        '"""Module."""\n\n\ndef f(x):\n    return x + 1\n',
    ],
)
def test_comments_docstrings_and_formatting_do_not_count(digest, same):
    assert digest(same) == digest(SOURCE)


@pytest.mark.parametrize(
    "other", ["def f(x):\n    return x + 2\n", "def f(y):\n    return y + 1\n", "def f(x):\n    return x + 1.0\n"]
)
def test_substance_counts(digest, other):
    assert digest(other) != digest(SOURCE)


def test_a_retraining_depends_on_its_task_and_space_and_on_no_other():
    files = set(code_digest("retrain.py", "tasks.cifar100", "spaces.wrn"))
    package = "nasperf360/"
    assert {
        "retrain.py",
        package + "training/fitting.py",
        package + "tasks/cifar100.py",
        package + "spaces/wrn.py",
    } <= files
    assert package + "networks/wide_resnet.py" in files  # imported inside a method
    others = {name for name in files if name.startswith((package + "tasks/", package + "spaces/"))}
    used = {"tasks": ("__init__", "base", "cifar100"), "spaces": ("__init__", "base", "wrn")}
    # The task's own helpers (its archive reader, say) lie beside the folders, not in them.
    assert {f"{package}{folder}/{name}.py" for folder, names in used.items() for name in names} <= others
    for other in ("tasks/ecg", "tasks/darcy", "spaces/darts", "spaces/amber"):
        assert f"{package}{other}.py" not in files
    assert not any(name.startswith(package + folder) for name in files for folder in ("simulators", "figures"))


def test_preprocessing_does_not_depend_on_training():
    files = set(code_digest("preprocess.py", "tasks.ecg"))
    assert "nasperf360/training/fitting.py" not in files
    assert "nasperf360/data/datasets.py" in files


def test_closure_equals_what_python_imports():
    """Every local module that importing the training code brings in stands in the closure."""
    import subprocess
    import sys

    program = "import sys, nasperf360.jobs.retraining; print(*[m for m in sys.modules if m.startswith('nasperf360')])"
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=module.SCRIPTS, capture_output=True, text=True, check=True
    ).stdout.split()
    files = {path.relative_to(module.SCRIPTS).as_posix() for path in closure(module.PACKAGE / "jobs/retraining.py")}
    for name in found:
        base = name.replace(".", "/")
        assert f"{base}.py" in files or f"{base}/__init__.py" in files


def test_missing_module_is_named():
    with pytest.raises(FileNotFoundError, match=r"tasks\.nothing"):
        code_digest("preprocess.py", "tasks.nothing")


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """A copy of the scripts' folder with the library alone."""
    scripts = tmp_path / "scripts"
    shutil.copytree(module.PACKAGE, scripts / "nasperf360", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "SCRIPTS", scripts)
    monkeypatch.setattr(module, "PACKAGE", scripts / "nasperf360")
    return scripts


def test_imports_for_type_checkers_do_not_count(scripts):
    script = scripts / "a.py"
    script.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from nasperf360.training import fitting\n"
    )
    assert closure(script) == [script]
    (other := scripts / "b.py").write_text("def f():\n    from nasperf360 import seeds\n    return seeds\n")
    assert scripts / "nasperf360" / "seeds.py" in closure(other)


@pytest.mark.parametrize(
    ("line", "imported"),
    [
        ("from .base import Task", "tasks/base.py"),
        ("from . import darcy", "tasks/darcy.py"),
        ("from .. import seeds", "seeds.py"),
        ("from ..networks.resnet1d import ResNet1d", "networks/resnet1d.py"),
    ],
)
def test_relative_imports_count(scripts, line, imported):
    (path := scripts / "nasperf360" / "tasks" / "another.py").write_text(line + "\n")
    assert scripts / "nasperf360" / imported in closure(path)


@pytest.mark.parametrize(("name", "line"), [("a.py", "from . import b"), ("nasperf360/a.py", "from ...x import b")])
def test_a_relative_import_that_leads_out_is_named(scripts, name, line):
    (path := scripts / name).write_text(line + "\n")
    with pytest.raises(UserError, match=r"a\.py: import of '\.+x?' leads out of its package"):
        closure(path)


def test_a_change_of_the_analyser_serves_no_digest_of_the_old_one():
    source = Path(module.__file__).read_text()
    assert module.MEMO._maker == Memo("x", source)._maker != Memo("x", source + "#")._maker


def test_params_name_each_file_and_give_the_digest_back():
    params = code_params("retrain.py", lambda wildcards: f"tasks.{wildcards}", "spaces.wrn")
    given = {name: value("ecg") if callable(value) else value for name, value in params.items()}
    assert code_of([("settings", {"a@": 1}), *given.items()]) == code_digest("retrain.py", "tasks.ecg", "spaces.wrn")
    own = [value for value in given.values() if isinstance(value, list)]
    assert len(own) == 1  # what the task adds stands by itself: the reason for a rerun names the file
    assert any(entry.startswith("nasperf360/tasks/ecg.py@") for entry in own[0])
    assert not any("fitting.py" in entry for entry in own[0])


def test_how_digests_are_made_is_no_part_of_them():
    """Else a change of this module, which computes no result, would train the whole study again."""
    for script in ("search.py", "retrain.py", "preprocess.py"):
        assert "nasperf360/jobs/code_digest.py" not in code_digest(script)
