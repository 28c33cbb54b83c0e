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
# In each job pydantic would go through all installed packages for plugins, and there are none to find.
environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from nasperf360 import caches
from nasperf360.console import be_brief
from nasperf360.data.redistribution import check_redistribution
from nasperf360.data.sources_file import read_terms
from nasperf360.errors import UserError
from nasperf360.failures import is_of_run
from nasperf360.files import digest_json
from nasperf360.fork_server.start import start as start_fork_server
from nasperf360.labels import BASELINE, PAPER_METHODS, PAPER_TASKS, halves, label_modules
from nasperf360.locks import worker_folder
from nasperf360.registry import has_room
from nasperf360.stages.code_digest import code_params, libraries, unnamed_code_params
from nasperf360.stages.modules import stage_modules
from nasperf360.stages.rule_functions import of_each_job
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

try:
    configuration.check_files(workflow.configfiles)
    config = configuration.resolve(config)
    runs.check(config)
    RUNTIMES = runtimes.read_runtimes(config["runtimes"])
except UserError as error:
    sys.exit(f"Error: {error}")

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
    try:
        records.restore(OWN_RUNS)
        if not config["partial"]:  # which takes results as they are
            check_unrecorded(config, sys.argv)
    except UserError as error:
        sys.exit(f"Error: {error}")


onstart:
    # By a job too, for who uses this as a module (record.smk); but a single search or training asks for no such job.
    try:
        runs.record(config)
    except UserError as error:
        sys.exit(f"Error: {error}")
    records.keep(OWN_RUNS)
    wake_by_jobs_alone(workflow.scheduler)
    if not (workflow.output_settings.verbose or workflow.output_settings.quiet):
        be_brief(logger)
    if config["fork_server"] and workflow.local_exec and workflow.is_main_process:
        shell.executable(start_fork_server(shell.get_executable(), libraries()))


onsuccess:
    records.keep(OWN_RUNS)
    logger.info(ending.made(config))


onerror:
    records.keep(OWN_RUNS)
    for line in ending.failures(config):
        logger.error(line)


def shipped(path):
    """A file of the workflow as an input: on disk, also where results are in a bucket."""
    return local(paths.shipped(path))


def recorded_study(wildcards):
    """What the run was asked for, as an input: who reads it looks results up beside it, on disk."""
    if IN_BUCKET:
        sys.exit(
            "Error: --default-storage-provider: tables, figures and pages are made of results on disk; ask for evaluations, "
            f"then fetch {RESULTS} from the bucket and give the command without that option (docs/cluster.md)"
        )
    return RECORD["study"]


@cache
def asked_for():
    """The study as it is asked for now, and the settings that its hours follow from."""
    return {"study": runs.asked_for(config), "settings": runs.settings(config)}


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


def left_by(stage, wildcards):
    """What earlier attempts at a job of a stage may have left: failure.json, and what one wrote when it began."""
    if stage == "preprocess":
        failure = Path(DATA, wildcards.task, "failure.json")
        return failure, failure.with_name("begun.json")  # which such a job does not write
    key = wildcards.task, wildcards.method, wildcards.seed
    folders = paths.made_path(RESULTS, stage, key).parent, lock_folder(RESULTS, stage, key)
    if worker := wildcards.get("worker"):
        folders = tuple(worker_folder(folder, worker) for folder in folders)
    return folders[0] / "failure.json", folders[1] / "begun.json"


def attempt_of(stage):
    """A function: which attempt of this run at a job it is, from 1. A further one ends at once where it would fail again,
    but not by the reason of an earlier run, which somebody may have mended."""

    def value(wildcards, attempt):
        if attempt == 1:
            return 1
        failure, _ = left_by(stage, wildcards)
        return attempt if is_of_run(failure, settings_path(RUN)) else 1

    return of_each_job(value)


def asked_by(stage, resource):
    """A function of wildcards and attempt: what a job of a stage asks a cluster for."""

    def value(wildcards, attempt):
        return getattr(asked_of(stage, wildcards, attempt), resource)

    return of_each_job(value)


@lru_cache(maxsize=1)  # Snakemake asks for the resources of a job one after the other
def asked_of(stage, wildcards, attempt):
    """All that an attempt at a job of a stage asks for."""
    failure, begun = left_by(stage, wildcards)
    known = attempt == 1 or is_of_run(failure, settings_path(RUN))
    task, method = wildcards.task, wildcards.get("method")  # a data set has none
    return asked(usually_asked(stage, task, method, attempt), attempt, failure if known else None, begun)


