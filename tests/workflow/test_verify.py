"""``verify.py`` finds nothing in a run as it was made, and names each file that was tampered with."""

import json
import shutil

import pytest
from test_failures import command

pytestmark = pytest.mark.slow

CELL = "satellite/densenas-random/0"


def put(*path, value):
    """A change of one value of a JSON file."""

    def change(file):
        content = inner = json.loads(file.read_text())
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        file.write_text(json.dumps(content))

    return change


def append(file):
    file.write_bytes(file.read_bytes() + b"\n")


def other_score(file):
    header, first, *rest = file.read_text().splitlines()
    cells = first.split(",")
    cells[header.split(",").index("value")] = "0.125"
    file.write_text("\n".join([header, ",".join(cells), *rest]) + "\n")


TAMPERED = {
    "data": ("data/darcy.h5", append, "content is not that"),
    "no data": ("data/darcy.h5", lambda file: file.unlink(), "missing, but"),
    "manifest": ("data/darcy.json", put("sha256", value="0" * 64), "made from other data"),
    "raw": ("raw/satellite/files.json", put("files", 0, "sha256", value="0" * 64), "files.json"),
    "value": (f"retrain/{CELL}/result.json", put("value", value=1.25), "value 1.25 is not that of its scores"),
    "score": ("tables/scores.csv", other_score, "which is not what its result holds"),
    "seed": (
        f"retrain/{CELL}/result.json",
        put("provenance", "seed", value=1),
        "seed 1 is not that of retrain satellite",
    ),
    "code": (f"retrain/{CELL}/result.json", put("provenance", "code_sha256", value="0"), "made by other code"),
    "cell": (f"retrain/{CELL}/result.json", put("task", value="darcy"), "holds another cell"),
    "origin": (f"retrain/{CELL}/result.json", put("simulated", value=False), "which its data set contradicts"),
    "key": (f"retrain/{CELL}/result.json", put("provenance", value={}), "lacks the key"),
    "broken": (f"retrain/{CELL}/result.json", lambda file: file.write_text("{"), "not valid JSON"),
    "model": (f"retrain/{CELL}/model.pt", append, "not the file that"),
    "history": (f"search/{CELL}/history.csv", append, "not the file that"),
    "architecture": (f"search/{CELL}/architecture.json", put("architecture", value={}), "trained another architecture"),
    "limit": (
        "search/satellite/densenas-original/0/architecture.json",
        put("parameters", value=3),
        "its size limit is not that of densenas-original",
    ),
    "missing": (f"retrain/{CELL}/result.json", lambda file: file.unlink(), "no result of satellite densenas-random"),
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


def test_a_folder_without_a_run(checkout):
    command(checkout, "verify.py", "results/nothing", status=1)
