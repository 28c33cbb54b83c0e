"""After a full run, ``snakemake -n`` plans exactly the jobs that a change touches."""

import ast
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
FIGURES = ("profiles_settings", "profiles_tasks", "profiles_groups", "scores", "critical_difference")
STAGES = ("search", "retrain", "evaluate")
SEARCHED = ("densenas-original", "densenas-random")


READER = ("study_page", "draw_curves", "draw_samples")
"""What shows nearly everything, and so follows nearly every change; ``test_reader.py`` says when."""


def planned(checkout: Checkout, *targets: str, **options) -> set[str]:
    """The jobs of a plan but those for readers, and that which writes down what is asked for."""
    return {job for job in checkout.plan(*targets, **options) if not job.startswith((*READER, "record_study"))}


def experiments(stages=STAGES, tasks=TASKS, methods=METHODS, seeds=(0,)) -> set[str]:
    """The jobs of these experiments, and the pictures of what their searches found."""
    jobs = {f"{stage} {task} {name} {seed}" for stage in stages for task in tasks for name in methods for seed in seeds}
    return jobs | (pictures(methods) if "search" in stages else set())


def pictures(methods=SEARCHED) -> set[str]:
    """Of the spaces that have a drawing."""
    return {f"draw_architectures {name}" for name in methods if not name.startswith("wrn")}


def figures(run: str) -> set[str]:
    return {f"draw_figure {run} {figure}" for figure in FIGURES} | {f"draw_experts {run}"}


def of_statistics(run: str) -> set[str]:
    return {f"aggregate_table {run}", f"comparisons_table {run}"}


def of_evaluations(run="small") -> set[str]:
    """What shows the metrics."""
    tables = {"collect_results", "performance_table", "comparison_table", "paired_table", *of_statistics(run)}
    return tables | {"draw_cost"} | figures(run)


def of_results(run="small") -> set[str]:
    """What shows the metrics and the costs of searches or trainings."""
    return of_evaluations(run) | {"cost_table"}


OF_DATA = {"task_table small"}
OF_RESULTS = of_results()
OF_EVALUATIONS = of_evaluations()
ALL_FIGURES = figures("small") | figures("reference") | pictures() | {"draw_cost"}
# What prints titles, and what follows it.
NAMING_METHODS_OF_THE_PAPER = {"reference_performance_table"} | of_statistics("reference") | figures("reference")
NAMING_TASKS_OF_THE_PAPER = NAMING_METHODS_OF_THE_PAPER | {"task_table reference", "licence_table reference"}
LISTING_TASKS = {f"{table}_table {run}" for table in ("task", "licence") for run in ("small", "reference")}


def follows(task: str) -> set[str]:
    """What follows the data of a task."""
    return experiments(tasks=[task]) | OF_DATA | OF_RESULTS


