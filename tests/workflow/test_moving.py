"""What docs/rerun.md says of accepting results as they are, and of moving them between machines."""

import shutil

import pytest
from checkout import LIBRARY, Checkout

pytestmark = pytest.mark.slow

TRAINING = f"{LIBRARY}/training/fitting.py"


@pytest.fixture
def elsewhere(checkout, tmp_path):
    """Another checkout with a copy of the results, but of raw data only their manifests."""
    other = Checkout(tmp_path / "elsewhere")
    shutil.rmtree(other.folder / "results", ignore_errors=True)
    shutil.copytree(checkout.folder / "results", other.folder / "results")
    for path in (other.folder / "results/small/raw").rglob("*"):
        if path.is_file() and path.name != "files.json":
            path.unlink()
    return other


def test_results_moved_bring_snakemake_s_records_along(elsewhere):
    (elsewhere.folder / "config/reference.csv").touch()  # as a fresh clone has it: newer than the results
    assert elsewhere.plan() == {}
    with elsewhere.changed(TRAINING):
        plan = elsewhere.plan()
    assert "retrain darcy wrn-default 0" in plan
    assert "preprocess darcy" not in plan


def test_results_moved_without_their_times_are_touched_once(elsewhere):
    for path in (elsewhere.folder / "results").rglob("*"):
        path.touch()
    with elsewhere.changed(TRAINING):  # nothing to compare with but what results say of themselves
        refused = elsewhere.snakemake("-n", status=1)
    assert "made with other code than configured, and Snakemake has lost its record of it" in refused
    elsewhere.snakemake("--cores", "1", "--touch", "--forceall")
    assert elsewhere.plan() == {}
    with elsewhere.changed(TRAINING):
        assert "retrain darcy wrn-default 0" in elsewhere.plan()


def test_touch_accepts_a_change(checkout, elsewhere):
    shutil.copytree(checkout.folder / ".snakemake/metadata", elsewhere.folder / ".snakemake/metadata")
    result = elsewhere.folder / "results/small/evaluate/darcy/wrn-default/0/result.json"
    before = result.read_bytes()
    with elsewhere.changed(TRAINING):
        assert elsewhere.plan() != {}
        elsewhere.snakemake("--cores", "1", "--touch")
        assert elsewhere.plan() == {}
    assert result.read_bytes() == before
