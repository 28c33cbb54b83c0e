"""How long a study takes on so many GPUs."""

from dataclasses import replace

import pytest

from nasperf360.estimate.estimate import Cell
from nasperf360.estimate.makespan import Chain, chains, makespan, makespans, table
from nasperf360.figures.makespan import draw


def cell(stage, jobs, hours, method="wrn-asha"):
    return Cell("ecg", method, stage, jobs, hours, memory=1.0)


def test_one_gpu_takes_the_sum_and_many_the_longest_chain():
    study = [Chain(3.0, (1.0, 1.0)), Chain(0.5, (0.5,)), Chain(0.0, (2.0,))]
    assert makespan(study, 1).hours == makespan(study, 1).busy == 8.0
    assert makespan(study, 99).hours == 4.0


def test_a_training_waits_for_its_search():
    assert makespan([Chain(2.0, (1.0,))], 2).hours == 3.0
    assert makespan([Chain(2.0, (1.0, 1.0))], 2).hours == 3.0
    assert makespan([Chain(2.0, (1.0, 1.0))], 1).hours == 4.0


def test_workers_share_a_search_and_a_training_waits_for_all():
    assert makespan([Chain(4.0, (1.0,), workers=2)], 1).hours == 5.0
    assert makespan([Chain(4.0, (1.0,), workers=2)], 2).hours == 3.0
    assert makespan([Chain(3.0, (1.0, 1.0), workers=3)], 2).hours == 3.0
    assert makespan([Chain(4.0, (1.0,), workers=2)], 2).busy == 5.0
    cells = [replace(cell("search", 1, 4.0), workers=2), cell("retrain", 1, 1.0)]
    assert chains(cells) == [Chain(4.0, (1.0,), workers=2)]


def test_the_longest_work_goes_first():
    """By hand: 4 beside 2 and 2; shortest first would take 6."""
    assert makespan([Chain(0.0, (2.0,)), Chain(0.0, (2.0,)), Chain(0.0, (4.0,))], 2).hours == 4.0


@pytest.mark.parametrize("gpus", [1, 2, 3, 5, 8])
def test_no_schedule_beats_its_bounds_or_is_twice_as_long(gpus):
    study = [Chain(1.0 + number % 7, (0.3 * (1 + number % 3),) * 2) for number in range(23)]
    found = makespan(study, gpus)
    least = max(found.busy / gpus, max(chain.search + max(chain.trainings) for chain in study))
    assert least - 1e-9 <= found.hours <= 2 * least


def test_seeds_are_chains_and_searches_may_be_shared():
    assert chains([cell("search", 2, 3.0), cell("retrain", 2, 1.0)]) == [Chain(3.0, (1.0,))] * 2
    assert chains([cell("search", 2, 3.0), cell("retrain", 5, 1.0)]) == [Chain(3.0, (1.0,) * 3), Chain(3.0, (1.0,) * 2)]
    assert chains([cell("search", 2, None), cell("retrain", 2, 1.0)]) == [Chain(0.0, (1.0,))] * 2
    assert chains([cell("search", 3, 1.0)]) == [Chain(1.0, ())] * 3


def test_table_and_figure_hold_the_numbers():
    found = makespans([Chain(24.0, (24.0,)), Chain(24.0, (24.0,))], [1, 2, 4])
    assert found["days"].tolist() == [4.0, 2.0, 2.0]
    assert found["gpu_hours"].tolist() == [96.0, 96.0, 192.0]
    assert table(found).splitlines()[-1].split() == ["4", "2.00", "192.0", "50%"]
    days, hours = draw(found, "title").axes
    assert days.lines[0].get_ydata().tolist() == [4.0, 2.0, 2.0]
    assert hours.lines[1].get_ydata().tolist() == [96.0] * 3
