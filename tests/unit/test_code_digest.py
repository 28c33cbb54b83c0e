"""The digest of a job's code changes with what the code does, and with nothing else, whatever Python makes it."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from inspect import signature
from pathlib import Path

import pytest

import pythons
from nasperf360.errors import UserError
from nasperf360.stages import code_digest as module
from nasperf360.stages.code_digest import (
    check_code,
    closure,
    code_digest,
    code_of,
    code_params,
    libraries,
    source_digest,
    unnamed_code_params,
)
from nasperf360.stages.digest_cache import DigestCache
from nasperf360.stages.rule_functions import ending_the_run


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


SPOKEN = {
    "the text of an error": ('raise UserError(f"{x}: too short")', 'raise UserError(f"{x} is too short", x)'),
    "what an error of another module is told": ('raise space.refusal("why")', 'raise space.refusal("because")'),
    "an error that is made elsewhere": ('error = errors.DataError("a", code=1)', 'error = errors.DataError("b")'),
    "a line between bars": ('tqdm.write(f"{x}: resumed", file=f)', 'tqdm.write(f"{x}: goes on")'),
    "a line of the log": ('log(f"{x}: resumed")', 'log(f"{x}: goes on", 1)'),
    "the docstring of a class": ('class A:\n    """Old."""', 'class A:\n    """New."""'),
    "a docstring that comes": ("def f():\n    pass", 'def f():\n    """New."""'),
    "what a name is for": ('X = 1\n"""Old."""', "X = 1"),
    "what is for type checkers": ("if TYPE_CHECKING:\n    import a\nX = 1", "if TYPE_CHECKING:\n    import b\nX = 1"),
    "the default of a setting": (
        "class A(StepSettings):\n    lr: float = 0.1\n    def f(self):\n        return self.lr",
        'class A(StepSettings):\n    lr: float = Field(0.2, description="")\n    def f(self):\n        return self.lr',
    ),
    "a new switch": (
        "class A(base.Switches):\n    cutout: bool = True",
        "class A(base.Switches):\n    cutout: bool = True\n    mixup: bool = False",
    ),
    "what settings refuse": (
        "class A(Settings):\n    lr: float\n    @model_validator(mode='after')\n    def _a(self):\n        return self",
        "class A(Settings):\n    lr: float\n    @field_validator('lr')\n    def _b(self):\n        return 1",
    ),
    "the kind of a setting": ("Whole = Annotated[int, Field(ge=0)]", "Whole = Annotated[int, Field(ge=1)]"),
    "the words of a setting": ('Precision = Literal["float32"]', 'Precision = Literal["float32", "bfloat16"]'),
}


@pytest.mark.parametrize(("one", "other"), SPOKEN.values(), ids=SPOKEN)
def test_what_only_speaks_does_not_count(digest, one, other):
    assert one != other
    assert digest(one) == digest(other)


DONE = {
    "which error": ('raise UserError("a")', 'raise DataError("a")'),
    "what is raised from": ('raise UserError("a") from error', 'raise UserError("a") from None'),
    "whether it is raised": ('raise UserError("a")', 'UserError("a")'),
    "a loss that is called an error": ("y = MeanSquaredError(squared=True)", "y = MeanSquaredError(squared=False)"),
    "what another exception carries": ("raise Found(best)", "raise Found(last)"),
    "what is written elsewhere": ('file.write("resumed")', 'file.write("goes on")'),
    "a method called log": ("self.log(x)", "self.log(y)"),
    "a dataclass called options": (
        "@dataclass\nclass A(NetOptions):\n    width: int = 1",
        "@dataclass\nclass A(NetOptions):\n    width: int = 2",
    ),
    "words that are read": (
        'Ops = Literal["a"]\nfor name in get_args(Ops):\n    f(name)',
        'Ops = Literal["a", "b"]\nfor name in get_args(Ops):\n    f(name)',
    ),
    "a number called log": ("y = log(x)", "y = log(2 * x)"),
    "the logarithm": ("math.log(x)\ny = 1", "math.log(x)\ny = 2"),
    "a method of settings": (
        "class A(Settings):\n    def f(self):\n        return 1",
        "class A(Settings):\n    def f(self):\n        return 2",
    ),
    "a property of settings": (
        "class A(Settings):\n    @property\n    def f(self):\n        return 1",
        "class A(Settings):\n    @property\n    def f(self):\n        return 2",
    ),
    "a constant of settings": (
        "class A(Settings):\n    LIMIT: ClassVar[int] = 1",
        "class A(Settings):\n    LIMIT: ClassVar[int] = 2",
    ),
    "a field of a dataclass": ("class A(Base):\n    lr: float = 0.1", "class A(Base):\n    lr: float = 0.2"),
    "a text that is used": ('X = "a"', 'X = "b"'),
    "the text of bytes": ("X = b'a'", "X = 'a'"),
    "a part of an f-string": ('X = f"{a}b"', 'X = f"{a}c"'),
    "the format of an f-string": ('X = f"{a:.3f}"', 'X = f"{a:.4f}"'),
    "the conversion of an f-string": ('X = f"{a!r}"', 'X = f"{a!s}"'),
    "none and nothing": ("X = None", "X: int"),
    "whether something is returned": ("def f():\n    return", "def f():\n    return 1"),
    "a default": ("def f(a, *, b, c=1): ...", "def f(a, *, b=1, c): ..."),
    "unpacking in a mapping": ("X = {'a': 1, **b}", "X = {**b, 'a': 1}"),
    "what happens at run time": ("if TYPE_CHECKING:\n    pass\nelse:\n    a = 1", "if TYPE_CHECKING:\n    pass"),
}


@pytest.mark.parametrize(("one", "other"), DONE.values(), ids=DONE)
def test_what_does_something_counts(digest, one, other):
    assert digest(one) != digest(other)


# Written down, so that no version of Python, of now or later, gives another one unseen.
FIXTURES = {
    (""): "ccdee505",
    ('"""A module, and no more."""\n'): "ccdee505",
    ("from a import b as c\nimport d.e\nX = [1, 2.5, 3j, None, True, ..., b'x', 'é\\u2028']\n"): "7c85f5d0",
    (
        "@cache\n"
        "async def f(a, /, b: int = 1, *c, d, e=None, **g) -> None:\n"
        "    async with a as b, c:\n"
        "        await b\n"
    ): "e1e3a690",
    (
        "class A(B, metaclass=M):\n    x: int\n    y: str = ''\n\n    def f(self):\n        return super().f()\n"
    ): "45eebe00",
    ("class A(Settings):\n    x: int = 1\n\n    def f(self):\n        raise ValueError(f'no {self.x}')\n"): "c306b9b6",
    ("X = f'{a!r:>{width}} {b:.3f} ' 'and ' f'{c} {{}} {d=}' u'z'\n"): "c7745461",
    (
        "try:\n"
        "    pass\n"
        "except* (A, B) as error:\n"
        "    raise C(1) from error\n"
        "else:\n"
        "    log(2)\n"
        "finally:\n"
        "    del a[1:2, ::3]\n"
    ): "42f4b006",
    (
        "match x:\n"
        "    case {'a': [1, *rest], **other} if (y := rest):\n"
        "        pass\n"
        "    case None | A(b=1):\n"
        "        x = -1\n"
    ): "d009a748",
    (
        "f = lambda *, a=1, **k: {**k, 'a': a, **{i: j for i, j in k.items() if i if j}}\n"
        "global g\n"
        "while not a < b <= c:\n"
        "    break\n"
    ): "56a346e3",
}


def test_digests_are_those_that_are_written_down(digest):
    assert {text: digest(text) for text in FIXTURES} == FIXTURES


@pytest.mark.parametrize("version", pythons.VERSIONS)
def test_every_python_gives_the_same_digests(tmp_path, version):
    """Of the fixtures and of the whole library; with the standard library alone."""
    python = pythons.installed().get(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    for number, text in enumerate(FIXTURES):
        (tmp_path / f"{number}.py").write_text(text)
    paths = [str(tmp_path / f"{number}.py") for number in range(len(FIXTURES))]
    paths += map(str, sorted(module.SCRIPTS.rglob("*.py")))
    program = (
        "import json, sys; from pathlib import Path; from nasperf360.stages.code_digest import source_digest\n"
        "json.dump([source_digest(Path(path)) for path in json.load(sys.stdin)], sys.stdout)"
    )
    done = subprocess.run(
        [python, "-S", "-c", program],
        input=json.dumps(paths),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(module.SCRIPTS), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    expected = [*FIXTURES.values(), *(source_digest(Path(path)) for path in paths[len(FIXTURES) :])]
    assert dict(zip(paths, json.loads(done.stdout), strict=True)) == dict(zip(paths, expected, strict=True))


def test_a_retraining_depends_on_its_task_and_space_and_on_no_other():
    files = set(code_digest("retrain.py", "tasks.cifar100.training", "spaces.wrn.space"))
    package = "nasperf360/"
    assert {
        "retrain.py",
        package + "training/fitting.py",
        package + "tasks/cifar100/training.py",
        package + "spaces/wrn/space.py",
        package + "spaces/wrn/wide_resnet.py",
    } <= files
    folders = {
        "/".join(name.split("/")[1:3]) for name in files if re.match(package + "(tasks|spaces|algorithms)/", name)
    }
    assert {folder for folder in folders if not folder.endswith("__init__.py")} == {
        "tasks/cifar100",
        "tasks/shared",
        "spaces/wrn",
        "spaces/shared",
    }
    assert not any(name.startswith(package + folder) for name in files for folder in ("study", "tables", "figures"))
    for other in ("data", "simulator", "labels", "metric", "further_scores"):
        assert package + f"tasks/cifar100/{other}.py" not in files


def test_preprocessing_does_not_depend_on_training():
    files = set(code_digest("preprocess.py", "tasks.ecg.data"))
    assert not [name for name in files if name.startswith("nasperf360/training/") or "task_training" in name]
    assert "nasperf360/tasks/ecg/training.py" not in files
    assert "nasperf360/data/datasets.py" in files


def test_an_evaluation_depends_on_no_training():
    files = set(code_digest("evaluate.py", "tasks.darcy.spec", "tasks.darcy.metric", "tasks.darcy.further_scores"))
    assert "nasperf360/tasks/darcy/metric.py" in files
    for room in ("training", "spaces", "algorithms"):
        assert not [name for name in files if name.startswith(f"nasperf360/{room}/")]
    assert not [name for name in files if name.endswith(("training.py", "training_job.py"))]


def test_closure_equals_what_python_imports():
    """Every local module that importing the training code brings in stands in the closure."""
    program = "import sys, nasperf360.stages.retrain; print(*[m for m in sys.modules if m.startswith('nasperf360')])"
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=module.SCRIPTS, capture_output=True, text=True, check=True
    ).stdout.split()
    files = {path.relative_to(module.SCRIPTS).as_posix() for path in closure(module.PACKAGE / "stages/retrain.py")}
    files |= {path.relative_to(module.SCRIPTS).as_posix() for path in module.OUTSIDE}
    for name in found:
        base = name.replace(".", "/")
        assert f"{base}.py" in files or f"{base}/__init__.py" in files


def test_missing_module_is_named():
    with pytest.raises(UserError, match=r"nasperf360/tasks/nothing\.py: no such file, and preprocess\.py loads it"):
        code_digest("preprocess.py", "tasks.nothing")


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """A copy of the scripts' folder with the library alone."""
    scripts = tmp_path / "scripts"
    shutil.copytree(module.PACKAGE, scripts / "nasperf360", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "SCRIPTS", scripts)
    monkeypatch.setattr(module, "PACKAGE", scripts / "nasperf360")
    monkeypatch.setattr(module, "_files_on_the_way", cache(module._files_on_the_way.__wrapped__))
    return scripts


