"""Which room may import which: one stage loads a room, so a change of it reruns that stage and what follows."""

import ast
import subprocess
import sys
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from nasperf360.stages.code_digest import DOOR, PACKAGE, SCRIPTS, closure, code_digest, local_imports
from nasperf360.stages.source_form import imported_names

FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py"]
KINDS = ("tasks", "spaces", "algorithms")

# The files of a task, a space or an algorithm that are rooms; others there are parts of some.
ROOMS = {
    "tasks": {"labels", "spec", "data", "benchmark", "simulator", "training", "metric", "further_scores", "per_sample"},
    "spaces": {"labels", "spec", "encoding", "space", "drawing"},
    "algorithms": {"labels", "spec", "files", "search"},
}
# The room that a file of a folder belongs to, where that is no room of its own.
PLACES = {
    "tasks/shared": {
        "tasks.spec": {"task_spec", "option_kinds", "readers"},
        "tasks.part": {"arrays", "pickles"},
        "tasks.data": {"cifar_archive", "file_options", "matlab", "matlab_v5", "npz_stream"},
        "tasks.metric": {"metrics", "ranking", "error_rate"},
        "tasks.per_sample": {"per_sample", "mistakes", "drawn_rankings"},
        "tasks.training": {"task_training", "classification", "binary_labels"},
    },
    "tasks/deepsea": {"tasks.data": {"matlab_stream"}},
    "spaces/shared": {
        "spaces.spec": {"space_spec"},
        "spaces.encoding": {"encoding", "cells"},
        "spaces.space": {"search_space"},
    },
    "algorithms/shared": {"algorithms.spec": {"algorithm_spec", "supernet_settings", "trial_settings"}},
    "settings": {"settings.declaration": {"declaration"}},
    "training": {"training.settings": {"settings"}},
    "data": {
        "data.sources": {"sources", "sources_file", "lock_file", "redistribution"},
        "data.records": {"names", "reading", "raw", "fetched"},
        "data.jobs": {"preprocess", "simulate", "publish", "published"},
    },
    "stages": {
        "stages.code_digest": {"code_digest", "digest_cache", "rule_functions", "source_form"},
        "stages.modules": {"modules"},
        "stages.rule_scripts": {"rule_scripts", "scheduling"},
        "stages.experiment": {"experiment"},
        "stages.predictions": {"predictions"},
        "stages.evaluate": {"evaluate", "scoring"},
        "stages.training": {"search", "retrain", "training_job", "provenance"},
    },
    "study": {
        "study.workflow": {
            *("asked", "configuration", "expected", "paths", "records", "results", "run_files", "runs", "runtimes"),
        },
    },
}
REST = {"spaces/shared": "spaces.networks", "algorithms/shared": "algorithms.search"}

