# The resolved configuration, paths of the run, and the params that make jobs rerun exactly when they must.

import gc
import re
import signal
import sys
import tarfile
import tempfile
from dataclasses import replace
from functools import cache, lru_cache, partial
from os import environ, pathsep, rename
from pathlib import Path

# Walks through what a plan of hundreds of jobs holds take an eighth of the time to make it, and find next to nothing.
gc.set_threshold(100_000)


def checkout_of(basedir):
    """The folder of this workflow; of a module from a Git host, a copy of its commit beside Snakemake's own clone."""
    return Path(str(basedir)).parents[1] if basedir.is_local else copied(basedir)


def copied(basedir):
    """A copy of a commit: Snakemake fetches of a Git host one file at a time."""
    repository = basedir.hosted_repo.repo
    commit = repository.commit(basedir.ref).hexsha
    folder = basedir.cache_path / "nasperf360" / commit
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        copy = tempfile.mkdtemp(dir=folder.parent)
        with tempfile.TemporaryFile() as archive:
            repository.archive(archive, commit)
            archive.seek(0)
            with tarfile.open(fileobj=archive) as members:
                members.extractall(copy, filter="data")
        rename(copy, folder)  # whole or not at all
    return folder


# The library beside the rules, in jobs too: not an installed one, which Snakemake would let them find first.
LIBRARY = str(checkout_of(workflow.current_basedir) / "workflow" / "scripts")
sys.path.insert(0, LIBRARY)
environ["PYTHONPATH"] = pathsep.join(filter(None, [LIBRARY, environ.get("PYTHONPATH")]))

from nasperf360 import caches
from nasperf360.console import be_brief
from nasperf360.data.redistribution import check_redistribution
from nasperf360.data.names import expanded
from nasperf360.data.sources_file import check_sources, read_terms
from nasperf360.errors import UserError
from nasperf360.failures import is_of_run
from nasperf360.files import digest_json
from nasperf360.fork_server.start import start as start_fork_server
from nasperf360.labels import BASELINE, PAPER_METHODS, PAPER_TASKS, halves, label_modules
from nasperf360.locks import worker_folder
from nasperf360.registry import has_room
from nasperf360.stages.code_digest import code_params, libraries, unnamed_code_params
from nasperf360.stages.modules import stage_modules
from nasperf360.stages.rule_functions import ending_the_run, of_each_job
from nasperf360.stages.rule_scripts import read_once
from nasperf360.stages.scheduling import wake_by_jobs_alone
from nasperf360.study import configuration, ending, paths, records, runs, runtimes
from nasperf360.study.asked import EXPERIMENT_MB, USUAL, Asked, asked
from nasperf360.study.expected import check_unrecorded
from nasperf360.study.run_files import settings_path
from nasperf360.study.running import lock_folder
from nasperf360.tasks.shared.readers import raw_owner, reader
from nasperf360.tasks.shared.task_spec import task_spec

caches.provide()
read_once(workflow.sourcecache)
if not workflow.is_main_process:
    # A scheduler warns of a time limit by this signal (profiles/slurm): it is for the script, which saves its state and
    # ends; to the Snakemake and the shell around it, in the same job, it would be the end.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)

if {*"{}"} & {*str(workflow.basedir)}:
    sys.exit(
        f"Error: {workflow.basedir}: Snakemake cannot run a workflow in a folder with braces in its name; rename it"
    )

with ending_the_run():
    configuration.check_files(workflow.configfiles)
    config = configuration.resolve(config)
    config["sources"] = expanded(config["sources"])
    runs.check(config)
    RUNTIMES = runtimes.read_runtimes(config["runtimes"])
    if workflow.is_main_process:
        check_sources(config["sources"])

# Whether results go to a bucket, since the machines share no files (docs/cluster.md).
IN_BUCKET = bool(workflow.storage_settings and workflow.storage_settings.default_storage_provider)
if IN_BUCKET and config["source"] != "published":
    sys.exit(
        f"Error: source: with --default-storage-provider it must be published, not {config['source']}: raw files are on one "
        "machine only; publish the data sets first (docs/publishing.md)"
    )
if IN_BUCKET and config["partial"]:
    sys.exit(
        "Error: partial: with --default-storage-provider there are no results on disk to look for (docs/cluster.md)"
    )

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
FORMS = ["csv", "md", "html", "tex"]
FIGURE_FORMS = ["pdf", "svg", "png", "csv"]
PICTURE_FORMS = ["pdf", "svg", "png"]


wildcard_constraints:
    task="[a-z0-9_]+",
    method="[a-z0-9_]+-[a-z0-9_]+",
    seed="[0-9]+",
    worker="[1-9][0-9]*",


# The runs whose files this one may make, and so whose records of Snakemake it looks after.
OWN_RUNS = [RUN, config["data_run"], "reference"]

if workflow.is_main_process:
    with ending_the_run():
        records.restore(OWN_RUNS)
        if not config["partial"]:  # which takes results as they are
            check_unrecorded(config, sys.argv)


onstart:
    # By a job too, for who uses this as a module (record.smk); but a single search or training asks for no such job.
    with ending_the_run():
        runs.record(config)
        records.keep(OWN_RUNS)
    wake_by_jobs_alone(workflow.scheduler)
    if not (workflow.output_settings.verbose or workflow.output_settings.quiet):
        be_brief(logger)
    # In each job pydantic would go through all installed packages for plugins, and none has any for these jobs.
    environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if config["fork_server"] and workflow.local_exec and workflow.is_main_process:
        shell.executable(start_fork_server(shell.get_executable(), libraries()))


onsuccess:
    with ending_the_run():
        records.keep(OWN_RUNS)
    logger.info(ending.made(config))


onerror:
    with ending_the_run():
        records.keep(OWN_RUNS)
        for line in ending.failures(config):
            logger.error(line)


def shipped(path):
    """A file of the workflow as an input: on disk, also where results are in a bucket."""
    return local(paths.shipped(path))


def untracked(function):
    """A param that a job gets and that is no reason to run it: Snakemake compares none that asks for outputs."""
    return of_each_job(lambda wildcards, output: function())


def of_pair(function):
    """A param that follows from task and method alone, so that all seeds share one value."""
    return of_each_job(lambda wildcards: function(wildcards.task, wildcards.method))


def of_method(function):
    """A param that follows from the method alone."""
    return of_each_job(lambda wildcards: function(wildcards.method))


def experiment_paths(pattern, seeds=SEEDS):
    """``pattern`` for each task, method and seed of the study; with ``partial``, where that file exists."""
    files = [pattern.format(task=task, method=method, seed=seed) for task, method in EXPERIMENTS for seed in seeds]
    return [path for path in files if Path(path).exists()] if config["partial"] else files


def asked_task(wildcards):
    """The task that a target names; one that there is not ends the run by a sentence."""
    with ending_the_run():
        configuration.check_task(wildcards.task, "target")
    return wildcards.task


@cache
def asked_for():
    """The study as it is asked for now, and the settings that its hours follow from."""
    return {"study": runs.asked_for(config), "settings": runs.settings(config)}


@cache
def space_of(method):
    """A method's search space."""
    return configuration.method(config, method)["space"]


@cache
def search_definition(method):
    """A method's definition as its search takes it."""
    return configuration.search_definition(config, method)
