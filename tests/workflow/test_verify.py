"""``verify.py`` finds nothing in a run as it was made, and names each file that was tampered with."""

import json
import os
import re
import shutil

import h5py
import numpy as np
import pytest
from test_failures import command

from nasperf360.stages.experiment import Experiment, digests
from nasperf360.study.paths import MADE
from nasperf360.study.verification import CHECKSUMMED, verify
from tampering import append, edited, forged, put

pytestmark = pytest.mark.slow

OF = "satellite/densenas-random/0"


@pytest.fixture(autouse=True)
def times(checkout):
    """Files that a test puts back have their times again, by which Snakemake's records are known to be theirs."""
    before = {path: path.stat() for path in (checkout.folder / "results").rglob("*") if path.is_file()}
    yield before
    for path, status in before.items():
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def other(column):
    """Another number in the first row of a table."""

    def change(file):
        header, first, *rest = file.read_text().splitlines()
        values = first.split(",")
        values[header.split(",").index(column)] = "0.125"
        file.write_text("\n".join([header, ",".join(values), *rest]) + "\n")

    return change


TAMPERED = {
    "data": ("data/darcy.h5", append, "content is not that"),
    "no data": ("data/darcy.h5", lambda file: file.unlink(), "missing, but"),
    "manifest": ("data/darcy.json", put("sha256", value="0" * 64), "made from other data"),
    "raw": ("raw/satellite/files.json", put("files", 0, "sha256", value="0" * 64), "files.json"),
    "sources": ("data/darcy.json", put("sources", value={}), "made from other raw files than those of"),
    "no manifest": ("data/darcy.json", lambda file: file.write_text("[]"), "cannot be read as the darcy.json"),
    "value": (f"evaluate/{OF}/result.json", put("value", value=1.25), "value 1.25 is not that of its scores"),
    "score": ("tables/scores.csv", other("value"), "scores.csv: line 2 is not what"),
    "mean": ("tables/performance.csv", other("mean"), "performance.csv: line 2 is not what"),
    "rank": ("tables/aggregate.csv", other("median_rank"), "aggregate.csv: line 2 is not what"),
    "paper": ("tables/comparison.csv", other("reference_mean"), "comparison.csv: line 2 is not what"),
    "size": ("tables/tasks.csv", other("train"), "tasks.csv: line 2 is not what"),
    "value and scores": (f"evaluate/{OF}/result.json", edited, "result.json: not what its own sha256 says"),
    "forged value and scores": (f"evaluate/{OF}/result.json", forged, "value is 1.25, but its predictions give"),
    "further score": (
        "evaluate/darcy/wrn-default/0/result.json",
        put("scores", "worst", value=0.5),
        "result.json: worst is 0.5, but its predictions give",
    ),
    "record": (f"evaluate/{OF}/result.json", put("parameters", value=3), "records of the training: parameters"),
    "predictions": (f"retrain/{OF}/predictions.h5", append, "not the file that"),
    "training": (f"retrain/{OF}/cost.json", put("files", "model.pt", value="0"), "of an earlier search or training"),
    "parameters": (
        f"search/{OF}/architecture.json",
        lambda file: file.write_text(file.read_text().replace('"parameters": ', '"parameters": 1')),
        "architecture.json: not what its own sha256 says",
    ),
    "seed": (
        f"evaluate/{OF}/result.json",
        put("provenance", "seed", value=1),
        "seed 1 is not that of retrain satellite",
    ),
    "code": (f"evaluate/{OF}/result.json", put("provenance", "code_sha256", value="0"), "made by other code"),
    "experiment": (f"evaluate/{OF}/result.json", put("task", value="darcy"), "holds another experiment"),
    "origin": (f"evaluate/{OF}/result.json", put("simulated", value=False), "which its data set contradicts"),
    "key": (f"evaluate/{OF}/result.json", put("provenance", value={}), "lacks the key"),
    "broken": (f"evaluate/{OF}/result.json", lambda file: file.write_text("{"), "not valid JSON"),
    "model": (f"retrain/{OF}/model.pt", append, "not the file that"),
    "history": (f"search/{OF}/history.csv", append, "not the file that"),
    "architecture": (f"search/{OF}/architecture.json", put("architecture", value={}), "trained another architecture"),
    "search seed": (f"evaluate/{OF}/result.json", put("search_seed", value=1), "names search seed 1, but "),
    "limit": (
        "search/satellite/densenas-original/0/architecture.json",
        put("parameters", value=3),
        "its size limit is not that of densenas-original",
    ),
    "space": (
        f"evaluate/{OF}/result.json",
        put("provenance", "settings", "space", "stem", value=9),
        "settings of the space differ from those of",
    ),
    "files": (f"evaluate/{OF}/result.json", put("files", value=["model.pt"]), "cannot be read as the result.json"),
    "a list": (f"search/{OF}/architecture.json", lambda file: file.write_text("[]"), "cannot be read as the arch"),
    "no scores": ("tables/scores.csv", lambda file: file.write_text(""), "scores.csv: line 1 is not what"),
    "no history": (
        f"retrain/{OF}/history.csv",
        lambda file: file.unlink(),
        f"history.csv: missing; make it anew: snakemake --cores 1 --force results/small/retrain/{OF}/history.csv, ",
    ),
    "no result": (
        f"evaluate/{OF}/result.json",
        lambda file: file.unlink(),
        f"its result.json is missing, though evaluate ran; make it anew: snakemake --cores 1 --force "
        f"results/small/evaluate/{OF}/result.json, with the run's --config; ",
    ),
    "missing": (f"evaluate/{OF}/result.json", lambda file: file.unlink(), "no result of satellite densenas-random"),
}


