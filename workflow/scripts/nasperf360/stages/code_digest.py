"""Digests of what a job's code does: a comment, a docstring or a reformatting changes none of them.

Snakemake compares these (``params: **code_params(...)``) with those of the last run, so a job reruns exactly when its
script, or a local module that it imports, or a module that it loads by name, changed in substance; and each job
compares them with its sources (:func:`check_code`), so that no result names code that it did not run.

The same source has the same digest on every Python from 3.11. What only speaks is no part of it: the arguments of
errors and of ``log(...)``, docstrings, what is for type checkers alone, and the declarations of settings, whose values
are params.
"""

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import Any, NamedTuple

from nasperf360.errors import UserError
from nasperf360.stages.digest_cache import DigestCache
from nasperf360.stages.rule_functions import of_each_job

PACKAGE = Path(__file__).parents[1]
SCRIPTS = PACKAGE.parent
# How digests are made is no part of them: it computes no result, though every job imports it.
OUTSIDE = (Path(__file__), *map(Path(__file__).with_name, ("digest_cache.py", "rule_functions.py")))
# Nor is what `import nasperf360` offers from outside; for jobs this file is empty, as every __init__.py is.
DOOR = PACKAGE / "__init__.py"
# Parsing all sources takes longer than the rest of a dry run; beside Snakemake's own records of the working directory.
CACHE = DigestCache(".snakemake/nasperf360-sources.json", Path(__file__).read_text(encoding="utf-8"))

SETTINGS = ("Settings", "Switches", "Options", "Overrides")
"""How the names of pydantic models of settings end; their fields and validators are declarations."""

VALIDATORS = ("field_validator", "model_validator")


def _analyse(text: str) -> list[Any]:
    """Digest and imported names of a source text."""
    tree = ast.parse(text)
    return [hashlib.sha256(_dump(tree).encode()).hexdigest()[:8], _imported_names(tree)]


def _dump(node: Any) -> str:
    """A syntax tree as text, without positions, without what only speaks, and without what only some Pythons have.

    Absent and empty fields go: later versions of Python add such to nodes of old.
    """
    kind = type(node)
    if kind is ast.Name:  # these and constants are most of all nodes
        return f"Name(id={node.id!a})"
    if kind is ast.Constant:
        return f"Constant(value={node.value!a})" if node.value is not None else "Constant()"
    if kind is list:
        return f"[{', '.join(map(_dump, node))}]"
    if not isinstance(node, ast.AST):
        return ascii(node)  # not repr, which knows the printable characters of one version of Unicode
    changed = _CHANGED[kind](node) if kind in _CHANGED else {}
    said = []
    for name in kind._fields:
        if name in _LEFT_OUT:
            continue
        value = changed[name] if name in changed else getattr(node, name, None)
        if name in _BODIES and type(value) is list:
            value = [statement for found in value for statement in _doing(found)]
            if name == "body" and not value:
                value = [ast.Pass()]  # what a body is without its docstring
        if value is not None and value != []:
            said.append(f"{name}={_dump(value)}")
    return f"{kind.__name__}({', '.join(said)})"


_LEFT_OUT = {"ctx", "kind", "type_comment"}
_BODIES = {"body", "orelse", "finalbody"}


def _call(node: ast.Call) -> dict[str, Any]:
    return {"args": [], "keywords": []} if _name(node.func).endswith("Error") else {}


def _raise(node: ast.Raise) -> dict[str, Any]:
    return {"exc": ast.Call(node.exc.func, [], [])} if isinstance(node.exc, ast.Call) else {}


def _expression(node: ast.Expr) -> dict[str, Any]:
    call = node.value
    if isinstance(call, ast.Call) and _name(call.func) == "log":
        return {"value": ast.Call(call.func, [], [])}
    return {}


def _class(node: ast.ClassDef) -> dict[str, Any]:
    settings = any(_name(base).endswith(SETTINGS) for base in node.bases)
    return {"body": [statement for statement in node.body if not _is_declaration(statement)]} if settings else {}


def _text(node: ast.JoinedStr) -> dict[str, Any]:
    return {"values": list(_merged(node.values))}


def _value(node: ast.FormattedValue) -> dict[str, Any]:
    formatted = list(_merged(getattr(node.format_spec, "values", [])))
    return {} if formatted else {"format_spec": None}


