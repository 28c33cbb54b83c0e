"""Two clones, one core and two: the same bytes for data, architectures, results, models, tables and figures."""

import os
from pathlib import Path

import pytest
from checkout import Checkout

pytestmark = pytest.mark.slow

DIFFER = ("cost.json", "spent.json")
SPENT = ("cost", "curves")  # tables and figures of hours
FOLDERS = ("raw", "data", "search", "retrain", "evaluate", "tables", "figures")


def contents(checkout: Checkout, run: str) -> dict[str, bytes]:
    """Every reproducible file of a run, by path."""
    root = checkout.folder / "results" / run
    files = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*")) if path.is_file()]
    kept = [path for path in files if path.name not in DIFFER and path.stem not in SPENT]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in kept}


def test_two_clones_give_the_same_bytes(checkout, tmp_path: Path):
    """The other clone: elsewhere, one core instead of two, and another hash seed, so that no set orders a number."""
    other = Checkout(tmp_path / "elsewhere" / "clone")
    os.environ["PYTHONHASHSEED"] = "7"
    try:
        other.snakemake("--cores", "1")
    finally:
        del os.environ["PYTHONHASHSEED"]
    for run in ("small", "reference"):
        left, right = contents(checkout, run), contents(other, run)
        assert left.keys() == right.keys()
        assert [name for name in left if left[name] != right[name]] == []
    names = contents(other, "small")
    method = "darcy/densenas-random/0"
    trained = {f"retrain/{method}/model.pt", f"retrain/{method}/predictions.h5", f"evaluate/{method}/result.json"}
    assert trained | {"data/darcy.h5", "figures/scores.pdf", "tables/tasks.tex"} <= names.keys()


def test_bytes_follow_compute_threads_and_not_the_cores_at_hand(checkout):
    """The rules claim ``compute_threads`` cores, but are given fewer where there are fewer."""
    config = ("data_run=small", "tasks=[satellite]", "methods=[wrn-default]", "compute_threads=2")
    for cores in ("1", "2"):
        output = checkout.snakemake(
            "--verbose", "--cores", cores, "evaluations", config=(*config, f"run=cores-{cores}")
        )
        assert output.count("threads: 2") == (2 if cores == "2" else 0)
    one, two = (contents(checkout, f"cores-{cores}") for cores in ("1", "2"))
    assert one == two
    assert {f"retrain/satellite/wrn-default/0/{name}" for name in ("model.pt", "predictions.h5")} <= one.keys()
    assert checkout.plan("evaluations", config=(*config, "run=cores-2")) == {}  # which plans with one core


def test_a_cluster_gives_as_many_cores(checkout):
    plan = ("-n", "evaluations", "--forceall", "--workflow-profile", "profiles/slurm", "--cores", "16")
    for threads, cores in ((1, 2), (8, 8)):
        output = checkout.snakemake(*plan, config=(f"compute_threads={threads}",))
        jobs = [part for part in output.split("\nrule ") if part.startswith(("search:", "retrain:"))]
        assert len(jobs) == 12
        assert all(f"cpus_per_task={cores}," in job for job in jobs)
