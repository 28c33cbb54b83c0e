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
    "model": lambda: write_model(folder / "model.pt", torch.nn.Linear(1000, 1000)),
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
