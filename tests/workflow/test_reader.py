"""What a reader is given: the pages, Snakemake's own report, two runs side by side; none of them trains anything."""

import json
import shutil
import zipfile

import pandas as pd
import pytest
from checkout import Checkout

pytestmark = pytest.mark.slow

TRAINING = ("search", "retrain", "evaluate", "preprocess")
B = ("run=b", "data_run=small", "tasks=[satellite]", "methods=[wrn-default]")


def test_the_pages_are_part_of_all_and_follow_a_template(checkout):
    for run in ("small", "reference"):
        assert (checkout.folder / "results" / run / "report" / "index.html").stat().st_size < 15_000_000
    assert checkout.plan() == {}
    template = "workflow/scripts/nasperf360/report/templates/style.css"
    with checkout.edited(template, "2.5rem", "2.6rem"):
        assert set(checkout.plan()) == {"study_page small", "study_page reference"}


LIBRARY = "workflow/scripts/nasperf360"


@pytest.mark.parametrize(
    ("file", "followed"),
    [
        ("figures/curves.py", {"draw_curves", "study_page small"}),
        ("figures/samples.py", {"draw_samples", "study_page small"}),
        ("report/headline.py", {"study_page small", "study_page reference"}),
        ("tasks/darcy/metric.py", {"draw_curves", "study_page small"}),  # random searches by it
        ("tasks/darcy/data.py", {"draw_curves", "draw_samples", "study_page small"}),
        ("figures/profiles_tasks.py", set()),
        ("tables/differences.py", set()),
    ],
)
def test_what_a_reader_is_shown_follows_what_it_shows(checkout, file, followed):
    with checkout.changed(f"{LIBRARY}/{file}"):
        plan = checkout.plan()
    assert {job for job in plan if job.startswith(("study_page", "draw_curves", "draw_samples"))} == followed


def test_snakemake_s_own_report_shows_tables_figures_and_pages(checkout, tmp_path):
    checkout.snakemake("--report", str(tmp_path / "report.zip"))
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        page = archive.read("report/report.html").decode()
        names = [name.rsplit("/", 1)[-1] for name in archive.namelist()]
    assert {"performance.html", "paired.html", "curves.svg", "profiles_settings.svg", "index.html"} <= set(names)
    assert names.count("aggregate.html") == 2  # of the run and of the paper
    for words in (
        "The metric of each method on each task",
        "mean and range over seeds",
        '"Tables"',
        '"Figures"',
        '"Study"',
    ):
        assert words in page, words
    assert checkout.plan() == {}


def test_a_partial_run_has_its_page_with_what_is_missing(checkout, tmp_path):
    other = Checkout(tmp_path / "checkout")
    shutil.copytree(checkout.folder / "results", other.folder / "results", dirs_exist_ok=True)
    gone = other.folder / "results" / "small" / "evaluate" / "darcy" / "wrn-default" / "0" / "result.json"
    gone.unlink()
    other.snakemake("--cores", "1", "page", config=("partial=true",))
    page = (other.folder / "results" / "small" / "report" / "index.html").read_text()
    assert "1 experiment without a result" in page


def test_two_runs_side_by_side(checkout):
    checkout.snakemake("--cores", "2", "evaluations", config=(*B, "retrain={wrn: {all: {epochs: 3}}}"))
    jobs = checkout.plan("compare", config=(*B, "compare=[small,reference]"))
    assert not [job for job in jobs if job.startswith(TRAINING)]
    assert {"compare_runs small", "compare_runs reference"} <= set(jobs)
    checkout.snakemake("--cores", "1", "compare", config=(*B, "compare=[small,reference]"))
    folder = checkout.folder / "results" / "b" / "compare"
    table = pd.read_csv(folder / "small" / "differences.csv").set_index(["task", "method"])
    row = table.loc[("satellite", "wrn-default")]
    assert row["changed"] == "training: retrain.epochs: 3 / 2"
    value = {
        run: json.loads((checkout.folder / f"results/{run}/evaluate/satellite/wrn-default/0/result.json").read_text())
        for run in ("b", "small")
    }
    assert row["difference"] == pytest.approx(value["b"]["value"] - value["small"]["value"])
    assert 0 <= row["p"] <= 1 or row["difference"] == 0
    assert len(pd.read_csv(folder / "reference" / "differences.csv")) == 1
    assert checkout.plan("compare", config=(*B, "compare=[small,reference]")).keys() <= {"compare"}
    for name in ("differences.tex", "differences.svg", "index.html"):
        assert (folder / "small" / name).is_file()


def test_what_to_compare_with_is_asked_for(checkout):
    assert "Error: compare: name another run" in checkout.snakemake("-n", "compare", status=1)
    output = checkout.snakemake("-n", "compare", config=("compare=nothing",), status=1)
    assert "Error: compare: results/nothing: no run has been started there" in output


def test_a_run_that_is_only_compared_keeps_its_study(checkout):
    study = checkout.folder / "results/small/study.json"
    before = study.read_bytes()
    output = checkout.snakemake("--cores", "1", "compare", config=("compare=reference", "seeds=[0,7]"), status=1)
    assert "Error: compare: results/small was never asked for 6 of these 12 experiments, such as darcy" in output
    assert study.read_bytes() == before