BASIS = {"errors", "files", "failures", "seeds", "registry", "interruption", "job", "locks", "stages.code_digest"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "registry": {"errors"},
    "seeds": set(),
    "caches": set(),
    "interruption": set(),
    "command": {"errors", "interruption"},
    "console": set(),
    "fork_server": set(),
    "files": {"errors"},
    "failures": {"files"},
    "stages.code_digest": {"errors"},
    "job": {"errors", "failures", "files", "interruption", "stages.code_digest"},
    "locks": {"errors", "files", "job"},
    "devices": {"job", "locks"},
    "labels": {"registry"},
    # What is declared: read by the workflow at each start, and by jobs.
    "settings.declaration": set(),
    "training.settings": {"settings.declaration"},
    "tasks.labels": set(),
    "tasks.spec": {"errors", "registry", "settings.declaration"},
    "spaces.labels": set(),
    "spaces.spec": {"errors", "registry", "settings.declaration", "tasks.spec"},
    "algorithms.labels": set(),
    "algorithms.spec": {"errors", "registry", "settings.declaration", "training.settings", "spaces.spec"},
    # Of a stage it takes the checksum that an architecture.json has of itself.
    "algorithms.files": {"errors", "registry", "data.records", "stages.experiment", "algorithms.spec", "tasks.spec"},
    "settings": BASIS | {"settings.declaration", "training.settings", "tasks.spec", "spaces.spec", "algorithms.spec"},
    "stages.modules": {"registry", "algorithms.spec"},
    # Data.
    "data.sources": BASIS | {"data.records", "settings", "settings.declaration", "tasks.spec"},
    "data.records": {"errors", "files"},
    "data": BASIS | {"data.sources", "data.records"},
    "data.jobs": BASIS | {"data", "data.sources", "data.records", "settings.declaration", "tasks.spec"},
    "tasks.part": {"errors", "seeds", "data.records", "tasks.spec"},
    "tasks.data": BASIS | {"data", "data.records", "settings.declaration", "tasks.spec", "tasks.part"},
    "tasks.benchmark": BASIS
    | {"data", "data.records", "settings.declaration", "tasks.spec", "tasks.data", "tasks.part"},
    "tasks.simulator": BASIS | {"data", "settings.declaration", "tasks.spec", "tasks.data", "tasks.part"},
    "tasks.metric": {"errors", "registry", "tasks.spec", "tasks.part"},
    "tasks.per_sample": {"errors", "registry", "tasks.spec", "tasks.metric", "tasks.part"},
    "tasks.further_scores": {"errors", "tasks.spec", "tasks.metric", "tasks.part"},
    # Networks and their training.
    "tasks.training": {"errors", "registry", "data", "settings.declaration", "tasks.spec", "tasks.part"},
    "training": BASIS | {"data", "settings.declaration", "training.settings", "tasks.spec", "tasks.training"},
    "spaces.encoding": {"errors", "tasks.spec", "spaces.spec"},
    "spaces.networks": {"errors", "spaces.spec", "spaces.encoding"},
    "spaces.space": {"errors", "registry", "tasks.spec", "spaces.spec", "spaces.encoding", "spaces.networks"},
    "algorithms.search": BASIS
    | {"data", "training", "training.settings", "algorithms.spec", "tasks.metric", "tasks.training"}
    | {"spaces.encoding", "spaces.networks", "spaces.space"},
    # Stages of an experiment.
    "stages.experiment": BASIS | {"tasks.spec"},
    "stages.predictions": {"files"},
    "stages.evaluate": BASIS | {"data", "stages.experiment", "tasks.spec", "tasks.metric"},
    "stages.training": BASIS
    | {"data", "training", "training.settings", "tasks.metric", "tasks.training", "spaces.encoding", "spaces.networks"}
    | {"spaces.space", "algorithms.spec", "algorithms.search", "stages.experiment", "stages.predictions", "devices"},
    # The study as a whole, and what shows it.
    "study.workflow": BASIS
    | {"labels", "settings", "settings.declaration", "training.settings"}
    | {"tasks.spec", "spaces.spec", "algorithms.spec", "stages.modules"},
    "study": BASIS
    | {"study.workflow", "data", "data.records", "tasks.spec"}
    | {"stages.modules", "stages.experiment", "stages.evaluate", "labels", "tasks.per_sample"},
    "library": {"errors", "files", "data", "training", "training.settings", "tasks.training", "spaces.space"}
    | {"stages.evaluate", "study.workflow"},
    "estimate": BASIS
    | {"study", "study.workflow", "data", "training", "training.settings", "tasks.spec", "tasks.training"}
    | {"spaces.encoding", "spaces.networks", "spaces.space", "algorithms.spec", "algorithms.search"},
    "tables": BASIS | {"labels", "data", "study", "study.workflow", "tasks.spec", "tasks.per_sample"},
    "figures": BASIS | {"labels", "tables"},
    "report": BASIS | {"labels", "study", "study.workflow", "tables", "figures"},
    "spaces.drawing": {"figures", "spaces.encoding"},
}
WITH_TORCH = {
    "tasks.training",
    "training",
    "spaces.networks",
    "spaces.space",
    "algorithms.search",
    "stages.training",
    "estimate",
    "library",
}
# What the workflow reads at each start, tasks and all; nothing there takes longer than pydantic and yaml.
QUICK = (
    {
        "errors",
        "failures",
        "registry",
        "fork_server",
        "devices",
        "job",
        "locks",
        "labels",
        "settings",
        "settings.declaration",
        "training.settings",
    }
    | {"data.sources", "data.records", "stages.code_digest", "stages.modules", "study.workflow"}
    | {f"{kind}.{room}" for kind in KINDS for room in ("labels", "spec")}
)