@cache
def usually_asked(stage, task, method, attempt):
    """What an attempt at a job of a stage asks for, if nothing is known of the last one."""
    if stage in USUAL:  # these save nothing on the way, so what was too short has to be longer
        return replace(USUAL[stage], runtime=attempt * USUAL[stage].runtime)
    gpu = int(stage == "retrain" or configuration.trains(config, method))
    memory = EXPERIMENT_MB + config["data_memory_mb"]
    return Asked(gpu, runtimes.minutes(RUNTIMES, stage, task, method), memory)


def modules_of(stage):
    """A function of wildcards: the modules that a stage of an experiment loads by name."""

    @cache
    def modules(task, name):
        settings = search_settings(task, name)["search"] if stage == "search" else {}
        return stage_modules(stage, task, configuration.method(config, name), settings)

    return of_pair(modules)


def asked_task(wildcards):
    """The task that a target names; one that there is not ends the run by a sentence."""
    try:
        configuration.check_task(wildcards.task, "target")
    except UserError as error:
        sys.exit(f"Error: {error}")  # Snakemake shows the traceback of any other exception
    return wildcards.task


def raw_manifest(wildcards):
    """The list of the raw files that a task's data set is made of."""
    return f"{RAW}/{raw_owner(asked_task(wildcards), config['source'])}/files.json"


def reader_of(wildcards):
    """Modules that read a task's raw files."""
    return [f"tasks.{wildcards.task}.{room}" for room in ("spec", reader(config["source"]))]


@cache
def limiting(task, method):
    """The method whose networks limit the size of this one's; None if nothing does. What cannot run ends the run."""
    if (task, method) not in EXPERIMENTS:
        try:
            configuration.check_experiment(config, task, method)
        except UserError as error:
            sys.exit(f"Error: {error}")  # Snakemake shows the traceback of any other exception
    return configuration.method(config, method).get("size_limit", {}).get("method")


@of_each_job
def search_data(wildcards):
    """The data, and the searched network that limits the size of this one, where the method has such a limit."""
    inputs = {
        "manifest": f"{DATA}/{wildcards.task}.json",
        "data": ancient(f"{DATA}/{wildcards.task}.h5"),
    }
    limit = limiting(wildcards.task, wildcards.method)
    if limit:
        inputs["size_limit"] = f"{RESULTS}/search/{wildcards.task}/{limit}/{wildcards.seed}/architecture.json"
    return inputs


@cache
def workers_of(task, method):
    """How many jobs share a search."""
    workers = search_settings(task, method)["search"].get("workers", 1)
    if workers > 1 and IN_BUCKET:
        sys.exit(
            "Error: workers: they share a folder of checkpoints, and there is none with --default-storage-provider; set "
            "workers: 1 (docs/cluster.md)"
        )
    return workers


def worker_inputs(wildcards):
    """What one of several workers starts from; a target that names more than there are ends the run."""
    workers = workers_of(wildcards.task, wildcards.method)
    if workers == 1 or not 1 <= int(wildcards.worker) <= workers:
        sys.exit(
            f"Error: worker {wildcards.worker} of {wildcards.method} on {wildcards.task}: its search has workers: {workers}"
        )
    return search_data(wildcards)


@of_each_job
def search_inputs(wildcards):
    """What a search starts from, and the costs of the workers that share it, where there are several."""
    inputs = search_data(wildcards)
    workers = workers_of(wildcards.task, wildcards.method)
    if workers > 1:
        made = paths.made_path(RESULTS, "search", (wildcards.task, wildcards.method, wildcards.seed)).parent
        inputs["workers"] = [f"{worker_folder(made, worker)}/cost.json" for worker in range(1, workers + 1)]
    return inputs


@of_each_job
def trained_architecture(wildcards):
    """What the search found that a seed trains: its own, or one that seeds share."""
    found = paths.search_seed(int(wildcards.seed), SEARCHES)
    return f"{RESULTS}/search/{wildcards.task}/{wildcards.method}/{found}/architecture.json"


@cache
def terms():
    """What the sources file says for those who pass data on, by the task that owns the raw files."""
    try:
        return read_terms(config["sources"])
    except UserError as error:
        sys.exit(f"Error: {error}")


def terms_of(task):
    """Those of a task's raw files; empty if nothing is said."""
    return terms().get(raw_owner(task, config["source"]), {})


def redistribution(wildcards):
    """Whether what is made from a task's data may be passed on; None if nothing is said."""
    return terms_of(wildcards.task).get("redistribution")


