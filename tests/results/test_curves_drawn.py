"""Histories as curves: mean and range over seeds, progress of searches as an error that only falls, and the figure."""

import json

import matplotlib.text
import numpy as np
import pandas as pd
import pytest

from nasperf360.errors import DataError
from nasperf360.figures import curves, style
from nasperf360.study import paths
from nasperf360.tables.histories import BEST, TRAINING, VALIDATION, read_histories
from nasperf360.tables.tasks import task_frame

KEYS = [("darcy", "wrn-asha", 0), ("darcy", "wrn-asha", 1), ("ecg", "amber-enas", 0), ("ecg", "wrn-default", 0)]
HIGHER = {"darcy": False, "ecg": True}
SEARCHES = {
    KEYS[0]: "trial,epochs,diverged,valid_score\n0,1,0,0.5\n1,1,1,\n1,1,0,0.3\n2,1,0,0.4\n",
    KEYS[1]: "trial,epochs,diverged,valid_score\n0,1,0,0.7\n1,1,0,0.1\n",
    KEYS[2]: "episode,sample,reward\n0,0,0.5\n0,1,0.75\n1,0,0.25\n",
    KEYS[3]: "\n",
}
TRAINED = "epoch,lr,train_loss,valid_loss\n0,0.1,4,\n1,0.1,2,3\n"


@pytest.fixture
def folder(tmp_path):
    for key in KEYS:
        for stage, text in (("search", SEARCHES[key]), ("retrain", TRAINED)):
            path = paths.history_path(tmp_path, stage, key)
            path.parent.mkdir(parents=True)
            path.write_text(text)
            seconds = [3600.0] * max(0, len(text.splitlines()) - 1)
            paths.cost_path(tmp_path, stage, key).write_text(json.dumps({"history_seconds": seconds}))
    return tmp_path


def values(frame, **about):
    for name, value in about.items():
        frame = frame[frame[name] == value]
    return frame["value" if "value" in frame else "mean"].tolist()


def test_searches_get_better_and_what_diverged_or_was_not_measured_is_left_out(folder):
    found = read_histories(folder, KEYS, None, HIGHER)
    assert values(found, stage="search", task="darcy", seed=0, quantity=BEST) == [0.5, 0.5, 0.3, 0.3]
    assert values(found, stage="search", method="amber-enas") == [0.5, 0.25, 0.25]  # errors of rewards
    assert values(found, stage="search", method="wrn-default") == []
    assert values(found, stage="retrain", method="wrn-default", quantity=TRAINING) == [4, 2]
    assert values(found, stage="retrain", method="wrn-default", quantity=VALIDATION) == [3]
    late = found[(found["quantity"] == VALIDATION)].iloc[0]
    assert (late["step"], late["hours"]) == (2, 2.0)


def test_scores_that_are_better_where_higher_become_errors(folder):
    path = paths.history_path(folder, "search", KEYS[3])
    path.write_text("trial,valid_score\n0,0.5\n1,0.75\n")
    found = read_histories(folder, KEYS, None, HIGHER)
    assert values(found, stage="search", method="wrn-default") == [0.5, 0.25]
    assert found[(found["method"] == "wrn-default") & (found["stage"] == "search")]["hours"].isna().all()  # 2 rows, 0 s


def test_a_search_that_seeds_share_is_read_once(folder):
    found = read_histories(folder, KEYS, 1, HIGHER)
    assert set(found[(found["stage"] == "search") & (found["task"] == "darcy")]["seed"]) == {0}


@pytest.mark.parametrize(
    ("stage", "text", "said"),
    [
        ("retrain", "epoch,lr,train_loss\n0,0.1,many\n", ".*'many'"),
        ("retrain", "epoch,lr,train_loss\n0,0.1,4\n1,0.1,0.", "it ends within a line"),
        ("search", "", "it is empty"),
    ],
)
def test_a_damaged_history_is_named(folder, stage, text, said):
    path = paths.history_path(folder, stage, KEYS[0])
    path.write_text(text)
    with pytest.raises(DataError, match=rf"{path}: cannot be read \({said}\); make it anew: .* --force {path}, with"):
        read_histories(folder, KEYS, None, HIGHER)


def test_mean_and_range_over_seeds_and_what_ended_stays(folder):
    numbers = curves.numbers(read_histories(folder, KEYS, None, HIGHER))
    assert list(numbers.columns) == curves.COLUMNS
    search = numbers[(numbers["stage"] == "search") & (numbers["task"] == "darcy")].sort_values("step")
    assert search["mean"].tolist() == pytest.approx([0.6, 0.3, 0.2, 0.2])  # the second seed stays at 0.1
    assert search["low"].tolist() == pytest.approx([0.5, 0.1, 0.1, 0.1])
    assert search["high"].tolist() == pytest.approx([0.7, 0.5, 0.3, 0.3])
    assert search["start"].unique().tolist() == pytest.approx([0.6])
    assert search["seeds"].tolist() == [2, 2, 2, 2]


def test_steps_are_in_order_where_the_first_seed_lacks_the_first(folder):
    path = paths.history_path(folder, "search", KEYS[0])
    path.write_text(path.read_text().replace("0,1,0,0.5", "0,1,1,"))  # its first trial diverged
    numbers = curves.numbers(read_histories(folder, KEYS, None, HIGHER))
    shown = numbers[(numbers["stage"] == "search") & (numbers["task"] == "darcy") & (numbers["quantity"] == BEST)]
    assert shown["step"].tolist() == [1, 2, 3, 4]
    assert shown["start"].tolist() == [0.7] * 4
    assert shown["mean"].tolist()[0] == 0.7


def test_the_figure_shows_every_task_and_says_what_is_simulated(folder, tmp_path):
    tasks = task_frame(["darcy", "ecg", "cosmic"], {}).set_index("task", drop=False)
    numbers = curves.numbers(read_histories(folder, KEYS, None, HIGHER))
    figure = curves.draw(numbers, tasks)
    assert len(figure.axes) == 8  # four panels of each of the two tasks with histories
    style.save(figure, [tmp_path / "curves.svg", tmp_path / "curves.csv"], True, numbers)
    words = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    assert {"Darcy Flow", "ECG", "hours"} <= set(words)
    assert style.RESULTS.sentence in words
    drawn = [line.get_ydata() for line in figure.axes[2].get_lines()]
    assert any(np.allclose(line, [1, 0.5, 1 / 3, 1 / 3]) for line in drawn)  # relative to the first
    assert len(pd.read_csv(tmp_path / "curves.csv")) == len(numbers)


def test_what_no_job_has_timed_leaves_its_panels_without_ticks(folder):
    tasks = task_frame(["darcy", "ecg", "cosmic"], {}).set_index("task", drop=False)
    numbers = curves.numbers(read_histories(folder, KEYS, None, HIGHER)).assign(hours=np.nan)
    panels = curves.draw(numbers, tasks).axes
    assert [bool(panel.get_lines()) for panel in panels] == [True, False] * 4
    assert [len(panel.get_xticks()) > 0 for panel in panels] == [True, False] * 4


def test_a_run_without_histories_is_drawn():
    tasks = task_frame(["darcy"], {}).set_index("task", drop=False)
    figure = curves.draw(curves.numbers(read_histories("nowhere", KEYS, None, HIGHER)), tasks)
    assert any("no search or training" in text.get_text() for text in figure.texts)