def room(path: Path) -> str:
    """The room that a file stands in."""
    *folders, stem = path.relative_to(PACKAGE).with_suffix("").parts
    places = PLACES.get("/".join(folders), {})
    for name, stems in places.items():
        if stem in stems:
            return name
    if not folders:
        return stem
    if rest := REST.get("/".join(folders)):
        return rest
    if folders[0] not in KINDS:
        return folders[0]
    if stem in ROOMS[folders[0]]:
        return f"{folders[0]}.{stem}"
    if folders[0] == "spaces":
        return "spaces.networks" if "torch" in third_party(path) else "spaces.encoding"
    return {"tasks": "tasks.part", "algorithms": "algorithms.search"}[folders[0]]


def third_party(path: Path) -> set[str]:
    """Packages that a file imports, ours aside."""
    names = imported_names(ast.parse(path.read_text(encoding="utf-8")))
    return {name.split(".")[0] for name in names} - {"", PACKAGE.name}


@pytest.mark.parametrize("name", sorted({room(path) for path in FILES}))
def test_a_room_imports_what_it_may(name):
    imported: dict[str, set[str]] = defaultdict(set)
    for path in FILES:
        if room(path) == name:
            for found in local_imports(path):
                if found.name != "__init__.py" and room(found) != name:
                    imported[room(found)].add(f"{path.relative_to(PACKAGE)} imports {found.relative_to(PACKAGE)}")
    beyond = {other: sorted(files) for other, files in imported.items() if other not in ALLOWED[name]}
    assert beyond == {}


def test_no_two_rooms_may_import_each_other():
    list(TopologicalSorter(ALLOWED).static_order())  # raises if they may


@pytest.mark.parametrize("kind", KINDS)
def test_no_task_space_or_algorithm_imports_another(kind):
    for path in FILES:
        folders = path.relative_to(PACKAGE).parts[:-1]
        if folders[:1] == (kind,):
            for found in local_imports(path):
                other = found.relative_to(PACKAGE).parts
                if found.name != "__init__.py" and other[0] == kind:
                    assert other[1] in (folders[1], "shared"), f"{path} imports {found}"


@pytest.mark.parametrize("name", sorted({room(path) for path in FILES} - WITH_TORCH))
def test_rooms_without_torch_reach_none(name):
    for path in FILES:
        if room(path) == name:
            reached = [found.relative_to(PACKAGE) for found in closure(path) if "torch" in third_party(found)]
            assert reached == [], f"{path} reaches torch"


@pytest.mark.parametrize("name", sorted(QUICK))
def test_what_the_workflow_reads_at_each_start_is_quick(name):
    quick = {"pydantic", "annotated_types", "yaml", *sys.stdlib_module_names}
    for path in FILES:
        if room(path) == name:
            for found in closure(path):
                assert third_party(found) <= quick, f"{path} reaches {found}"


def test_every_init_is_empty():
    """Since each is in the closure of every job; but for the library's door, which is none of a job's sources."""
    assert [path for path in PACKAGE.rglob("__init__.py") if path.read_text()] == [DOOR]
    assert (
        code_digest("retrain.py")["nasperf360/__init__.py"] == code_digest("retrain.py")["nasperf360/tasks/__init__.py"]
    )


def test_the_library_s_door_is_no_way_for_jobs():
    """Nobody else imports the library, and the package itself loads nothing before it is asked."""
    assert [path for path in FILES if PACKAGE / "library.py" in local_imports(path)] == []
    program = (
        "import sys, nasperf360; print([name for name in sys.modules if name.startswith('nasperf360.')]); "
        "print('torch' in sys.modules, nasperf360.load_experiment.__module__, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=SCRIPTS, capture_output=True, text=True, timeout=120)
    assert done.stdout == "[]\nFalse nasperf360.library True\n", done.stderr


def test_imports_inside_functions_are_few_and_say_why():
    inside = []
    for path in sorted(SCRIPTS.rglob("*.py")):
        lines = path.read_text().splitlines()
        for function in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Import | ast.ImportFrom):
                        inside.append(f"{path}:{node.lineno}")
                        around = lines[node.lineno - 2 : node.lineno]
                        assert any("#" in line for line in around), f"{inside[-1]}: no reason"
    assert len(inside) < 10
