"""How much a kill costs: less than one checkpoint interval, and the epoch in hand."""

import pytest
import torch

from nasperf360.training import checkpoints
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.loop import run_epochs

INTERVAL = 2.5  # seconds; an epoch takes one, by a clock of the test's own
EPOCHS = 12


class Killed(BaseException):
    """In place of SIGKILL: nothing in the library catches it."""


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    return now


def train(folder, clock, *, killed_in=None) -> list[int]:
    """The epochs begun by one attempt."""
    begun: list[int] = []
    weights = torch.nn.Linear(1, 1)

    def epoch(number):
        begun.append(number)
        if number == killed_in:
            raise Killed
        clock[0] += 1.0
        return {"value": float(number)}

    try:
        history = run_epochs(epoch, EPOCHS, {"w": weights}, seed=0, checkpoint=Checkpoint(folder, {}, INTERVAL))
        assert [row["value"] for row in history] == [float(number) for number in range(EPOCHS)]
    except Killed:
        assert begun[-1] == killed_in
    return begun


@pytest.mark.parametrize("killed_in", range(EPOCHS))
def test_less_than_an_interval_and_an_epoch_is_done_again(tmp_path, clock, capsys, killed_in):
    train(tmp_path, clock, killed_in=killed_in)
    first = train(tmp_path, clock)[0]
    assert 0 <= killed_in - first < INTERVAL + 1
    line = f"{tmp_path}: resumed after epoch {first}\n"
    assert (line in capsys.readouterr().err) == (first > 0)


def test_a_finished_job_trains_nothing_again(tmp_path, clock):
    assert len(train(tmp_path, clock)) == EPOCHS
    assert train(tmp_path, clock) == []
