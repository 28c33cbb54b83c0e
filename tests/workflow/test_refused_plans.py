"""What a plan cannot be made of: the last line says why, and no traceback stands before it."""

import os
import shutil

import pytest
from checkout import LIBRARY, Checkout, environment, said

HALVING = f"{LIBRARY}/algorithms/halving"
DENIED = "(Permission denied); give yourself the right to do so"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("refused") / "checkout")


def refusal(output: str) -> str:
    assert "Traceback" not in output
    assert "Exception" not in output
    return output.splitlines()[-1]


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("search.py", "def ", "def (", "search.py: line "),
        ("search.py", None, None, "search.py: no such file, and search.py loads it; add it, or correct the name"),
        (
            "spec.py",
            '"halving"',
            '"halvin"',
            "spec.py: SPEC has name='halvin', but its folder is 'halving'",
        ),
        ("spec.py", "SPEC =", "SPECS =", "spec.py: defines no SPEC = AlgorithmSpec(...); add it"),
    ],
)
def test_a_slip_in_a_new_method(checkout, file, old, new, words):
    folder = checkout.folder / HALVING
    shutil.copytree(folder.with_name("default"), folder)
    try:
        for path in folder.glob("*.py"):
            path.write_text(path.read_text().replace('"default"', '"halving"'))
        if old is None:
            (folder / file).unlink()
        else:
            (folder / file).write_text((folder / file).read_text().replace(old, new, 1))
        output = checkout.snakemake("-n", config=("methods=[wrn-halving]", "tasks=[ecg]"), status=1)
    finally:
        shutil.rmtree(folder)
    assert refusal(output).startswith(f"Error: {checkout.folder}/{HALVING}/{words}")


def test_a_sources_file_is_looked_for_at_any_source(checkout):
    for path, words in (
        ("none.yaml", "no such file; set 'sources' to a file like config/sources.yaml"),
        ("config", "cannot be read (Is a directory); correct that and run again"),
    ):
        output = checkout.snakemake("-n", config=(f"sources={path}",), status=1)
        assert refusal(output) == f"Error: config: sources: {path}: {words}"


def test_a_folder_whose_name_snakemake_would_fill_in(tmp_path):
    braces = Checkout(tmp_path / "nas {perf}")
    output = braces.snakemake("-n", status=1)
    assert refusal(output) == (
        f"Error: {braces.folder}: Snakemake cannot run a workflow in a folder with braces in its name; rename it"
    )


@pytest.mark.parametrize("target", ["datasets", "architectures", "evaluations", "publications"])
def test_a_partial_run_makes_no_results(checkout, target):
    output = checkout.snakemake("-n", target, config=("partial=true",), status=1)
    assert refusal(output).endswith(f"leave it out to make {target}")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="takes rights from root")
@pytest.mark.parametrize(
    ("denied", "words"),
    [
        ("run.json", f"run.json: cannot be read {DENIED}"),
        ("retrain", f"retrain/darcy/wrn-default/0/cost.json: cannot be read or written {DENIED}"),
    ],
)
def test_a_file_or_folder_that_may_not_be_read(checkout, denied, words):
    results = checkout.folder / "results" / "small"
    (results / "retrain").mkdir(parents=True)
    (results / "run.json").write_text("{}")
    (results / denied).chmod(0)
    rights = "-dac_override,-dac_read_search"
    command = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *checkout.command("-n")]
    try:
        output = said(command, checkout.folder, environment(), status=1)
    finally:
        shutil.rmtree(results)
    assert refusal(output) == f"Error: results/small/{words}"
