# The resolved configuration, paths of the run, and the params that make jobs rerun exactly when they must.

import re
import sys
from functools import cache, partial
from pathlib import Path

ROOT = Path(str(workflow.current_basedir)).parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from nasperf360.errors import UserError
from nasperf360.labels import BASELINE, PAPER_METHODS, PAPER_TASKS, halves, label_modules
from nasperf360.registry import has_room
from nasperf360.stages.code_digest import code_params
from nasperf360.stages.modules import stage_modules
from nasperf360.study import configuration, paths, runs, runtimes
from nasperf360.tasks.shared.task_spec import task_spec

try:
    configuration.check_files(workflow.configfiles)
    config = configuration.resolve(config)
    runs.check(config)
    RUNTIMES = runtimes.read_runtimes(config["runtimes"])
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
SEARCHES = config["searches"]
SEARCH_SEEDS = list(dict.fromkeys(paths.search_seed(seed, SEARCHES) for seed in SEEDS))
EXPERIMENTS = configuration.experiments(config)
# Of a task and a method; each takes a millisecond, and the jobs of all seeds ask for it.
space_settings, search_settings, retrain_settings = (
    cache(partial(settings, config))
    for settings in (configuration.space_settings, configuration.search_settings, configuration.retrain_settings)
)
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


def experiment_paths(pattern, seeds=SEEDS):
    """``pattern`` for each task, method and seed of the study; with ``partial``, where that file exists."""
    files = [pattern.format(task=task, method=method, seed=seed) for task, method in EXPERIMENTS for seed in seeds]
    return [path for path in files if Path(path).exists()] if config["partial"] else files


def modules_of(stage):
    """A function of wildcards: the modules that a stage of an experiment loads by name."""

    def modules(wildcards):
        task, name = wildcards.task, wildcards.method
        settings = search_settings(task, name)["search"] if stage == "search" else {}
        return stage_modules(stage, task, configuration.method(config, name), settings)

    return modules


def asked_task(wildcards):
    """The task that a target names; one that there is not ends the run by a sentence."""
    try:
        configuration.check_task(wildcards.task, "target")
    except UserError as error:
        sys.exit(f"Error: {error}")  # Snakemake shows the traceback of any other exception
    return wildcards.task


def search_inputs(wildcards):
    """The data, and the searched network that limits the size of this one, where the method has such a limit."""
    if (wildcards.task, wildcards.method) not in EXPERIMENTS:
        try:
            configuration.check_experiment(config, wildcards.task, wildcards.method)
        except UserError as error:
            sys.exit(f"Error: {error}")  # Snakemake shows the traceback of any other exception
    inputs = {
        "manifest": f"{DATA}/{wildcards.task}.json",
        "data": ancient(f"{DATA}/{wildcards.task}.h5"),
    }
    limit = configuration.method(config, wildcards.method).get("size_limit")
    if limit:
        inputs["size_limit"] = f"{RESULTS}/search/{wildcards.task}/{limit['method']}/{wildcards.seed}/architecture.json"
    return inputs


def trained_architecture(wildcards):
    """What the search found that a seed trains: its own, or one that seeds share."""
    found = paths.search_seed(int(wildcards.seed), SEARCHES)
    return f"{RESULTS}/search/{wildcards.task}/{wildcards.method}/{found}/architecture.json"


def space_of(method):
    """A method's search space."""
    return configuration.method(config, method)["space"]


def architectures_of(method):
    """What the method found on each task and in each search; with ``partial``, of those that exist."""
    return [
        path
        for path in experiment_paths(f"{RESULTS}/search/{{task}}/{{method}}/{{seed}}/architecture.json", SEARCH_SEEDS)
        if path.split("/")[-3] == method
    ]


def tasks_of(run):
    """Tasks in the tables of a run."""
    return list(PAPER_TASKS) if run == "reference" else TASKS


def task_labels(run):
    """Modules that the tables of a run take the titles of tasks from."""
    return label_modules("tasks", tasks_of(run))


def task_specs(run):
    """Modules that the tables of a run take metrics, kinds and raw data of tasks from."""
    return [f"tasks.{task}.spec" for task in tasks_of(run)]


def method_labels(run):
    """Modules that the tables and figures of a run take the titles of spaces and algorithms from."""
    methods = [*(PAPER_METHODS if run == "reference" else METHODS), BASELINE]
    spaces, algorithms = zip(*map(halves, methods))
    return [*label_modules("spaces", spaces), *label_modules("algorithms", algorithms)]


def seeds_of(wildcards):
    """The scores of each seed, as an input; of the paper's results only mean and deviation are printed."""
    return {} if wildcards.run == "reference" else {"scores": f"{RESULTS}/tables/scores.csv"}