def test_libraries_of_scripts_are_named_but_for_those_that_cannot_be_read(scripts):
    (scripts / "a.py").write_text("import numpy as np\nfrom nasperf360.files import read_json\n")
    (scripts / "b.py").write_text("def f(:\n")
    (scripts / ".#c.py").symlink_to("nobody@nowhere.1:2")
    found = module.libraries()
    assert found.keys() == {"a.py"}
    assert {"numpy", "json"} <= set(found["a.py"])
    assert not any(name.startswith("nasperf360") for name in found["a.py"])


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
        ("from .spec import SPEC", "tasks/darcy/spec.py"),
        ("from . import metric", "tasks/darcy/metric.py"),
        ("from ... import seeds", "seeds.py"),
        ("from ..shared.ranking import auroc", "tasks/shared/ranking.py"),
    ],
)
def test_relative_imports_count(scripts, line, imported):
    (path := scripts / "nasperf360" / "tasks" / "darcy" / "another.py").write_text(line + "\n")
    assert scripts / "nasperf360" / imported in closure(path)


@pytest.mark.parametrize(("name", "line"), [("a.py", "from . import b"), ("nasperf360/a.py", "from ...x import b")])
def test_a_relative_import_that_leads_out_is_named(scripts, name, line):
    (path := scripts / name).write_text(line + "\n")
    with pytest.raises(UserError, match=r"a\.py: import of '\.+x?' leads out of its package"):
        closure(path)