_CHANGED: dict[type[ast.AST], Callable[[Any], dict[str, Any]]] = {
    ast.Call: _call,
    ast.Raise: _raise,
    ast.Expr: _expression,
    ast.ClassDef: _class,
    ast.JoinedStr: _text,
    ast.FormattedValue: _value,
}
"""What stands in place of fields of a node, by its kind: without what only speaks, or what parsers differ in."""


def _name(node: ast.AST) -> str:
    """The last part of a name or an attribute, else nothing."""
    if isinstance(node, ast.Call | ast.Subscript):
        return _name(node.func if isinstance(node, ast.Call) else node.value)
    name: str = getattr(node, "attr", getattr(node, "id", ""))
    return name


def _merged(values: list[ast.expr]) -> Iterator[ast.expr]:
    """The parts of an f-string, with texts that stand side by side in one: parsers differ in where they cut."""
    text = ""
    for value in values:
        if isinstance(value, ast.Constant):
            text += str(value.value)
            continue
        if text:
            yield ast.Constant(text)
        text = ""
        yield value
    if text:
        yield ast.Constant(text)


def _is_declaration(statement: ast.stmt) -> bool:
    """Whether a statement of a class of settings declares a field or checks its values."""
    if isinstance(statement, ast.AnnAssign):
        return _name(statement.annotation) != "ClassVar"
    if isinstance(statement, ast.FunctionDef):
        return any(_name(decorator) in VALIDATORS for decorator in statement.decorator_list)
    return False


def _doing(statement: ast.stmt) -> list[ast.stmt]:
    """A statement without what does nothing: texts by themselves, imports for type checkers, names of types."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return [] if isinstance(statement.value.value, str) else [statement]
    if isinstance(statement, ast.If) and _name(statement.test) == "TYPE_CHECKING":
        return [found for other in statement.orelse for found in _doing(other)]
    if isinstance(statement, ast.Assign) and _name(statement.value) in ("Annotated", "Literal"):
        return []
    return [statement]


def _imported_names(node: ast.AST) -> list[str]:
    """Names imported anywhere below ``node``, also inside functions, but not for type checkers only.

    Relative ones keep their leading dots: what they stand for depends on the file, which the cache does not know.
    """
    names: list[str] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _name(child.test) == "TYPE_CHECKING":
            names += [name for branch in child.orelse for name in _imported_names(branch)]
        elif isinstance(child, ast.expr):
            continue  # which holds no statement, and of which there are most
        elif isinstance(child, ast.Import):
            names += [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            module = "." * child.level + (child.module or "")
            prefix = f"{module}." if child.module else module
            names += [module, *(prefix + alias.name for alias in child.names)]
        else:
            names += _imported_names(child)
    return names


def _read_now(path: Path) -> tuple[str, list[str]]:
    digest, names = CACHE.get("" if path == DOOR else path.read_text(encoding="utf-8"), _analyse)
    return digest, names


@cache
def _sources() -> dict[Path, tuple[str, list[str]]]:
    """All sources as they are when a process first asks for one: Snakemake asks for those of many jobs much later."""
    found = {}
    for path in sorted(SCRIPTS.rglob("*.py")):
        with suppress(OSError, ValueError, SyntaxError):  # who needs that one reads it, and is told
            found[path] = _read_now(path)
    return found


@cache
def _read(path: Path) -> tuple[str, list[str]]:
    """Digest and imported names of a source file."""
    return _sources().get(path) or _read_now(path)


def source_digest(path: Path) -> str:
    """Eight hex digits of a file's normalised source."""
    return _read(path)[0]


def _module_file(name: str) -> Path | None:
    """File of a local module (``nasperf360...``), or None for others."""
    first, *rest = name.split(".")
    return _file_at(PACKAGE.joinpath(*rest)) if first == PACKAGE.name else None


@cache
def _file_at(base: Path) -> Path | None:
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


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
            files += _files_on_the_way(resolve_name(name, package))
        except ImportError as error:
            raise UserError(f"{path}: import of '{name}' leads out of its package; write the whole name") from error
    return tuple(dict.fromkeys(files))


@cache
def _files_on_the_way(name: str) -> tuple[Path, ...]:
    """Files of a local module and of the packages that hold it."""
    parts = name.split(".")
    found = [_module_file(".".join(parts[:end])) for end in range(1, len(parts) + 1)]
    return tuple(path for path in found if path)


def closure(*roots: Path) -> list[Path]:
    """The roots and every local file that they import, directly or not, sorted; without how digests are made."""
    return sorted(set[Path]().union(*map(_reached, roots)))


