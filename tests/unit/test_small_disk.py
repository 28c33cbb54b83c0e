"""Every writer of a training on a real file system that takes no more: one sentence, and nothing lost.

A tmpfs of 256 kB where the tests may mount one; a size limit for files (``ulimit -f``) everywhere.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
ROOM = 256 << 10
AGAIN = "and run the same command again, it continues"
SENTENCE = {
    "full": f"the disk is full; free some space {AGAIN}",
    "limited": f"larger than files may be here (ulimit -f); raise that limit {AGAIN}",
}
PROGRAM = """
import json, resource, sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np, torch
from nasperf360.errors import UserError
from nasperf360.files import write_json, write_text
from nasperf360.job import _Tee, run_job
from nasperf360.locks import locked
from nasperf360.stages.predictions import write_predictions
from nasperf360.stages.provenance import CostMeter
from nasperf360.stages.retrain import write_model
from nasperf360.stages.training_job import write_history
from nasperf360.tasks.shared.task_training import task_training
from nasperf360.training.checkpoints import Checkpoint

how, folder = sys.argv[1], Path(sys.argv[2])
LARGE = 1 << 20
checkpoint = Checkpoint(folder / "checkpoint", {})
checkpoint.save({"kept": torch.arange(10)})
write_json(folder / "kept.json", "old")
if how == "full":
    (folder / "fills").write_bytes(b"0" * (200 << 10))
else:
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, 64 << 10))
rows = [{"epoch": float(number), "train_loss": number / 3} for number in range(40000)]
writers = {
    "text": lambda: write_text(folder / "kept.json", "x" * LARGE),
    "checkpoint": lambda: checkpoint.save({"weights": torch.randn(LARGE)}),
    "model": lambda: write_model(folder / "model.pt", torch.nn.Linear(1000, 1000), task_training("ecg"), (1, 1000)),
    "predictions": lambda: write_predictions(
        folder / "predictions.h5", np.random.default_rng(0).normal(size=(LARGE, 1)).astype("f"), {}
    ),
    "history": lambda: write_history(folder / "history.csv", rows),
}
said = {}
for name, write in writers.items():
    try:
        write()
        said[name] = "nothing"
    except UserError as error:
        said[name] = str(error)
assert checkpoint.load()["kept"].tolist() == list(range(10))
assert json.loads((folder / "kept.json").read_text()) == "old"
left = sorted(path.name for path in folder.rglob("*") if path.is_file())

# From here on nothing at all can be written, and nothing of it matters.
if how == "full":
    with open(folder / "rest", "wb", buffering=0) as rest:
        try:
            while rest.write(b"0" * 4096):
                pass
        except OSError:
            pass
else:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
meter = CostMeter("cpu", 1)
with locked(folder / "checkpoint"), meter.over_attempts(folder / "checkpoint", "a", heartbeat=0.01):
    pass

def main():
    for _ in range(20000):
        print("epoch 1: train_loss 0.5", file=sys.stderr)
    raise UserError("this is why")

print(json.dumps({"said": said, "left": left}), flush=True)
run_job(main, SimpleNamespace(log=[str(folder / "job.log")], params={}), failure=folder / "failure.json")
"""


@pytest.fixture(params=["full", "limited"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """How the file system is small, and a folder of it."""
    if request.param == "limited":
        yield request.param, tmp_path
        return
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount a file system")
    try:
        yield request.param, tmp_path
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_no_writer_loses_or_hides_anything(small: tuple[str, Path]) -> None:
    how, folder = small
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how, str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        timeout=120,
    )
    assert done.returncode == 1, done.stderr[-3000:]
    found = json.loads(done.stdout)
    names = {
        "text": "kept.json",
        "checkpoint": "checkpoint/state.pt",
        "model": "model.pt",
        "predictions": "predictions.h5",
        "history": "history.csv",
    }
    assert found["said"] == {name: f"{folder / path}: {SENTENCE[how]}" for name, path in names.items()}
    assert set(found["left"]) - {"fills"} == {"identity.json", "kept.json", "state.pt"}
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("epoch 1")]
    assert lines[0].startswith(f"{folder / 'job.log'}: nothing more is written there (")
    assert lines[1] == "Error: this is why"
    assert lines[2].startswith(f"{folder / 'failure.json'}: the reason could not be written there (")
    assert len(lines) == 3
    assert done.stderr.count("epoch 1") == 20000


# -- data: what the reserve for HDF5 must be right for is met at many sizes, on a file system each

DATA_PROGRAM = """
import json, resource, sys, tarfile
from pathlib import Path
import numpy as np
from nasperf360.data.archives import unpack
from nasperf360.data.datasets import Dataset, DatasetWriter
from nasperf360.data.download import fetch
from nasperf360.data.simulate import simulate
from nasperf360.data.sources import Source
from nasperf360.data.transfer import copy
from nasperf360.errors import UserError
from nasperf360.tasks.deepsea.matlab_stream import MatlabFile
import scipy.io

