"""One worker of a shared search as a process of its own: python asha_worker.py FOLDER WORKER OF [TRIAL EPOCHS].

It writes down each rung that it trains, and begins its second trial once all workers have one. With TRIAL and EPOCHS it
kills itself when that trial is at that rung, before the metric is recorded.
"""

import os
import signal
import sys
import time
from pathlib import Path

import torch
from test_asha import problem, space

import synthetic
from nasperf360.algorithms.asha.search import share
from nasperf360.algorithms.shared.trials import Trial
from nasperf360.locks import locked, worker_folder

PATIENCE = 120.0  # seconds, for another process to start
train = Trial.metric_after


def main(folder: Path, worker: int, of: int, die: list[int]) -> None:
    begun = folder / "begun"

    def metric_after(trial: Trial, epochs: int) -> float:
        metric = train(trial, epochs)
        with open(folder / "rungs", "a", encoding="utf-8") as rungs:
            rungs.write(f"{worker} {trial.number} {epochs}\n")
        if [trial.number, epochs] == die:
            os.kill(os.getpid(), signal.SIGKILL)
        (begun / str(worker)).touch()
        waits = time.monotonic() + PATIENCE
        while len(list(begun.iterdir())) < of and time.monotonic() < waits:
            time.sleep(0.01)
        return metric

    Trial.metric_after = metric_after  # type: ignore[method-assign]
    own = folder / f"data-{worker}-{os.getpid()}"
    own.mkdir(parents=True)
    begun.mkdir(exist_ok=True)
    data = synthetic.write(own)
    given = problem(data, folder / "study", workers=2, worker=worker)
    checkpoint = given.checkpoint.folder
    with locked(checkpoint, shared=True), locked(worker_folder(checkpoint, worker)):
        share(space(data), given)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), *map(int, sys.argv[2:4]), list(map(int, sys.argv[4:])))
