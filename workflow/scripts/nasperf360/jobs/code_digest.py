"""Digests of what a job's code does: a comment, a docstring or a reformatting changes none of them.

Snakemake compares these (``params: **code_params(...)``) with those of the last run, so a job reruns exactly when its
script, or a local module that it imports, or the task, space or algorithm module that it loads by name, changed in
substance.
"""

import ast
import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

from nasperf360.errors import UserError
from nasperf360.jobs.memo import Memo

PACKAGE = Path(__file__).parents[1]
SCRIPTS = PACKAGE.parent
# Parsing all sources takes longer than the rest of a dry run; beside Snakemake's own records of the working directory.
MEMO = Memo(".snakemake/nasperf360-sources.json", Path(__file__).read_text())


@cache
def _read(path: Path) -> tuple[str, list[str]]:
    """Digest and imported names of a source file."""
    digest, names = MEMO.get(path.read_text(), _analyse)
    return digest, names


def _analyse(text: str) -> list[Any]:
    tree = ast.parse(text)
    names = _imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return [hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:8], names]


def source_digest(path: Path) -> str:
    """Eight hex digits of a file's normalised source."""
    return _read(path)[0]


def _module_file(name: str) -> Path | None:
    """File of a local module (``nasperf360...``), or None for others."""
    base = SCRIPTS.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if name.split(".")[0] == PACKAGE.name and path.is_file():
            return path
    return None


def _is_type_checking(test: ast.expr) -> bool:
    return getattr(test, "id", getattr(test, "attr", None)) == "TYPE_CHECKING"


def _imported_names(node: ast.AST) -> list[str]:
    """Names imported anywhere below ``node``, also inside functions, but not for type checkers only.

    Relative ones keep their leading dots: what they stand for depends on the file, which the memo does not know.
    """
    names: list[str] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _is_type_checking(child.test):
            names += [name for branch in child.orelse for name in _imported_names(branch)]
        elif isinstance(child, ast.Import):
            names += [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            module = "." * child.level + (child.module or "")
            prefix = f"{module}." if child.module else module
            names += [module, *(prefix + alias.name for alias in child.names)]
        else:
            names += _imported_names(child)
    return names


@cache
def local_imports(path: Path) -> tuple[Path, ...]:
    """Local files that a file imports directly, packages on the way included.

    Raises:
        UserError: a relative import leads out of the packages.
    """
    files: list[Path] = []
    package = ".".join(path.relative_to(SCRIPTS).parent.parts)
    for name in _read(path)[1]:
        try:
            parts = resolve_name(name, package).split(".")
        except ImportError as error:
            raise UserError(f"{path}: import of '{name}' leads out of its package; write the whole name") from error
        for end in range(1, len(parts) + 1):
            found = _module_file(".".join(parts[:end]))
            if found:
                files.append(found)
    return tuple(dict.fromkeys(files))


def closure(*roots: Path) -> list[Path]:
    """The roots and every local file that they import, directly or not, sorted."""
    seen: set[Path] = set()
    waiting = list(roots)
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += local_imports(path)
    return sorted(seen)


@cache
def code_digest(script: str, *modules: str) -> dict[str, str]:
    """Digest of each source file that a job runs, by its path below ``workflow/scripts``.

    Args:
        script: e.g. ``retrain.py``.
        modules: loaded by name at run time, below the package, e.g. ``tasks.ecg``, ``spaces.wrn``.

    Raises:
        FileNotFoundError: no such module.
    """
    named = [_module_file(f"{PACKAGE.name}.{module}") for module in modules]
    missing = [module for module, path in zip(modules, named, strict=True) if path is None]
    if missing:
        raise FileNotFoundError(f"no module {', '.join(missing)} in {PACKAGE}")
    files = closure(SCRIPTS / script, *(path for path in named if path))
    return {path.relative_to(SCRIPTS).as_posix(): source_digest(path) for path in files}


Modules = str | Callable[[Any], str | list[str]]
"""Names of modules that a job loads, or a function of its wildcards that gives them."""


def code_params(script: str, *modules: Modules) -> dict[str, Any]:
    """The digests of :func:`code_digest` as params of a rule, ``<file>@<digest>``.

    One param per file, but one list per function in ``modules``: the reason that Snakemake prints for a rerun shows the
    params that differ, and so names the files that changed.
    """
    constant = code_digest(script, *(module for module in modules if isinstance(module, str)))
    chosen = [_loaded(script, constant, module) for module in modules if callable(module)]
    return {f"code_{number}": value for number, value in enumerate([*_entries(constant), *chosen])}


def _entries(digests: Mapping[str, str]) -> list[str]:
    return [f"{file}@{digest}" for file, digest in digests.items()]


def _loaded(script: str, constant: Mapping[str, str], choose: Callable[[Any], str | list[str]]) -> Any:
    def entries(wildcards: Any) -> list[str]:
        names = choose(wildcards)
        digests = code_digest(script, *([names] if isinstance(names, str) else names))
        return _entries({file: digest for file, digest in digests.items() if file not in constant})

    return entries