how, folder, other, room = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
other.mkdir(parents=True)
large = other / "large.bin"
large.write_bytes(np.random.default_rng(0).bytes(12 << 20))
with tarfile.open(other / "large.tar", "w") as archive:
    archive.add(large, "large.bin")
scipy.io.savemat(other / "large.mat", {"x": np.zeros((3 << 20, 4), np.uint8)}, do_compression=True)
if how == "limited":
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

def data_set(rows, chunk):
    def write():
        rng = np.random.default_rng(0)
        with DatasetWriter(folder / "d.h5", task="t", origin="simulated", licence="n", more="a" * 3000) as writer:
            for name in ("train", "valid", "test"):
                split = writer.split(name, x=((chunk,), "float32"), y=((), "int64"), classes=2)
                for _ in range(rows):
                    split.append(x=rng.random((100, chunk), np.float32), y=np.zeros(100, np.int64))
        with Dataset(folder / "d.h5") as data:
            data.verify(classes=2)
        for path in folder.glob("d.*"):
            path.unlink()
    return write

def mat():
    with MatlabFile(other / "large.mat", folder) as file:
        file.array("x", 4)

def unpacked():
    source = Source.parse("t", {"licence": "n", "files": [{"name": "large.tar", "role": "r", "unpack": "tar"}]})
    (other / "mirror").mkdir()
    (other / "mirror/t").symlink_to(other)
    fetch(source, folder / "raw", str(other / "mirror"), progress=False)

writers = {
    **{f"data set {rows} {chunk}": data_set(rows, chunk) for rows in (1, 2, 4, 7, 12, 40) for chunk in (3, 100, 1000)},
    "copy": lambda: copy(large, folder / "copy", progress=False),
    "archive": unpacked,
    "simulated": lambda: simulate("satellite", folder / "sim", {"train": 60000, "test": 10}),
    "deepsea": lambda: simulate("deepsea", folder / "dna", {"train": 8000, "valid": 20, "test": 20}),
}
said = {}
for name, write in writers.items():
    try:
        write()
        said[name] = ""
    except UserError as error:
        said[name] = str(error)
try:
    mat()
    said["mat"] = ""
except OSError as error:
    said["mat"] = str(error)
left = sorted(path.name for path in folder.rglob("*") if path.is_file())
print(json.dumps({"said": said, "left": left}))
"""


@pytest.mark.parametrize(
    "room", [300 << 10, *(pytest.param(room, marks=pytest.mark.slow) for room in (4 << 10, 1 << 20, 3 << 20, 9 << 20))]
)
@pytest.mark.parametrize("how", ["full", "limited"])
def test_no_writer_of_data_ends_the_process(tmp_path: Path, how: str, room: int) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    if how == "full":
        mount = ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", folder]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("no right to mount a file system")
    try:
        done = subprocess.run(
            [sys.executable, "-c", DATA_PROGRAM, how, str(folder), str(tmp_path / "other"), str(room)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
            timeout=300,
        )
    finally:
        if how == "full":
            subprocess.run(["umount", folder], check=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ""
    found = json.loads(done.stdout)
    refused = {name: sentence for name, sentence in found["said"].items() if sentence}
    assert {"copy", "archive", "simulated", "deepsea", "mat", "data set 40 1000"} <= refused.keys()
    assert ("data set 1 3" in refused) == (room < 1 << 20)
    assert ("data set 2 1000" in refused) == (room < 9 << 20)
    sizes = {name: sentence for name, sentence in refused.items() if name != "mat"}
    assert {sentence.rpartition(": ")[2] for sentence in sizes.values()} == {SENTENCE[how]}
    assert not [name for name in found["left"] if name.startswith((".d.h5", "d.", ".large", "copy", ".copy"))]
