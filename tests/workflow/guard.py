"""What every rule must keep to, so that reruns stay exact: read from the rules that Snakemake parsed."""

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.iocontainers import Wildcards
from snakemake.settings.enums import Quietness
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings
from snakemake.workflow import Workflow

SECTIONS = ("simulate", "preprocess", "spaces", "search", "retrain", "method_definitions")  # of many tasks or methods
DIGEST = re.compile(r".+@[0-9a-f]{8}")
WILDCARDS = Wildcards(
    fromdict={
        "task": "darcy",
        "method": "densenas-random",
        "seed": "0",
        "run": "reference",
        "figure": "scores",
        "other": "reference",
    }
)
# What loads files by name, the wildcard that names them, the file for the wildcards above (random ranks by the metric).
LOADERS = {
    "nasperf360/data/simulate.py": ("task", "nasperf360/tasks/darcy/simulator.py"),
    "preprocess.py": ("task", "nasperf360/tasks/darcy/data.py"),
    "nasperf360/tasks/shared/task_training.py": ("task", "nasperf360/tasks/darcy/training.py"),
    "nasperf360/tasks/shared/metrics.py": ("task", "nasperf360/tasks/darcy/metric.py"),
    "nasperf360/spaces/shared/search_space.py": ("method", "nasperf360/spaces/densenas/space.py"),
    "nasperf360/algorithms/shared/problem.py": ("method", "nasperf360/algorithms/random/search.py"),
    "draw_architectures.py": ("method", "nasperf360/spaces/densenas/drawing.py"),
    "draw_figure.py": ("figure", "nasperf360/figures/scores.py"),
}


def read(snakefile: Path, config: Mapping[str, Any]) -> Workflow:
    """The rules of a Snakefile under a configuration."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        opened = api.workflow(ResourceSettings(), config_settings=ConfigSettings(config=config), snakefile=snakefile)
        return opened._workflow


def faults(workflow: Workflow, config: Mapping[str, Any]) -> list[str]:
    """One line per rule and fault; rules without a body are targets, and run nothing."""
    return [f"{rule.name}: {fault}" for rule in workflow.rules if not rule.norun for fault in _faults(rule, config)]


def _faults(rule: Any, config: Mapping[str, Any]) -> Iterator[str]:
    if not rule.is_script:
        yield "its body is no script: what it does is seen by no digest"
        return
    script = Path(rule.script).name
    params = list(_values(rule))
    entries = [entry for _, value in params for entry in (value if isinstance(value, list) else [value])]
    code_entries = {entry for entry in entries if isinstance(entry, str) and DIGEST.fullmatch(entry)}
    code = {entry.rsplit("@", 1)[0] for entry in code_entries}
    for file in (script, *_loaded_by_name(code, rule.wildcard_names)):
        if file not in code:
            yield f"no param holds the code digest of {file}"
    whole = [config, *(config[name] for name in SECTIONS if config.get(name))]
    for name, value in params:
        if any(value == section for section in whole):
            yield f"param '{name}' is the whole configuration, or a whole section"
        if not _representable(value):
            yield f"param '{name}' holds what Snakemake cannot compare: {type(value).__name__}"
    for name, value in rule.params._allitems():
        again = name == "code_files" and set(value(WILDCARDS, None)) <= code_entries  # for the script, by a name
        tracked = again or f"{name}_sha256" in dict(params)
        if callable(value) and not _of_wildcards(value) and not tracked:
            yield f"param '{name}' is a function of more than wildcards, which Snakemake does not track"
    if not rule.log:
        yield "it has no log"
    if re.search(
        r"snakemake\.config\b", (Path(rule.basedir.get_path_or_uri(secret_free=True)) / rule.script).read_text()
    ):
        yield "its script reads the configuration past its params"


def _values(rule: Any) -> Iterator[tuple[str, Any]]:
    for name, value in rule.params._allitems():
        if not callable(value):
            yield name, value
        elif _of_wildcards(value):
            yield name, value(WILDCARDS)


def _of_wildcards(function: Callable[..., Any]) -> bool:
    """Snakemake passes the wildcards first, whatever that argument is called, and others by their names."""
    return len(inspect.signature(function).parameters) == 1


def _loaded_by_name(code: set[str], wildcards: set[str]) -> Iterator[str]:
    """Files that a script with one of :data:`LOADERS` loads by the wildcards of its rule."""
    for loader, (wildcard, file) in LOADERS.items():
        if wildcard in wildcards and loader in code:
            yield file


def _representable(value: Any) -> bool:
    try:
        return json.loads(json.dumps(value)) == value
    except (TypeError, ValueError):
        return False