def test_a_change_of_the_analyser_serves_no_digest_of_the_old_one():
    source = module.FORM.read_text(encoding="utf-8")
    assert module.CACHE._maker == DigestCache("x", source)._maker != DigestCache("x", source + "#")._maker


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"x = 1\ndef f(:\n", "line 2: invalid syntax; correct it"), (b"x = '\xff'", "no Python source ('utf-8' codec")],
)
def test_a_file_that_is_no_python_ends_the_plan_that_needs_it_and_no_other(scripts, content, words):
    path = scripts / "nasperf360" / "tasks" / "darcy" / "slip.py"
    path.write_bytes(content)
    (scripts / "needs_none.py").write_text("import json\n")
    (scripts / "slip.py").write_text("from nasperf360.tasks.darcy import slip\n")
    module._sources.cache_clear()
    with pytest.raises(UserError, match=re.escape(f"{path}: {words}")):
        source_digest(path)
    assert libraries() == {"needs_none.py": ["json"]}
    with pytest.raises(UserError, match="changed since this run was planned"):
        check_code({"nasperf360/tasks/darcy/slip.py": "01234567"})
    chosen = [code_params("needs_none.py", lambda wildcards: "tasks.darcy.slip")["code_1"]]
    chosen.append(unnamed_code_params("needs_none.py", lambda wildcards: "tasks.darcy.slip").named["code_chosen"])
    for function in chosen:
        assert list(signature(function).parameters) == ["wildcards"]
        with pytest.raises(SystemExit, match=re.escape(f"Error: {path}: {words}")):
            function("any")
    for plan in (code_params, lambda script: unnamed_code_params(script, str)):
        with pytest.raises(SystemExit, match=re.escape(f"Error: {path}: {words}")):
            plan("slip.py")


