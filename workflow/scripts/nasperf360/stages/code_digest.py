"""Digests of what a job's code does: a comment, a docstring or a reformatting changes none of them.

Snakemake compares these (``params: **code_params(...)``) with those of the last run, so a job reruns exactly when its
script, or a local module that it imports, or a module that it loads by name, changed in substance; and each job
compares them with its sources (:func:`check_code`), so that no result names code that it did not run.

``source_form.py`` says what of a source is no part of its digest.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import Any, NamedTuple

from nasperf360.errors import UserError
from nasperf360.stages.digest_cache import DigestCache
from nasperf360.stages.rule_functions import ending_the_run, of_each_job
from nasperf360.stages.source_form import analyse

PACKAGE = Path(__file__).parents[1]
SCRIPTS = PACKAGE.parent
FORM = Path(__file__).with_name("source_form.py")
# What computes no result is no part of them, though every job imports it: how digests are made, on which GPU a job
# runs, what it waits for, and by which signal it ends.
OUTSIDE = (
    *(Path(__file__), FORM, *map(FORM.with_name, ("digest_cache.py", "rule_functions.py"))),
    *(PACKAGE / "locks.py", PACKAGE / "interruption.py", *sorted((PACKAGE / "devices").glob("*.py"))),
)
# Nor is what `import nasperf360` offers from outside; for jobs this file is empty, as every __init__.py is.
DOOR = PACKAGE / "__init__.py"
# Parsing all sources takes a second of a dry run's three; beside Snakemake's own records of the working directory.
CACHE = DigestCache(".snakemake/nasperf360-sources.json", FORM.read_text(encoding="utf-8"))


def _read_now(path: Path) -> tuple[str, list[str]]:
    try:
        digest, names = CACHE.get("" if path == DOOR else path.read_text(encoding="utf-8"), analyse)
    except SyntaxError as error:
        raise UserError(f"{path}: line {error.lineno}: {error.msg}; correct it") from error
    except ValueError as error:  # no UTF-8, or null bytes
        raise UserError(f"{path}: no Python source ({error}); correct it") from error
    return digest, names


@cache
def _sources() -> dict[Path, tuple[str, list[str]]]:
    """All sources as they are when a process first asks for one: Snakemake asks for those of many jobs much later."""
    found = {}
    for path in sorted(SCRIPTS.rglob("*.py")):
        with suppress(OSError, UserError):  # who needs that one reads it, and is told
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
    """The roots and every local file that they import, directly or not, sorted; without those outside."""
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
        UserError: no such module, or a source that cannot be parsed.
    """
    named = [f"{PACKAGE.name}.{module}" for module in modules]
    if missing := [name for name in named if _module_file(name) is None]:
        lacking = ", ".join(f"{SCRIPTS.joinpath(*name.split('.'))}.py" for name in missing)
        raise UserError(f"{lacking}: no such file, and {script} loads it; add it, or correct the name")
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
    with ending_the_run():
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
    with ending_the_run():
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
    @ending_the_run()
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


def libraries() -> dict[str, list[str]]:
    """What each script, and the local modules that it imports, import of libraries: modules, and names in modules."""
    found = {}
    for script in sorted(SCRIPTS.glob("*.py")):
        with suppress(OSError, UserError):  # who runs that one is told
            found[script.name] = _of_libraries(script)
    return found


def _of_libraries(script: Path) -> list[str]:
    names = {name for path in closure(script) for name in _read(path)[1]}
    return sorted(name for name in names if name.split(".")[0] not in ("", PACKAGE.name))


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
    except (OSError, UserError):
        return None  # gone, or no Python for the moment