CODE = {
    "the reader of one task": (f"{LIBRARY}/tasks/darcy/data.py", {"preprocess darcy"} | follows("darcy")),
    "one simulator": (
        f"{LIBRARY}/tasks/satellite/simulator.py",
        {"download satellite", "preprocess satellite"} | follows("satellite"),
    ),
    "what one task is": (
        f"{LIBRARY}/tasks/darcy/spec.py",
        {"download darcy", "preprocess darcy"} | follows("darcy") | LISTING_TASKS | figures("reference"),
    ),
    "augmentation or loss of one task": (
        f"{LIBRARY}/tasks/darcy/training.py",
        experiments(tasks=["darcy"]) | OF_RESULTS,
    ),
    "the metric of one task": (  # which random ranks by
        f"{LIBRARY}/tasks/darcy/metric.py",
        experiments(["evaluate"], ["darcy"]) | experiments(tasks=["darcy"], methods=["densenas-random"]) | OF_RESULTS,
    ),
    "a further score of one task": (
        f"{LIBRARY}/tasks/darcy/further_scores.py",
        experiments(["evaluate"], ["darcy"]) | OF_EVALUATIONS,
    ),
    "the title of one task": (
        f"{LIBRARY}/tasks/darcy/labels.py",
        (OF_RESULTS - {"collect_results"}) | pictures() | LISTING_TASKS | NAMING_TASKS_OF_THE_PAPER,
    ),
    "the title of one space": (
        f"{LIBRARY}/spaces/densenas/labels.py",
        (OF_RESULTS - {"collect_results"}) | NAMING_METHODS_OF_THE_PAPER,
    ),
    "the title of an algorithm that is not selected": (
        f"{LIBRARY}/algorithms/asha/labels.py",
        NAMING_METHODS_OF_THE_PAPER,
    ),
    "one space": (f"{LIBRARY}/spaces/densenas/space.py", experiments(methods=SEARCHED) | OF_RESULTS),
    "what one space is": (f"{LIBRARY}/spaces/densenas/spec.py", experiments(methods=SEARCHED) | OF_RESULTS),
    "the network of another space": (
        f"{LIBRARY}/spaces/wrn/wide_resnet.py",
        experiments(methods=["wrn-default"]) | OF_RESULTS,
    ),
    "an algorithm": (f"{LIBRARY}/algorithms/random/search.py", experiments(methods=["densenas-random"]) | OF_RESULTS),
    "an algorithm whose networks limit those of another": (
        f"{LIBRARY}/algorithms/densenas/search.py",
        experiments(methods=SEARCHED) | OF_RESULTS,
    ),
    "the training loop": (f"{LIBRARY}/training/fitting.py", experiments() | OF_RESULTS),
    "retraining": (f"{LIBRARY}/stages/retrain.py", experiments(["retrain", "evaluate"]) | OF_RESULTS),
    "the script of retraining": (f"{SCRIPTS}/retrain.py", experiments(["retrain", "evaluate"]) | OF_RESULTS),
    "how predictions are written": (
        f"{LIBRARY}/stages/predictions.py",
        experiments(["retrain", "evaluate"]) | OF_RESULTS,
    ),
    "how predictions are read": (f"{LIBRARY}/stages/scoring.py", experiments(["evaluate"]) | OF_EVALUATIONS),
    "evaluating": (f"{LIBRARY}/stages/evaluate.py", experiments(["evaluate"]) | OF_EVALUATIONS),
    "the script of evaluating": (f"{SCRIPTS}/evaluate.py", experiments(["evaluate"]) | OF_EVALUATIONS),
    "one table": (f"{LIBRARY}/tables/aggregate.py", {"aggregate_table small", "aggregate_table reference"}),
    "the script of one table": (f"{SCRIPTS}/comparison_table.py", {"comparison_table"}),
    "one figure": (f"{LIBRARY}/figures/scores.py", {"draw_figure small scores", "draw_figure reference scores"}),
    "the style of the figures": (f"{LIBRARY}/figures/style.py", ALL_FIGURES),
    "the drawing of one space": (f"{LIBRARY}/spaces/densenas/drawing.py", pictures()),
    "the sums of costs": (f"{LIBRARY}/tables/costs.py", {"cost_table", "draw_cost"}),
    "a task that is not selected": (f"{LIBRARY}/tasks/ecg/training.py", set()),
    "the title of a task that is not selected": (f"{LIBRARY}/tasks/ecg/labels.py", NAMING_TASKS_OF_THE_PAPER),
    "an algorithm that is not selected": (f"{LIBRARY}/algorithms/enas/search.py", set()),
    "which GPU a job takes": (f"{LIBRARY}/devices/claims.py", set()),
    "whom a job waits for": (f"{LIBRARY}/locks.py", set()),
    "how a signal ends a job": (f"{LIBRARY}/interruption.py", set()),
    "the configuration's own code": (f"{LIBRARY}/study/configuration.py", set()),
    "how mistakes in the configuration are told": (f"{LIBRARY}/settings/messages.py", set()),
}


@pytest.mark.parametrize("name", CODE)
def test_a_change_of_code_reruns_what_runs_it(checkout: Checkout, name):
    file, expected = CODE[name]
    with checkout.changed(file):
        plan = planned(checkout)
    assert plan == expected


@pytest.fixture(scope="module")
def ranked(checkout: Checkout) -> str:
    """A second study, on the data of the first: searches that rank by the metric, and others."""
    config = yaml.safe_load((checkout.folder / "small.yaml").read_text()) | {
        "run": "ranked",
        "data_run": "small",
        "tasks": ["satellite"],
        "methods": ["wrn-default", "wrn-asha", "amber-enas", "amber-metric"],
    }
    config["method_definitions"]["amber-metric"] = {
        "space": "amber",
        "algorithm": "enas",
        "settings": {"search": {"all": {"reward": "metric"}}},
    }
    config["search"]["enas"] = {"all": {"episodes": 1, "child_steps": 2}}
    config["retrain"]["amber"] = {"all": {"epochs": 1}}
    file = checkout.folder / "ranked.yaml"
    file.write_text(yaml.safe_dump(config))
    checkout.snakemake("--cores", "2", file=file.name)
    assert checkout.plan(file=file.name) == {}
    return file.name