def published_data(wildcards):
    """The data set to publish; one that its licence keeps back ends the run before anything is made."""
    task, said = asked_task(wildcards), terms_of(wildcards.task)
    if said and config["source"] not in ("simulated", "published"):  # of these the manifest says what they are
        manifest = {"task": task, "origin": config["source"], "licence": said["licence"]}
        try:
            check_redistribution(manifest, said["redistribution"], config["publish"]["accept_licences"])
        except UserError as error:
            sys.exit(f"Error: {error}")
    return {"data": ancient(f"{DATA}/{task}.h5"), "manifest": f"{DATA}/{task}.json"}


@cache
def space_of(method):
    """A method's search space."""
    return configuration.method(config, method)["space"]


@cache
def search_definition(method):
    """A method's definition as its search takes it."""
    return configuration.search_definition(config, method)


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


def with_report(paths, shown, caption, **about):
    """Outputs; Snakemake's own report shows those with that suffix, with a caption of workflow/report/ and labels."""
    about = {"caption": f"../report/{caption}.rst", "category": about.pop("category"), "labels": about}
    return [path if not path.endswith(shown) else report(path, **about) for path in paths]


def table_outputs(folder, table):
    """A table in all its forms, below ``results/<run>``."""
    paths = [f"{folder}/tables/{table}.{form}" for form in FORMS]
    return with_report(paths, ".html", "table", category="Tables", table=table, run=folder.split("/")[-1])


def task_metrics(tasks):
    """Modules that the tests of samples of these tasks load."""
    rooms = [(task, room) for task in tasks for room in ("spec", "metric", "per_sample")]
    return [f"tasks.{task}.{room}" for task, room in rooms if has_room("tasks", task, room)]


def figure_outputs(folder, figure, forms=FIGURE_FORMS):
    """A figure in all its forms, below ``results/<run>``."""
    paths = [f"{folder}/figures/{figure}.{form}" for form in forms]
    return with_report(paths, ".svg", "figure", category="Figures", figure=figure, run=folder.split("/")[-1])


# Functions, not lists: in a large study these are long, and Snakemake would take them apart for each rule that might run.


def results_of_study(wildcards):
    """What a table of all experiments is made of; with ``partial`` nothing that Snakemake would make."""
    return [] if config["partial"] else [paths.result_path(RESULTS, key) for key in STUDY]


def costs_of_study(wildcards):
    """What all searches and trainings cost, likewise."""
    return [] if config["partial"] else paths.cost_paths(RESULTS, STUDY, SEARCHES)


def histories_of_study(wildcards):
    """How they got on, likewise."""
    return [] if config["partial"] else paths.history_paths(RESULTS, STUDY, SEARCHES)


def page_inputs(wildcards):
    """What the page of a run shows beside what it looks up of each experiment; the paper's results have no experiments."""
    if wildcards.run == "reference":
        return {}
    inputs = {
        "study": recorded_study(wildcards),
        "samples": SAMPLES,
        "architectures": [path for path in expand(ARCHITECTURES, method=DRAWN) if path.endswith(".png")],
        "curves": f"{RESULTS}/figures/curves.csv",
        "costs": f"{RESULTS}/figures/cost.csv",
    }
    if not config["partial"]:
        inputs |= {"results": results_of_study(wildcards), "spent": costs_of_study(wildcards)}
    return inputs


def compared(run):
    """What a comparison rests on, as params: nothing is made for it."""
    if run == "reference":
        return {}
    try:
        # This run's study is the one asked for now, which is recorded before the job starts.
        experiments = STUDY if run == RUN else runs.read_study(Path(f"results/{run}")).experiments
    except UserError as error:
        sys.exit(f"Error: compare: {error}")
    return results.snapshot(f"results/{run}", experiments)


def comparisons_of(wildcards):
    """The pages of the runs that the key ``compare`` names."""
    if not config["compare"]:
        sys.exit("Error: compare: name another run, --config run=<run> compare=<other run>; or compare=reference")
    return [f"{RESULTS}/compare/{other}/index.html" for other in config["compare"]]


def conclusions_of(wildcards):
    """Table and figure of the corrected choices that the key ``conclusions`` names."""
    if not config["conclusions"]:
        sys.exit(
            "Error: conclusions: name the runs of corrected choices, --config run=<run> 'conclusions=[<run>, ...]'"
        )
    return [
        *expand(f"{RESULTS}/tables/conclusions.{{form}}", form=FORMS),
        *expand(f"{RESULTS}/figures/conclusions.{{form}}", form=PICTURE_FORMS),
    ]


def started(run):
    """The same as ``compared`` of a run that may not be there yet."""
    return compared(run) if Path(f"results/{run}/study.json").is_file() else {}
