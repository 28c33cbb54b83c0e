"""Pages of a small run and of the paper's printed results, made as the workflow makes them but for the figures."""

import json

import study_page
from nasperf360.figures import cost, curves
from nasperf360.study import paths
from nasperf360.tables import aggregate, comparisons, costs, forms, histories, licences, performance, tasks
from nasperf360.tables.scores import collect
from results.small_run import REFERENCE, make_run

ROOT = REFERENCE.parents[1]
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 1"><rect width="4" height="1"/></svg>'
TABLES = ("tasks", "performance", "aggregate", "comparisons", "licences")
FAILED = ("ecg", "darts-gaea", 1)
REASON = "search failed: a <script>alert(1)</script> & more"


def make_pages(folder):
    """``results/mine`` and ``results/reference`` below ``folder``, with their pages; returns both folders."""
    mine, printed = folder / "results" / "mine", folder / "results" / "reference"
    keys = make_run(mine)
    _histories(mine, keys)
    # One experiment failed, by a reason with markup in it.
    paths.result_path(mine, FAILED).unlink()
    paths.made_path(mine, "search", FAILED).with_name("failure.json").write_text(json.dumps({"reason": REASON[15:]}))
    study = {"data_run": "mine", "tasks": ["cifar100", "darcy", "ecg"], "seeds": [0, 1]}
    experiments = list(dict.fromkeys(key[:2] for key in keys))
    (mine / "study.json").write_text(json.dumps(study | {"experiments": experiments}))
    (mine / "run.json").write_text(json.dumps({"scale": "demo", "source": "simulated"}))
    printed_results = performance.read_reference(REFERENCE)
    scores = collect(mine, keys)
    _tables(mine, performance.summarise(scores, printed_results), scores, keys)
    _tables(printed, performance.reference_performance(printed_results), None, [])
    make_page(mine, keys)
    make_page(printed, [])
    return mine, printed


def _histories(folder, keys):
    for index, key in enumerate(keys):
        for stage, text in (
            ("search", "trial,diverged,valid_score\n0,0,0.5\n1,0,0.7\n2,1,\n"),
            ("retrain", f"epoch,lr,train_loss\n0,0.1,{2 + index}\n1,0.05,{1 + index}\n"),
        ):
            path = paths.history_path(folder, stage, key)
            path.write_text(text)
            spent = {
                "wall_seconds": 7.5,
                "device": "cpu",
                "device_name": "x86_64",
                "peak_memory_mb": 300,
                "simulated": True,
                "commit": "0123456789abcdef",
                "versions": {"torch": "2.13.0"},
                "history_seconds": [2.0] * (text.count("\n") - 1),
            }
            content = json.loads(paths.cost_path(folder, stage, key).read_text()) if stage == "retrain" else {}
            paths.cost_path(folder, stage, key).write_text(json.dumps(content | spent))


def _tables(folder, table, scores, keys):
    names = list(dict.fromkeys(table["task"]))
    table = performance.with_errors(table)
    made = [
        forms.Table("tasks", tasks.task_frame(names, {}), "tasks", []),
        performance.performance_table(table[performance.COLUMNS], "performance"),
        aggregate.aggregate_table(aggregate.aggregate(table, scores), table, scores, "aggregate"),
        comparisons.comparisons_table(comparisons.comparisons(table), table, "comparisons"),
        licences.licence_table(licences.licence_frame(names, {}), "licences"),
    ]
    if keys:
        spent = costs.summarise(costs.job_costs(folder, keys), keys)
        made.append(costs.cost_table(spent, "cost"))
    for one in made:
        forms.write(one, [folder / "tables" / f"{one.name}.{form}" for form in ("csv", "html")])
    (folder / "figures").mkdir(parents=True)
    for name in ("critical_difference", "experts"):
        (folder / "figures" / f"{name}.svg").write_text(PICTURE)
    if keys:
        higher = {"cifar100": False, "darcy": False, "ecg": True}
        drawn = curves.numbers(histories.read_histories(folder, keys, None, higher))
        drawn.to_csv(folder / "figures" / "curves.csv", index=False)
        beside = cost.numbers(table, costs.read_costs(folder / "tables" / "cost.csv"))
        beside.to_csv(folder / "figures" / "cost.csv", index=False)


def make_page(folder, keys):
    """The page of ``results/<run>`` from the tables and figures there."""
    study_page.main(
        folder=folder,
        path_to_citation=ROOT / "CITATION.cff",
        tables=[folder / "tables" / f"{name}.html" for name in (*TABLES, *(["cost"] if keys else []))],
        pictures=sorted((folder / "figures").glob("*.svg")),
        samples=[],
        architectures=[],
        curves=folder / "figures" / "curves.csv" if keys else None,
        costs=folder / "figures" / "cost.csv" if keys else None,
        experiments=keys,
        searches=None,
        output=folder / "report" / "index.html",
    )
