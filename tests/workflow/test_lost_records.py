"""Without Snakemake's records a changed setting or code still reruns what it touches, and nothing mixes."""

import json
import shutil
from base64 import urlsafe_b64encode

import pytest
from checkout import LIBRARY, Checkout
from test_failures import command

pytestmark = pytest.mark.slow

RUN = "lost"
CONFIG = (f"run={RUN}", "tasks=[satellite]", "methods=[wrn-default,densenas-original]")
LONGER = (*CONFIG, "retrain={wrn: {all: {epochs: 3}}}")
WRN = {f"{stage} satellite wrn-default 0" for stage in ("retrain", "evaluate")}
CELL = f"results/{RUN}/retrain/satellite/wrn-default/0"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Checkout:
    """A study that has run."""
    checkout = Checkout(tmp_path_factory.mktemp("lost") / "checkout")
    checkout.snakemake("--cores", "2", "tables", config=CONFIG)
    return checkout


@pytest.fixture
def study(made):
    """Its folder as it was, at the end of each test too."""
    folder = made.folder
    for name in (".snakemake", f"results/{RUN}"):
        shutil.copytree(folder / name, folder / f"{name}.before", copy_function=shutil.copy2)
    yield made
    for name in (".snakemake", f"results/{RUN}"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / f"{name}.before").rename(folder / name)


def record(study, path):
    return study.folder / ".snakemake/metadata" / urlsafe_b64encode(path.encode()).decode()


def all_of_them(study):
    shutil.rmtree(study.folder / ".snakemake")


def emptied(study):
    """Those of one training, as a loss of power may leave them."""
    for name in ("history.csv", "model.pt", "predictions.h5", "cost.json"):
        record(study, f"{CELL}/{name}").write_text("")


def cut_short(study):
    for name in ("history.csv", "model.pt", "predictions.h5", "cost.json"):
        path = record(study, f"{CELL}/{name}")
        path.write_bytes(path.read_bytes()[:100])


def full_of_zeros(study):
    for name in ("history.csv", "model.pt", "predictions.h5", "cost.json"):
        path = record(study, f"{CELL}/{name}")
        path.write_bytes(bytes(path.stat().st_size))


LOSSES = (all_of_them, emptied, cut_short, full_of_zeros)


@pytest.mark.parametrize("lose", LOSSES)
def test_a_changed_setting_reruns_what_it_touches(study, lose):
    lose(study)
    assert study.plan("tables", config=CONFIG) == {}
    lose(study)
    planned = study.plan("tables", config=LONGER)
    assert planned.keys() >= WRN
    assert "retrain satellite densenas-original 0" not in planned
    assert "collect_results" in planned


def test_so_does_changed_code(study):
    all_of_them(study)
    with study.changed(f"{LIBRARY}/spaces/wrn/wide_resnet.py"):
        planned = study.plan("tables", config=CONFIG)
    assert planned.keys() >= WRN
    assert not any("densenas" in job for job in planned)


def test_so_do_the_data_and_the_choice_of_methods(study):
    all_of_them(study)
    changed = (*CONFIG[:2], "methods=[wrn-default]", "simulate={satellite: {train: 220}}")
    planned = study.plan("tables", config=changed)
    assert {"download satellite", "preprocess satellite", "collect_results"} <= planned.keys()
    all_of_them(study)
    assert "collect_results" in study.plan("tables", config=changed[:3])


def without_copies(study):
    all_of_them(study)
    (study.folder / f"results/{RUN}/records.tsv").unlink()


def test_where_no_copy_is_left_results_are_compared_with_the_configuration(study):
    without_copies(study)
    assert not any(job.startswith(("search", "retrain")) for job in study.plan("tables", config=CONFIG))
    refused = study.snakemake("-n", "tables", config=LONGER, status=1)
    line = next(line for line in refused.splitlines() if line.startswith("Error: "))
    assert line == (
        f"Error: {CELL}/cost.json: made with other settings (retrain) than configured, and Snakemake has lost its "
        f"record of it; accept what is there by --touch --forceall, or make anew what differs by giving the same "
        f"command with: --forcerun {CELL}/cost.json"
    )
    forced = line.split("with: ")[1].split()
    assert study.plan("tables", *forced, config=LONGER).keys() >= WRN
    with study.changed(f"{LIBRARY}/spaces/densenas/networks.py"):
        refused = study.snakemake("-n", "tables", config=CONFIG, status=1)
        assert "made with other code than configured, and Snakemake has lost its record of it, as of 1 more" in refused
        assert "/densenas-original/" in refused.split("--forcerun")[1]
        assert "/wrn-default/" not in refused.split("--forcerun")[1]
        study.snakemake("--touch", "--forceall", "--cores", "1", "tables", config=CONFIG)
        assert study.plan("tables", config=CONFIG) == {}


def test_a_file_that_is_newer_than_the_copy_is_not_taken_for_what_it_says(study):
    all_of_them(study)
    path = study.folder / CELL / "cost.json"
    content = json.loads(path.read_text())
    content["provenance"]["settings"]["retrain"]["lr"] = 0.5
    path.write_text(json.dumps(content))
    assert "settings (retrain) than configured" in study.snakemake("-n", "tables", config=CONFIG, status=1)


def test_verification_compares_results_with_what_the_run_was_started_with(study):
    assert command(study, "verify.py", f"results/{RUN}", status=0) == f"results/{RUN}: everything fits\n"
    without_copies(study)
    study.snakemake("--touch", "--forceall", "--cores", "1", "tables", config=LONGER)  # by mistake
    assert study.plan("tables", config=LONGER) == {}
    output = command(study, "verify.py", f"results/{RUN}", status=1)
    assert (
        f"results/{RUN}/evaluate/satellite/wrn-default/0/result.json: settings differ from those that the run was last "
        f"started with: retrain; make it anew: "
    ) in output