def test_a_run_as_it_was_made(checkout):
    assert command(checkout, "verify.py", "results/small", status=0) == "results/small: everything fits\n"


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_tampered_with_is_named(checkout, name):
    path, change, expected = TAMPERED[name]
    file = checkout.folder / "results/small" / path
    backup = file.with_name(file.name + ".backup")
    shutil.copy2(file, backup)
    try:
        change(file)
        output = command(checkout, "verify.py", "results/small", status=1)
    finally:
        shutil.move(backup, file)
    assert expected in output


@pytest.mark.parametrize("name", ["model.pt", "predictions.h5", "history.csv"])
@pytest.mark.parametrize("evaluated", [True, False])
def test_any_flipped_bit_of_what_a_training_made_is_named(checkout, name, evaluated):
    folder, rng = checkout.folder / "results/small", np.random.default_rng(7)
    file, result = folder / "retrain" / OF / name, folder / "evaluate" / OF / "result.json"
    content, scored = file.read_bytes(), result.read_bytes()
    try:
        if not evaluated:
            result.unlink()
        for place in rng.integers(8 * len(content), size=5):
            flipped = bytearray(content)
            flipped[place // 8] ^= 1 << (place % 8)
            file.write_bytes(flipped)
            faults = list(verify(folder))
            by = result if evaluated else file.with_name("cost.json")
            assert any(fault.startswith(f"{file}: not the file that {by} names; ") for fault in faults), faults
    finally:
        file.write_bytes(content)
        result.write_bytes(scored)


def test_numbers_that_cannot_be_recomputed_are_counted(checkout):
    file = checkout.folder / "results/small/retrain" / OF / "predictions.h5"
    content = file.read_bytes()
    file.unlink()
    try:
        output = command(checkout, "verify.py", "results/small", status=0)
    finally:
        file.write_bytes(content)
    assert output.splitlines() == [
        "results/small: 1 of 6 numbers were not recomputed, since their predictions were not kept",
        "results/small: everything fits",
    ]


def trained(result):
    """The folder of the training that a result is of."""
    return result.parents[4] / "retrain" / result.parent.relative_to(result.parents[3])


def recorded(result):
    """Predictions that record what a result says of the training, and digests that fit them."""
    content, folder = json.loads(result.read_text()), trained(result)
    with h5py.File(folder / "predictions.h5", "r+") as file:
        file.attrs["record"] = json.dumps({name: content[name] for name in json.loads(file.attrs["record"])})
    files = digests(*(str(folder / name) for name in content["files"]))
    put("files", value=files)(result)
    put("files", value=files)(folder / "cost.json")


@pytest.fixture
def second_seed(checkout):
    """An experiment with what another seed of it would name: its architecture.json and result.json."""
    folders = [
        shutil.copytree(first, first.with_name("1"))
        for first in (checkout.folder / "results/small" / stage / "satellite/wrn-default/0" for stage in MADE)
    ]
    made = []
    for stage, computed in CHECKSUMMED.items():
        made.append(checkout.folder / "results/small" / stage / "satellite/wrn-default/1" / MADE[stage])
        put("seed", value=1)(made[-1])
        put("provenance", "seed", value=Experiment(computed, "satellite", "wrn-default", 1).derived_seed)(made[-1])
    put("search_seed", value=1)(made[1])
    recorded(made[1])
    yield made
    for folder in folders:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("number", "path", "key"),
    [(0, ("method", "algorithm"), "method"), (0, ("search",), "search"), (1, ("retrain", "epochs"), "retrain")],
)
def test_seeds_of_other_settings_are_named(checkout, second_seed, number, path, key):
    command(checkout, "verify.py", "results/small", status=0)
    put("provenance", "settings", *path, value="other")(second_seed[number])
    output = command(checkout, "verify.py", "results/small", status=1)
    name = second_seed[number].relative_to(checkout.folder)
    assert f"{name}: settings differ from those of seed 0: {key}\n" in output


