"""After a full run, ``snakemake -n`` plans exactly the jobs that a change touches."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
import yaml
from checkout import LIBRARY, SCRIPTS, Checkout

pytestmark = pytest.mark.slow

TASKS = ("darcy", "satellite")
METHODS = ("wrn-default", "densenas-original", "densenas-random")
FIGURES = ("profiles_settings", "profiles_tasks", "profiles_groups", "scores")


def cells(stages=("search", "retrain"), tasks=TASKS, methods=METHODS, seeds=(0,)) -> set[str]:
    """The jobs of these cells, and the pictures of what their searches found."""
    jobs = {f"{stage} {task} {name} {seed}" for stage in stages for task in tasks for name in methods for seed in seeds}
    return jobs | (pictures(methods) if "search" in stages else set())


SEARCHED = ("densenas-original", "densenas-random")


def pictures(methods=SEARCHED) -> set[str]:
    return {f"draw_architectures {name}" for name in methods if name in SEARCHED}


OF_DATA = {"task_table small"}
OF_SCORES = {"performance_table", "comparison_table", "aggregate_table small", "draw_cost"} | {
    f"draw_figure small {figure}" for figure in FIGURES
}
OF_RESULTS = {"collect_results", "cost_table"} | OF_SCORES
REFERENCE = {"reference_performance_table", "aggregate_table reference"} | {
    f"draw_figure reference {figure}" for figure in FIGURES
}
# The aggregates, and the figures whose code uses theirs.
OF_AGGREGATES = {
    job
    for run in ("small", "reference")
    for job in (
        f"aggregate_table {run}",
        f"draw_figure {run} profiles_settings",
        f"draw_figure {run} profiles_tasks",
        f"draw_figure {run} profiles_groups",
    )
}
# Tables print the titles, units and licences that the task modules hold.
OF_TASK_MODULES = {"licence_table small", "licence_table reference", "task_table reference"} | OF_DATA | REFERENCE


def follows(task: str) -> set[str]:
    """What follows the data of a task."""
    return cells(tasks=[task]) | OF_DATA | OF_RESULTS


CODE = {
    "the reader of one task": (
        f"{LIBRARY}/tasks/darcy.py",
        {"preprocess darcy"} | follows("darcy") | OF_TASK_MODULES,
    ),
    "one simulator": (
        f"{LIBRARY}/simulators/satellite.py",
        {"download satellite", "preprocess satellite"} | follows("satellite"),
    ),
    "one space": (f"{LIBRARY}/spaces/densenas.py", cells(methods=SEARCHED) | OF_RESULTS),
    "the network of another space": (f"{LIBRARY}/networks/wide_resnet.py", cells(methods=["wrn-default"]) | OF_RESULTS),
    "an algorithm": (f"{LIBRARY}/algorithms/random.py", cells(methods=["densenas-random"]) | OF_RESULTS),
    "an algorithm whose networks limit those of another": (
        f"{LIBRARY}/algorithms/densenas.py",
        cells(methods=SEARCHED) | OF_RESULTS,
    ),
    "the training loop": (f"{LIBRARY}/training/fitting.py", cells() | OF_RESULTS),
    "retraining": (f"{LIBRARY}/jobs/retraining.py", cells(["retrain"]) | OF_RESULTS),
    "the script of a rule": (f"{SCRIPTS}/retrain.py", cells(["retrain"]) | OF_RESULTS),
    "one table": (f"{LIBRARY}/tables/aggregate.py", OF_AGGREGATES),
    "the script of one table": (f"{SCRIPTS}/comparison_table.py", {"comparison_table"}),
    "one figure": (f"{LIBRARY}/figures/scores.py", {"draw_figure small scores", "draw_figure reference scores"}),
    "the picture of one space": (f"{LIBRARY}/figures/architecture_densenas.py", pictures()),
    "the sums of costs": (f"{LIBRARY}/tables/costs.py", {"cost_table", "draw_cost"}),
    "a task that is not selected": (
        f"{LIBRARY}/tasks/ecg.py",
        {"licence_table reference", "task_table reference"} | REFERENCE,
    ),
    "an algorithm that is not selected": (f"{LIBRARY}/algorithms/enas.py", set()),
    "the configuration's own code": (f"{LIBRARY}/study/settings.py", set()),
}


@pytest.mark.parametrize("name", CODE)
def test_a_change_of_code_reruns_what_runs_it(checkout: Checkout, name):
    file, expected = CODE[name]
    with checkout.changed(file):
        plan = checkout.plan()
    assert set(plan) == expected


METRICS = {
    "of one task": ("darcy", f"{LIBRARY}/tasks/darcy.py", "float(relative.mean())"),
    "of several tasks": ("satellite", f"{LIBRARY}/tasks/classification.py", '!= extras["y"]).mean()'),
}


@pytest.mark.parametrize("name", METRICS)
def test_a_change_of_a_metric_reruns_the_tasks_whose_module_uses_it(checkout: Checkout, name):
    task, file, expression = METRICS[name]
    with checkout.edited(file, expression, expression + " + 0"):
        assert set(checkout.plan()) == {f"preprocess {task}"} | follows(task) | OF_TASK_MODULES


def test_nothing_changed(checkout: Checkout):
    assert checkout.plan() == {}


def test_a_release_reruns_nothing(checkout: Checkout):
    path = "pyproject.toml"
    (version,) = [line for line in (checkout.folder / path).read_text().splitlines() if line.startswith("version = ")]
    with checkout.edited(path, version, 'version = "99.0.0"'):
        assert checkout.plan() == {}


def test_a_module_that_nothing_imports(checkout: Checkout):
    path = checkout.folder / LIBRARY / "unused.py"
    path.write_text("VALUE = 1\n")
    try:
        assert checkout.plan() == {}
    finally:
        path.unlink()


@contextmanager
def rewritten(checkout: Checkout, rewrite):
    """Every Python file of the workflow rewritten, then as before."""
    files = sorted((checkout.folder / SCRIPTS).rglob("*.py"))
    before = {file: (file.read_text(), file.stat()) for file in files}
    for file in files:
        file.write_text(rewrite(file.read_text()))
    try:
        yield
    finally:
        for file, (text, status) in before.items():
            file.write_text(text)
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_comments_docstrings_and_formatting_rerun_nothing(checkout: Checkout):
    def rewrite(text: str) -> str:
        reformatted = subprocess.run(
            [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "60", "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return "# A comment.\n" + reformatted.replace('"""', '"""Of late: ', 1) + "\n# The end.\n"

    training = (checkout.folder / LIBRARY / "training" / "fitting.py").read_text()
    assert rewrite(training).count("\n") > training.count("\n") + 10
    with rewritten(checkout, rewrite):
        assert checkout.plan() == {}


def test_touching_every_file_reruns_nothing(checkout: Checkout):
    files = [
        path for path in checkout.folder.rglob("*") if path.is_file() and not {".git", ".snakemake"} & {*path.parts}
    ]
    assert any(path.name == "result.json" for path in files)
    before = {path: path.stat() for path in files}
    for path in sorted(files, reverse=True):
        path.touch()
    try:
        assert checkout.plan() == {}
    finally:
        for path, status in before.items():  # other tests have nothing but these times to go by
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_git_checkout_away_and_back_reruns_nothing(checkout: Checkout):
    checkout.git("checkout", "-q", "-b", "other")
    for name in (
        f"{LIBRARY}/training/fitting.py",
        f"{LIBRARY}/tasks/darcy.py",
        "config/reference.csv",
        "config/sources.yaml",
    ):
        path = checkout.folder / name
        path.write_text(path.read_text() + "\n# changed\n")
    checkout.commit("another state")
    checkout.git("checkout", "-q", "main")
    assert checkout.plan() == {}
    checkout.git("branch", "-q", "-D", "other")


def test_the_reason_names_the_file_that_changed_and_no_other(checkout: Checkout):
    with checkout.changed(f"{LIBRARY}/training/fitting.py"):
        reason = checkout.plan()["search darcy wrn-default 0"]
    assert reason.count("fitting.py@") == 2  # before and now
    assert reason.count("@") == 2


def test_every_module_that_a_job_loads_stands_in_its_digest(checkout: Checkout):
    """Imports by name too: whatever a job loaded, a change of it reruns the job."""
    jobs = [json.loads(path.read_text()) for path in (checkout.folder.parent / "recorded").glob("*.json")]
    assert {job["job"] for job in jobs} >= cells() | {"preprocess darcy", "draw_figure small scores", "cost_table"}
    for job in jobs:
        assert set(job["loaded"]) <= set(job["named"]), job["job"]


@contextmanager
def configured(checkout: Checkout, *path: str, value):
    """The configuration file with one key set."""
    config = yaml.safe_load((checkout.folder / "small.yaml").read_text())
    section = config
    for key in path[:-1]:
        section = section.setdefault(key, {})
    section[path[-1]] = value
    file = checkout.folder / "changed.yaml"
    file.write_text(yaml.safe_dump(config))
    try:
        yield file.name
    finally:
        file.unlink()


CONFIG = {
    "the batch size of one task": (
        ("retrain", "densenas", "satellite"),
        {"batch_size": 16},
        # Its random search trains candidates as retraining does.
        cells(["retrain"], ["satellite"], ["densenas-original"])
        | cells(tasks=["satellite"], methods=["densenas-random"])
        | OF_RESULTS,
    ),
    "the epochs of one method": (
        ("method_definitions", "wrn-default"),
        {"space": "wrn", "algorithm": "default", "settings": {"retrain": {"all": {"epochs": 3}}}},
        cells(["retrain"], methods=["wrn-default"]) | OF_RESULTS,
    ),
    "one key of a search": (
        ("search", "random", "all"),
        {"trials": 3, "epochs": 1, "sampler": "uniform"},
        cells(methods=["densenas-random"]) | OF_RESULTS,
    ),
    "what a simulator writes": (
        ("simulate", "darcy", "train"),
        25,
        {"download darcy", "preprocess darcy"} | follows("darcy"),
    ),
    "a setting of a task that is not selected": (("simulate", "ecg"), {"counts": [1, 2, 3, 4]}, set()),
    "one more seed": (
        ("seeds",),
        [0, 1],
        cells(seeds=[1]) | OF_RESULTS,
    ),
    "one more task": (
        ("tasks",),
        ["darcy", "satellite", "ninapro"],
        {"download ninapro", "preprocess ninapro", "licence_table small"}
        | cells(tasks=["ninapro"])
        | OF_DATA
        | OF_RESULTS,
    ),
    "one more method": (
        ("methods",),
        [*METHODS, "wrn-random"],
        cells(methods=["wrn-random"]) | OF_RESULTS,
    ),
    "one method less": (("methods",), list(METHODS[:2]), OF_RESULTS),
    "one task less": (("tasks",), ["darcy"], OF_DATA | OF_RESULTS | pictures() | {"licence_table small"}),
    "threads that compute": (("compute_threads",), 2, cells() | OF_RESULTS),
    "a mirror": (("mirror",), "/nowhere", set()),
    "where to publish": (("publish",), {"bucket": "other", "endpoint": "http://localhost:1"}, set()),
    "the device": (("device",), "cpu", set()),
    "how often to save": (("checkpoint_seconds",), 5, set()),
}


@pytest.mark.parametrize("name", CONFIG)
def test_a_change_of_the_configuration_reruns_what_it_touches(checkout: Checkout, name):
    path, value, expected = CONFIG[name]
    with configured(checkout, *path, value=value) as file:
        assert set(checkout.plan(file=file)) == expected


def test_the_same_values_on_the_command_line_rerun_nothing(checkout: Checkout):
    config = ("seeds=[0]", "tasks=[darcy,satellite]", "run=small", "compute_threads=1", "device=auto")
    assert checkout.plan(config=config) == {}


def test_cores_rerun_nothing(checkout: Checkout):
    assert checkout.plan("--cores", "7") == {}


def test_another_run_shares_no_result(checkout: Checkout):
    plan = checkout.plan(config=("run=another",))
    assert set(plan) >= cells() | {"download darcy", "preprocess darcy", "collect_results"}
    assert not any("small" in job for job in plan)


def test_another_run_may_share_the_data(checkout: Checkout):
    plan = checkout.plan(config=("run=another", "data_run=small"))
    assert cells() <= set(plan)
    assert not any(job.startswith(("download", "preprocess")) for job in plan)


def test_another_scale_is_refused_in_the_same_run(checkout: Checkout):
    text = checkout.snakemake("-n", "--cores", "1", config=("scale=paper", "source=simulated"), status=1)
    assert "results/small was made with scale: demo" in text
    assert "Traceback" not in text


def test_another_cost_reruns_the_cost_table_and_figure_alone(checkout: Checkout):
    path = checkout.folder / "results/small/search/darcy/densenas-random/0/cost.json"
    content, times = path.read_text(), path.stat()
    path.write_text(json.dumps(json.loads(content) | {"wall_seconds": 1e6}))
    try:
        assert set(checkout.plan()) == {"cost_table", "draw_cost"}
    finally:
        path.write_text(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
