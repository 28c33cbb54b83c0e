"""What the page of a study at paper scale costs: seconds, memory and size, of a results folder that this writes.

python benchmarks/reader_page.py --seeds 3 --epochs 600
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

import study_page  # noqa: E402
from nasperf360.figures import cost, critical_difference, curves, experts, style  # noqa: E402
from nasperf360.labels import PAPER_TASKS, halves, method_name  # noqa: E402
from nasperf360.seeds import generator  # noqa: E402
from nasperf360.study import paths  # noqa: E402
from nasperf360.tables import aggregate, comparisons, costs, forms, histories, licences, performance  # noqa: E402
from nasperf360.tables.scores import collect  # noqa: E402
from nasperf360.tables.tasks import read_tasks, task_frame, task_table  # noqa: E402
from nasperf360.tasks.shared.task_spec import task_spec  # noqa: E402

REFERENCE = ROOT / "config" / "reference.csv"
DRAWN = ("densenas-original", "densenas-random", "darts-gaea", "autodl-darts", "amber-enas")
PIXELS = (2600, 1400)  # of a drawing of ten architectures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=600, help="of each search and training")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "results" / "paper"
        keys = write_study(folder, arguments.seeds, arguments.epochs)
        start = time.perf_counter()
        output = make_page(folder, keys)
        seconds = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{len(keys)} experiments, {arguments.epochs} epochs: page of {output.stat().st_size / 1e6:.1f} MB in "
            f"{seconds:.1f} s, peak memory {memory:.0f} MB with what wrote the folder"
        )


def write_study(folder, seeds, epochs):
    """Results near the paper's for every experiment of the paper, with long histories, logs, tables and figures."""
    reference = performance.read_reference(REFERENCE)
    printed = {
        (row.task, method_name(row.space, row.algorithm)): row for row in reference.itertuples() if row.mean == row.mean
    }
    keys = [(*pair, seed) for pair in printed for seed in range(seeds)]
    for key in keys:
        write_experiment(folder, key, printed[key[:2]], epochs)
    experiments = list(printed)
    study = {"data_run": "paper", "tasks": PAPER_TASKS, "seeds": list(range(seeds)), "experiments": experiments}
    (folder / "study.json").write_text(json.dumps(study))
    (folder / "run.json").write_text(json.dumps({"scale": "paper", "source": "original"}))
    scores = collect(folder, keys)
    table = performance.with_errors(performance.summarise(scores, reference))
    spent = costs.summarise(costs.job_costs(folder, keys), keys)
    for one in (
        task_table(task_frame(PAPER_TASKS, {}), "tasks"),
        performance.performance_table(table[performance.COLUMNS], "performance"),
        aggregate.aggregate_table(aggregate.aggregate(table, scores), table, scores, "aggregate"),
        comparisons.comparisons_table(comparisons.comparisons(table), table, "comparisons"),
        licences.licence_table(licences.licence_frame(PAPER_TASKS, {}), "licences"),
        costs.cost_table(spent, "cost"),
    ):
        forms.write(one, [folder / "tables" / f"{one.name}.{form}" for form in ("csv", "html")])
    tasks = read_tasks(folder / "tables" / "tasks.csv")
    drawn = histories.read_histories(folder, keys, None, tasks["higher_is_better"].to_dict())
    style.save(Figure(), [folder / "figures" / "curves.csv"], False, curves.numbers(drawn))
    beside = cost.numbers(table, costs.read_costs(folder / "tables" / "cost.csv"))
    style.save(Figure(), [folder / "figures" / "cost.csv"], False, beside)
    later = performance.reference_performance(performance.read_reference(REFERENCE, performance.LATER))
    for name, figure in (
        ("critical_difference", critical_difference.draw(critical_difference.numbers(table, scores, tasks), tasks)),
        ("experts", experts.draw(experts.numbers(table, later), tasks)),
    ):
        style.save(figure, [folder / "figures" / f"{name}.svg"], False)
    rng = generator("pictures")
    for method in DRAWN:
        for seed in range(seeds):
            picture(folder / "figures" / "architectures" / method / f"{seed}.png", rng)
    for task in PAPER_TASKS:
        picture(folder / "figures" / "samples" / f"{task}.png", rng)
    return keys


def write_experiment(folder, key, printed, epochs):
    """What the stages of one experiment leave, as far as the page reads it."""
    task, method, seed = key
    space, algorithm = halves(method)
    rng, spec = generator("page", *map(str, key)), task_spec(task)
    settings = {f"option_{index}": float(rng.uniform()) for index in range(40)}
    layers = [["sep_conv_3x3", int(index)] for index in rng.integers(9, size=16)]
    architecture = {"space": space, "normal": layers}
    history = pd.DataFrame({"epoch": range(epochs), "train_loss": np.exp(-np.arange(epochs) / epochs) + 0.1})
    files = dict.fromkeys(("history.csv", "model.pt", "predictions.h5"), "0" * 64)
    spent = {
        "wall_seconds": float(rng.uniform(1e3, 1e5)),
        "device": "cuda",
        "device_name": "GPU",
        "peak_memory_mb": 4000,
        "simulated": False,
        "commit": "0" * 40,
        "versions": {"torch": "2.13.0", "numpy": "2.4.6"},
        "history_seconds": [10.0] * epochs,
        "files": files,
    }
    provenance = {
        "data_sha256": "0" * 64,
        "code_sha256": "0" * 64,
        "settings": {"architecture": architecture, "search": settings, "retrain": settings, "space": settings},
    }
    result = {
        **dict(
            zip(("task", "method", "space", "algorithm", "seed"), (task, method, space, algorithm, seed), strict=True)
        ),
        "metric": {"name": spec.metric.name, "higher_is_better": spec.metric.higher_is_better},
        "value": float(printed.mean * rng.uniform(0.95, 1.05)),
        "parameters": 1_000_000,
        "multiply_adds": 10_000_000,
        "simulated": False,
        "files": files,
        "provenance": provenance,
        "sha256": "0" * 64,
    }
    found = {"architecture": architecture, "provenance": provenance}
    for stage, content in (("search", found), ("retrain", spent), ("evaluate", result)):
        path = paths.made_path(folder, stage, key)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
        log = folder / "logs" / stage / task / method / f"{seed}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("\r".join(f"epoch {epoch}" for epoch in range(epochs)))
        if stage != "evaluate":
            history.to_csv(path.with_name("history.csv"), index=False)
            path.with_name("cost.json").write_text(json.dumps(spent))


def picture(path, rng):
    """Lines and words on white, as dense as a drawing of what a search found."""
    figure = Figure(figsize=(PIXELS[0] / 200, PIXELS[1] / 200), dpi=200)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.plot(rng.uniform(size=(40, 3)), lw=1)
    for index, (x, y) in enumerate(rng.uniform(size=(200, 2))):
        axes.text(40 * x, y, f"layer {index}", fontsize=6)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def make_page(folder, keys):
    """As the workflow's script makes it."""
    output = folder / "report" / "index.html"
    study_page.main(
        folder=folder,
        path_to_citation=ROOT / "CITATION.cff",
        tables=sorted((folder / "tables").glob("*.html")),
        pictures=sorted((folder / "figures").glob("*.svg")),
        samples=sorted((folder / "figures" / "samples").glob("*.png")),
        architectures=sorted((folder / "figures" / "architectures").glob("*/*.png")),
        curves=folder / "figures" / "curves.csv",
        costs=folder / "figures" / "cost.csv",
        experiments=keys,
        searches=None,
        output=output,
    )
    return output


if __name__ == "__main__":
    main()