@cache
def _reached(root: Path) -> frozenset[Path]:
    seen: set[Path] = set(OUTSIDE)
    waiting = [root]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += local_imports(path)
    return frozenset(seen.difference(OUTSIDE))


@cache
def code_digest(script: str, *modules: str) -> dict[str, str]:
    """Digest of each source file that a job runs, by its path below ``workflow/scripts``.

    Args:
        script: e.g. ``retrain.py``.
        modules: loaded by name at run time, below the package, e.g. ``tasks.ecg.training``.

    Raises:
        FileNotFoundError: no such module.
    """
    named = [f"{PACKAGE.name}.{module}" for module in modules]
    if missing := [name for name in named if _module_file(name) is None]:
        raise FileNotFoundError(f"no module {', '.join(missing)} in {SCRIPTS}")
    files = closure(SCRIPTS / script, *(path for name in named for path in _files_on_the_way(name)))
    return {_name_of(path): source_digest(path) for path in files}


@cache
def _name_of(path: Path) -> str:
    return path.relative_to(SCRIPTS).as_posix()


Modules = str | Callable[[Any], str | list[str]]
"""Names of modules that a job loads, or a function of its wildcards that gives them."""


def code_params(script: str, *modules: Modules) -> dict[str, Any]:
    """The digests of :func:`code_digest` as params of a rule, ``<file>@<digest>``; :func:`code_of` reads them back.

    One param per file, but one list per function in ``modules``: the reason that Snakemake prints for a rerun shows the
    params that differ, and so names the files that changed.
    """
    constant = code_digest(script, *(module for module in modules if isinstance(module, str)))
    chosen = [_loaded(script, constant, module) for module in modules if callable(module)]
    return {f"code_{number}": value for number, value in enumerate([*_entries(constant), *chosen])}


class CodeParams(NamedTuple):
    """The params of :func:`code_params` for a rule that has a job per experiment: ``*files, **named``.

    Snakemake notes the same of them, and so reruns nothing, but keeps no names of fifty files for each of thousands of
    jobs, which take more memory than all else of a job.

    Args:
        files: ``<file>@<digest>`` each, without names.
        named: all of them again for the job, which Snakemake does not compare, and those that wildcards choose.
    """

    files: list[str]
    named: dict[str, Callable[..., list[str]]]


def unnamed_code_params(script: str, choose: Callable[[Any], str | list[str]]) -> CodeParams:
    """Of a script, and the modules that a function of its wildcards gives."""
    constant = code_digest(script)
    files = _entries(constant)
    chosen = _loaded(script, constant, choose)

    @of_each_job
    def again(wildcards: Any, output: Any) -> list[str]:  # what asks for outputs is no reason to run a job
        return files

    return CodeParams(files, {"code_files": again, "code_chosen": chosen})


def _entries(digests: Mapping[str, str]) -> list[str]:
    return [f"{file}@{digest}" for file, digest in digests.items()]


def _loaded(script: str, constant: Mapping[str, str], choose: Callable[[Any], str | list[str]]) -> Any:
    @cache
    def of(*names: str) -> list[str]:
        digests = code_digest(script, *names)
        return _entries({file: digest for file, digest in digests.items() if file not in constant})

    @of_each_job
    def entries(wildcards: Any) -> list[str]:
        names = choose(wildcards)
        return of(*([names] if isinstance(names, str) else names))

    return entries


def code_of(params: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Digest of each source file of a job, by its path, from the named params that :func:`code_params` made."""
    entries: list[str] = []
    for name, value in params:
        if name.startswith("code_"):
            entries += [value] if isinstance(value, str) else value
    return dict(sorted(entry.split("@") for entry in entries))


def check_code(planned: Mapping[str, str]) -> None:
    """Compare the sources as they are now with those that a job was planned with.

    Args:
        planned: what :func:`code_of` gives.

    Raises:
        UserError: they differ; names the files.
    """
    changed = [file for file, digest in planned.items() if _digest_now(SCRIPTS / file) != digest]
    if changed:
        raise UserError(
            f"{', '.join(changed)} changed since this run was planned; start the same command again, "
            f"it reruns what that touches"
        )


def _digest_now(path: Path) -> str | None:
    try:
        return _read_now(path)[0]
    except (OSError, ValueError, SyntaxError):
        return None  # gone, or no Python for the moment
