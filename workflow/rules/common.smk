# The resolved configuration, paths of the run, and the params that make jobs rerun exactly when they must.

import re
import sys
from pathlib import Path

ROOT = Path(str(workflow.current_basedir)).parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from nasperf360.study import runs
from nasperf360.study import settings
from nasperf360.jobs.code_digest import code_params
from nasperf360.errors import UserError
from nasperf360.labels import PAPER_TASKS
from nasperf360.tasks import get_task

try:
    config = settings.resolve(config)
    runs.check(config)
except UserError as error:
    sys.exit(f"Error: {error}")

RUN = config["run"]
RESULTS = f"results/{RUN}"
RAW = f"results/{config['data_run']}/raw"
DATA = f"results/{config['data_run']}/data"
CHECKPOINTS = f"{RESULTS}/checkpoints"
TASKS = config["tasks"]
METHODS = config["methods"]
SEEDS = config["seeds"]
CELLS = settings.cells(config)
ENVIRONMENT = "../../envs/environment.yaml"


wildcard_constraints:
    task="[a-z0-9_]+",
    method="[a-z0-9_]+-[a-z0-9_]+",
    seed="[0-9]+",


onstart:
    try:
        runs.record(config)
    except UserError as error:
        sys.exit(f"Error: {error}")


def cell_paths(pattern):
    """``pattern`` for each task, method and seed of the study; with ``partial``, where that file exists."""
    paths = [pattern.format(task=task, method=method, seed=seed) for task, method in CELLS for seed in SEEDS]
    return [path for path in paths if Path(path).exists()] if config["partial"] else paths


def method_modules(method, *, algorithm):
    """Modules that a job of a method loads by name."""
    definition = settings.method(config, method)
    return [
        f"spaces.{definition['space']}",
        *([f"algorithms.{definition['algorithm']}"] if algorithm else []),
    ]


def search_inputs(wildcards):
    """The data, and the searched network that limits the size of this one, where the method has such a limit."""
    if (wildcards.task, wildcards.method) not in CELLS:
        try:
            settings.check_cell(config, wildcards.task, wildcards.method)
        except UserError as error:
            sys.exit(f"Error: {error}")  # Snakemake shows the traceback of any other exception
    inputs = {
        "manifest": f"{DATA}/{wildcards.task}.json",
        "data": ancient(f"{DATA}/{wildcards.task}.h5"),
    }
    limit = settings.method(config, wildcards.method).get("size_limit")
    if limit:
        inputs["size_limit"] = f"{RESULTS}/search/{wildcards.task}/{limit['method']}/{wildcards.seed}/architecture.json"
    return inputs


def space_of(method):
    """Module of a method's search space."""
    return settings.method(config, method)["space"]


def architectures_of(method):
    """What the method found on each task and seed; with ``partial``, of those that exist."""
    return [
        path
        for path in cell_paths(f"{RESULTS}/search/{{task}}/{{method}}/{{seed}}/architecture.json")
        if path.split("/")[-3] == method
    ]


def task_modules(run):
    """Task modules that a table of a run takes titles, units and licences from."""
    return [f"tasks.{task}" for task in (PAPER_TASKS if run == "reference" else TASKS)]