def test_a_metric_reruns_the_searches_that_rank_by_it(checkout: Checkout, ranked):
    """And with ``amber-enas``, whose reward is the AUROC, one that does not."""
    evaluated = ["wrn-default", "wrn-asha", "amber-enas", "amber-metric"]
    with checkout.changed(f"{LIBRARY}/tasks/satellite/metric.py"):
        plan = planned(checkout, file=ranked)
    assert plan == (
        experiments(["evaluate"], ["satellite"], evaluated)
        | experiments(tasks=["satellite"], methods=["wrn-asha", "amber-metric"])
        | of_results("ranked")
    )


def test_a_changed_title_of_an_algorithm(checkout: Checkout, ranked):
    with checkout.changed(f"{LIBRARY}/algorithms/asha/labels.py"):
        plan = planned(checkout, file=ranked)
    assert plan == (of_results("ranked") - {"collect_results"}) | NAMING_METHODS_OF_THE_PAPER


def test_a_first_further_score_reruns_evaluations(checkout: Checkout):
    path = checkout.folder / LIBRARY / "tasks/satellite/further_scores.py"
    assert not path.exists()
    path.write_text("def further_scores(outputs, targets):\n    return {'samples': float(len(outputs))}\n")
    try:
        assert planned(checkout) == experiments(["evaluate"], ["satellite"]) | OF_EVALUATIONS
    finally:
        path.unlink()


def test_a_licence_reruns_the_tables_that_list_it(checkout: Checkout):
    with checkout.edited("config/sources.yaml", "licence: ", "licence: formerly "):
        assert planned(checkout) == {"licence_table small", "licence_table reference"}


def test_a_changed_default_reruns_what_uses_it(checkout: Checkout):
    """Its value is a param; its declaration is in no digest."""
    with checkout.edited(f"{LIBRARY}/training/settings.py", "Field([0.9, 0.999]", "Field([0.9, 0.99]"):
        plan = planned(checkout)
    trained = experiments(["retrain", "evaluate"], methods=["wrn-default"])  # whose search trains nothing
    assert plan == trained | experiments(methods=SEARCHED) | OF_RESULTS


def test_a_changed_default_of_a_file_reruns_its_reader(checkout: Checkout):
    """Files of other sources may leave the option out; what is noted of raw files is only what was said of them."""
    said = 'Count = Field(5, description="every so many points are taken'
    with checkout.edited(f"{LIBRARY}/tasks/darcy/spec.py", said, said.replace("5", "4")):
        assert planned(checkout) == {"preprocess darcy"} | follows("darcy")


UNKEPT = ("run=unkept", "data_run=small", "tasks=[satellite]", "methods=[wrn-default]")


def test_predictions_that_are_not_kept_are_no_reason_to_train_again(checkout: Checkout):
    config = (*UNKEPT, "keep_predictions=false")
    checkout.snakemake("--cores", "1", "evaluations", config=config)
    folder = checkout.folder / "results/unkept/retrain/satellite/wrn-default/0"
    assert (folder / "model.pt").is_file()
    assert not (folder / "predictions.h5").exists()
    assert checkout.plan("evaluations", config=config) == {}
    assert checkout.plan("evaluations", config=(*UNKEPT, "keep_predictions=true")) == {}
    with checkout.changed(f"{LIBRARY}/tasks/satellite/metric.py"):
        plan = planned(checkout, "evaluations", config=config)
    assert plan == experiments(["retrain", "evaluate"], ["satellite"], ["wrn-default"])


def test_nothing_changed(checkout: Checkout):
    assert checkout.plan() == {}


def test_what_is_asked_for_is_written_down_when_it_changes_and_only_then(checkout: Checkout):
    assert "record_study" in checkout.plan(config=("seeds=[0,1]",))
    assert "record_study" not in checkout.plan(config=("keep_predictions=false", "checkpoint_seconds=1"))
    with checkout.changed(f"{LIBRARY}/study/configuration.py"):
        assert "record_study" not in checkout.plan()


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