def test_what_a_seed_may_have_of_its_own(checkout, second_seed):
    """Its architecture, and the training settings that this fixes, as those that asha searches for ``wrn``."""
    first = [path.parents[1] / "0" / path.name for path in second_seed]
    changed = [*first, *(trained(first[1]) / name for name in ("predictions.h5", "cost.json"))]
    content = [path.read_bytes() for path in changed]
    try:
        for rate, (search, evaluate) in {0.25: first, 0.5: second_seed}.items():
            architecture = {"space": "wrn", "lr": rate}
            put("architecture", value=architecture)(search)
            put("provenance", "settings", "architecture", value=architecture)(evaluate)
            put("provenance", "settings", "retrain", "lr", value=rate)(evaluate)
            recorded(evaluate)
        command(checkout, "verify.py", "results/small", status=0)
    finally:
        for path, before in zip(changed, content, strict=True):
            path.write_bytes(before)


@pytest.mark.parametrize("name", ["retrain/satellite/wrn-default/0/history.csv", "tables/scores.csv"])
def test_what_it_says_mends(checkout, name, times):
    """Snakemake itself would not miss these: nothing that is out of date needs them."""
    times.clear()  # what Snakemake makes anew has a time of its own, and a record with that time
    file = checkout.folder / "results/small" / name
    before = file.read_bytes()
    append(file)
    said = command(checkout, "verify.py", "results/small", status=1)
    (target,) = re.findall(r"--force (\S+), with", said)
    file.unlink()
    checkout.snakemake("--cores", "1", "--force", target)
    assert file.read_bytes() == before
    checkout.snakemake("--cores", "1")
    command(checkout, "verify.py", "results/small", status=0)


def test_a_folder_that_is_no_seed(checkout):
    folder = checkout.folder / "results/small/search/satellite/densenas-original"
    backup = shutil.copytree(folder / "0", folder / "backup")
    try:
        output = command(checkout, "verify.py", "results/small", status=1)
    finally:
        shutil.rmtree(backup)
    assert "backup/architecture.json: its folder 'backup' is no seed" in output
    assert "1 faults" in output


def test_data_that_came_without_raw_files(checkout, tmp_path):
    raw = checkout.folder / "results/small/raw/darcy"
    shutil.copytree(raw, tmp_path / "raw")
    try:
        files = [path for path in raw.iterdir() if path.name != "files.json"]
        assert len(files) > 1
        files[0].unlink()
        assert files[0].name in command(checkout, "verify.py", "results/small", status=1)
        for path in files[1:]:
            path.unlink()
        command(checkout, "verify.py", "results/small", status=0)
    finally:
        shutil.copytree(tmp_path / "raw", raw, dirs_exist_ok=True)


def test_a_folder_without_a_run(checkout):
    command(checkout, "verify.py", "results/nothing", status=1)
