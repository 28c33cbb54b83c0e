"""The whole pipeline from small files in the formats of the benchmark's own."""

import json

import pandas as pd
import pytest
import yaml
from checkout import Checkout
from test_failures import command

import benchmark_files
from nasperf360.data.datasets import Dataset
from nasperf360.data.preprocess import preprocess
from nasperf360.data.raw import RawFiles
from nasperf360.data.simulate import simulate
from nasperf360.tasks.shared.task_spec import task_spec

pytestmark = pytest.mark.slow

TASKS = list(benchmark_files.WRITERS)
UNSAMPLED = ["ninapro", "fsd50k", "psicov", "cosmic"]  # no real raw files are at hand of these


def write_mirror(folder, mirror):
    """The benchmark's files of all tasks."""
    for task in TASKS:
        owner = task_spec(task).raw
        manifest = folder / owner / "files.json"
        if not manifest.is_file():
            simulate(owner, manifest.parent, benchmark_files.SIZES[owner])
        raw, data = RawFiles.open(manifest), folder / f"{task}.h5"
        preprocess(task, raw, data, benchmark_files.OPTIONS.get(task, {}))
        with Dataset(data) as dataset:
            benchmark_files.write(task, raw, dataset, mirror / task)


def test_all_tasks_from_the_benchmark_s_files(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    write_mirror(tmp_path / "simulated", tmp_path / "mirror")
    (checkout.folder / "own.yaml").write_text(yaml.safe_dump(benchmark_files.sources(TASKS)))
    given = yaml.safe_load((benchmark_files.ROOT / "tests/workflow/benchmark.yaml").read_text())
    given |= {"preprocess": benchmark_files.OPTIONS, "sources": "own.yaml", "mirror": str(tmp_path / "mirror")}
    (checkout.folder / "study.yaml").write_text(yaml.safe_dump(given))

    checkout.snakemake("datasets", "--cores", "2", file="study.yaml")
    results = checkout.folder / "results" / "published_files"
    for task in TASKS:
        manifest = json.loads((results / "data" / f"{task}.json").read_text())
        assert manifest["origin"] == "benchmark"
        raw = json.loads((results / "raw" / task / "files.json").read_text())
        assert manifest["sources"] == {entry["path"]: entry["sha256"] for entry in raw["files"]}
    assert checkout.plan("datasets", file="study.yaml") == {}

    config = (f"tasks=[{','.join(UNSAMPLED)}]",)
    checkout.snakemake("tables", "--cores", "2", file="study.yaml", config=config)
    table = pd.read_csv(results / "tables" / "performance.csv").set_index("task")
    assert list(table.index) == UNSAMPLED
    assert table["mean"].notna().all()
    assert not table["simulated"].any()
    result = json.loads((results / "evaluate/fsd50k/wrn-default/0/result.json").read_text())
    assert result["provenance"]["settings"]["retrain"]["task"] == {"noise": None}  # as the data have it
    assert checkout.plan("tables", file="study.yaml", config=config) == {}
    licences = pd.read_csv(results / "tables" / "licences.csv").set_index("task")
    assert licences.loc["psicov", "licence"] == "GPL-3.0"
    assert command(checkout, "verify.py", "results/published_files", status=0).endswith("everything fits\n")
    # What was simulated, or comes from elsewhere, does not get into this run; nor files of another origin.
    assert "was made with source: benchmark" in checkout.snakemake(
        "-n", "datasets", file="study.yaml", config=("source=original",), status=1
    )
    text = checkout.snakemake("-n", "datasets", file="study.yaml", config=("source=original", "run=other"), status=1)
    assert "own.yaml: the files of 'cifar100' are of origin 'benchmark', not of source 'original'" in text