class Reworded(ast.NodeTransformer):
    """Every message of a source in other words: of errors, of the log, of the meaning of settings."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name == "log" or name.endswith("Error"):
            node.args = [self.reword(argument) for argument in node.args]
        for keyword in node.keywords:
            if name == "Field" and keyword.arg == "description":
                keyword.value = self.reword(keyword.value)
        return node

    @staticmethod
    def reword(message: ast.expr) -> ast.expr:
        if isinstance(message, ast.Constant) and isinstance(message.value, str):
            return ast.Constant(f"In other words: {message.value}")
        if isinstance(message, ast.JoinedStr):
            return ast.JoinedStr([ast.Constant("In other words: "), *message.values])
        return message


def test_reworded_messages_rerun_nothing(checkout: Checkout):
    def rewrite(text: str) -> str:
        return ast.unparse(ast.fix_missing_locations(Reworded().visit(ast.parse(text)))) + "\n"

    for name in ("locks.py", "job.py", "files.py", "study/configuration.py", "training/settings.py"):
        assert "In other words" in rewrite((checkout.folder / LIBRARY / name).read_text()), name
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
        f"{LIBRARY}/tasks/darcy/metric.py",
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
    assert {job["job"] for job in jobs} >= experiments() | {
        "preprocess darcy",
        "draw_figure small scores",
        "cost_table",
    }
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
        # Its random search trains trials as retraining does.
        experiments(["retrain", "evaluate"], ["satellite"], ["densenas-original"])
        | experiments(tasks=["satellite"], methods=["densenas-random"])
        | OF_RESULTS,
    ),
    "the epochs of one method": (
        ("method_definitions", "wrn-default"),
        {"space": "wrn", "algorithm": "default", "settings": {"retrain": {"all": {"epochs": 3}}}},
        experiments(["retrain", "evaluate"], methods=["wrn-default"]) | OF_RESULTS,
    ),
    "one key of a search": (
        ("search", "random", "all"),
        {"trials": 3, "epochs": 1, "sampler": "uniform"},
        experiments(methods=["densenas-random"]) | OF_RESULTS,
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
        experiments(seeds=[1]) | OF_RESULTS,
    ),
    "one more task": (
        ("tasks",),
        ["darcy", "satellite", "ninapro"],
        {"download ninapro", "preprocess ninapro", "licence_table small"}
        | experiments(tasks=["ninapro"])
        | OF_DATA
        | OF_RESULTS,
    ),
    "one more method": (
        ("methods",),
        [*METHODS, "wrn-random"],
        experiments(methods=["wrn-random"]) | OF_RESULTS,
    ),
    "one method less": (("methods",), list(METHODS[:2]), OF_RESULTS),
    "one task less": (("tasks",), ["darcy"], OF_DATA | OF_RESULTS | pictures() | {"licence_table small"}),
    "threads that compute": (("compute_threads",), 2, experiments() | OF_RESULTS),
    "a mirror": (("mirror",), "/nowhere", set()),
    "where to publish": (("publish",), {"bucket": "other", "endpoint": "http://localhost:1"}, set()),
    "the device": (("device",), "cpu", set()),
    "whether to keep predictions": (("keep_predictions",), False, set()),
    "a default said aloud": (("retrain", "densenas", "satellite"), {"nesterov": False}, set()),
    "how often to save": (("checkpoint_seconds",), 5, set()),
    "data in memory": (("data_memory_mb",), 5, set()),
    "jobs on a GPU": (("jobs_per_gpu",), 2, set()),
    "where jobs come from": (("fork_server",), False, set()),
}


@pytest.mark.parametrize("name", CONFIG)
def test_a_change_of_the_configuration_reruns_what_it_touches(checkout: Checkout, name):
    path, value, expected = CONFIG[name]
    with configured(checkout, *path, value=value) as file:
        assert planned(checkout, file=file) == expected


def test_the_same_values_on_the_command_line_rerun_nothing(checkout: Checkout):
    config = ("seeds=[0]", "tasks=[darcy,satellite]", "run=small", "compute_threads=1", "device=auto")
    assert checkout.plan(config=config) == {}


def test_cores_rerun_nothing(checkout: Checkout):
    assert checkout.plan("--cores", "7") == {}


def test_another_run_shares_no_result(checkout: Checkout):
    plan = checkout.plan(config=("run=another",))
    assert set(plan) >= experiments() | {"download darcy", "preprocess darcy", "collect_results"}
    assert not any("small" in job for job in plan)


def test_another_run_may_share_the_data(checkout: Checkout):
    plan = checkout.plan(config=("run=another", "data_run=small"))
    assert experiments() <= set(plan)
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
        assert set(checkout.plan()) == {"cost_table", "draw_cost", "draw_curves", "study_page small"}
    finally:
        path.write_text(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