def test_params_name_each_file_and_give_the_digest_back():
    params = code_params("retrain.py", lambda wildcards: f"tasks.{wildcards}.training", "spaces.wrn.space")
    given = {name: value("ecg") if callable(value) else value for name, value in params.items()}
    expected = code_digest("retrain.py", "tasks.ecg.training", "spaces.wrn.space")
    assert code_of([("settings", {"a@": 1}), *given.items()]) == expected
    own = [value for value in given.values() if isinstance(value, list)]
    assert len(own) == 1  # what the task adds stands by itself: the reason for a rerun names the file
    assert any(entry.startswith("nasperf360/tasks/ecg/training.py@") for entry in own[0])
    assert not any("fitting.py" in entry for entry in own[0])
    check_code(expected)


def test_params_without_names_are_those_with_names_and_reach_the_job():
    """Snakemake compares the set of what asks for no outputs: a rule may change from one to the other."""

    def choose(wildcards):
        return [f"tasks.{wildcards}.training"]

    named = code_params("retrain.py", choose)
    files, others = unnamed_code_params("retrain.py", choose)
    chosen = others["code_chosen"]("ecg")
    assert [*files, chosen] == [value("ecg") if callable(value) else value for value in named.values()]
    assert list(others) == ["code_files", "code_chosen"]
    assert list(signature(others["code_files"]).parameters) == ["wildcards", "output"]
    given = [("code_files", others["code_files"]("ecg", [])), ("code_chosen", chosen)]
    assert code_of(given) == code_digest("retrain.py", "tasks.ecg.training")
    assert others["code_chosen"]("ecg") is chosen  # of all seeds one list


def test_all_digests_of_a_process_are_of_one_moment(scripts):
    """Snakemake asks for the params of a job that has no outputs yet when it starts it, maybe days after the plan."""
    program = (
        "import sys; from pathlib import Path; from nasperf360.stages.code_digest import code_digest\n"
        "code_digest('evaluate.py')\n"
        "with open('nasperf360/tasks/darcy/metric.py', 'a') as file: file.write('CHANGED = 1\\n')\n"
        "print(code_digest('evaluate.py', 'tasks.darcy.metric')['nasperf360/tasks/darcy/metric.py'])"
    )
    shutil.copy(Path(module.__file__).parents[2] / "evaluate.py", scripts)
    before = source_digest(scripts / "nasperf360/tasks/darcy/metric.py")
    found = [
        subprocess.run([sys.executable, "-c", program], cwd=scripts, capture_output=True, text=True).stdout.strip()
        for _ in range(2)
    ]
    assert found[0] == before != found[1]


def test_how_digests_are_made_is_no_part_of_them():
    """Else a change of this module, which computes no result, would train the whole study again."""
    for script in ("search.py", "retrain.py", "preprocess.py"):
        files = set(code_digest(script))
        assert not {f"nasperf360/stages/{name}.py" for name in ("code_digest", "digest_cache")} & files


def test_what_a_user_or_a_system_is_at_fault_for_ends_the_run_by_one_sentence():
    with pytest.raises(SystemExit, match=r"^Error: tasks: none$"), ending_the_run():
        raise UserError("tasks: none")
    denied = "Error: a.json: cannot be read or written (Permission denied); give yourself the right to do so"
    with pytest.raises(SystemExit, match=f"^{re.escape(denied)}$"), ending_the_run():
        raise PermissionError(13, "Permission denied", "a.json")
    for slip in (KeyError("a"), OSError("no file is named")):
        with pytest.raises(type(slip)), ending_the_run():
            raise slip
