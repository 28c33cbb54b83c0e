"""The csv of each table is what the results give, to the byte; a digest of its own shows that a result was edited."""

import json

import pytest

from nasperf360.stages.experiment import checksummed, is_checksummed
from nasperf360.study.paths import result_path
from nasperf360.tables.aggregate import aggregate
from nasperf360.tables.comparison import compare
from nasperf360.tables.comparisons import comparisons
from nasperf360.tables.forms import csv_text
from nasperf360.tables.performance import LATER, read_performance, read_reference, read_scores, summarise
from nasperf360.tables.scores import collect, to_csv
from nasperf360.tables.tasks import task_frame
from nasperf360.tables.verification import verify_tables

from .small_run import METHODS, REFERENCE, TASKS, make_run

NAMES = ("aggregate", "comparison", "comparisons", "performance", "scores", "tasks")


@pytest.fixture
def run(tmp_path):
    """A run with its tables, made from files one after another as the scripts of the rules do."""
    folder = tmp_path / "mine"
    make_run(folder)
    pairs = [(task, method) for task in TASKS for method in METHODS]
    study = {"data_run": "mine", "tasks": list(TASKS), "experiments": pairs, "seeds": [0, 1]}
    (folder / "study.json").write_text(json.dumps(study))
    tables = folder / "tables"
    tables.mkdir()
    (tables / "tasks.csv").write_text(csv_text(task_frame(list(TASKS), {})))
    (tables / "scores.csv").write_text(to_csv(collect(folder, [(*pair, seed) for pair in pairs for seed in (0, 1)])))
    summary = summarise(read_scores(tables / "scores.csv"), read_reference(REFERENCE))
    (tables / "performance.csv").write_text(csv_text(summary))
    performance, scores = read_performance(tables / "performance.csv"), read_scores(tables / "scores.csv")
    (tables / "aggregate.csv").write_text(csv_text(aggregate(performance, scores)))
    (tables / "comparison.csv").write_text(csv_text(compare(performance, read_reference(REFERENCE, LATER))))
    (tables / "comparisons.csv").write_text(csv_text(comparisons(performance)))
    assert list(verify_tables(folder)) == []
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_an_edited_table_is_named_with_its_line(run, name):
    path = run / "tables" / f"{name}.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:-1], lines[-1].replace("\n", "0\n")]))
    (fault,) = verify_tables(run)
    assert fault == (
        f"{path}: line {len(lines)} is not what the run's results give; "
        f"make it anew: snakemake --cores 1 --force {path}, with the run's --config"
    )


@pytest.mark.parametrize("content", ["", "a\n1\n", "\0"])
@pytest.mark.parametrize("name", NAMES)
def test_a_table_that_is_none(run, name, content):
    (run / "tables" / f"{name}.csv").write_text(content)
    (fault,) = verify_tables(run)
    assert f"{name}.csv: line 1 is" in fault


def test_a_row_taken_away(run):
    path = run / "tables/scores.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert "scores.csv: line 13 is" in next(verify_tables(run))


def test_a_digit_of_a_result_shows_in_all_that_follow_from_it(run):
    path = result_path(run, ("darcy", "wrn-default", 1))
    path.write_text(json.dumps({**json.loads(path.read_text()), "value": 0.0625}))
    named = [fault.split(":")[0].split("/")[-1] for fault in verify_tables(run)]
    assert named == ["scores.csv", "performance.csv", "aggregate.csv", "comparison.csv"]


def test_tables_that_are_not_there(run):
    for name in NAMES:
        (run / "tables" / f"{name}.csv").unlink()
    assert list(verify_tables(run)) == []


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_result_that_cannot_be_read(run, content):
    result_path(run, ("darcy", "wrn-default", 1)).write_text(content)
    (fault,) = verify_tables(run)
    assert fault.startswith(f"{run}/tables: not compared with the results, since one cannot be read")


def test_a_checksum():
    content = checksummed({"value": 0.1 + 0.2, "scores": {"value": 0.1 + 0.2, "n": [1, None, True]}})
    assert is_checksummed(json.loads(json.dumps(content, indent=2)))
    assert not is_checksummed({**content, "value": 0.3})
    assert not is_checksummed({**content, "more": 1})
    assert not is_checksummed({"value": 1})
