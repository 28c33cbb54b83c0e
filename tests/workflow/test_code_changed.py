"""Code that changes while a run is under way: no result names code that it did not run."""

import json
import time

import pytest
from killing import start, write_longer

pytestmark = pytest.mark.slow

METRIC = "workflow/scripts/nasperf360/tasks/darcy/metric.py"
TRAINING = "workflow/scripts/nasperf360/tasks/darcy/training.py"
METHOD = "darcy/wrn-default/0"


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def ended(process):
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 1, output
    return output


def value(checkout, run):
    return json.loads((checkout.folder / f"results/{run}/evaluate/{METHOD}/result.json").read_text())["value"]


def again(checkout, run, target):
    checkout.snakemake("--cores", "1", target, config=(f"run={run}",), file="longer.yaml")


def test_a_metric_that_changes_before_the_evaluation_and_back_after_it(checkout):
    """As by a ``git checkout`` of another branch and back: today's plan, yesterday's metric."""
    write_longer(checkout)
    run, target = "metric", f"results/metric/evaluate/{METHOD}/result.json"
    process = start(checkout, target, run=run)
    wait_for(checkout.folder / f"results/{run}/checkpoints/retrain/{METHOD}/state.pt", process)
    with checkout.edited(METRIC, "return float(relative", "return 0.001 * float(relative"):
        output = ended(process)
        assert "nasperf360/tasks/darcy/metric.py changed since this run was planned; start the same command" in output
        assert "Traceback" not in output
        assert not (checkout.folder / target).exists()
        reason = json.loads((checkout.folder / target).with_name("failure.json").read_text())["reason"]
        assert "metric.py changed" in reason
    again(checkout, run, target)
    assert not (checkout.folder / target).with_name("failure.json").exists()
    right = value(checkout, run)
    with checkout.edited(METRIC, "return float(relative", "return 0.001 * float(relative"):
        again(checkout, run, target)  # planned with that metric, and so a result of it
        assert value(checkout, run) == pytest.approx(right / 1000)
    again(checkout, run, target)
    assert value(checkout, run) == right


def test_code_that_changes_while_a_network_trains(checkout):
    """The training is lost to no one: the same command goes on from its end."""
    write_longer(checkout)
    run, target = "training", f"results/training/retrain/{METHOD}/cost.json"
    process = start(checkout, target, run=run)
    wait_for(checkout.folder / f"results/{run}/checkpoints/retrain/{METHOD}/state.pt", process)
    with checkout.edited(TRAINING, "return (error.norm", "return 0.001 * (error.norm"):
        output = ended(process)
        assert "nasperf360/tasks/darcy/training.py changed since this run was planned" in output
        assert not list((checkout.folder / target).parent.glob("[!f]*"))  # but for failure.json
    again(checkout, run, target)
    log = (checkout.folder / f"results/{run}/logs/retrain/{METHOD}.log").read_text()
    assert "resumed after epoch 16" in log
    assert "refused" not in log


def test_a_comment_that_comes_under_way_stops_nothing(checkout):
    write_longer(checkout)
    run, target = "commented", f"results/commented/evaluate/{METHOD}/result.json"
    process = start(checkout, target, run=run)
    wait_for(checkout.folder / f"results/{run}/checkpoints/retrain/{METHOD}/state.pt", process)
    with checkout.edited(METRIC, "import numpy as np", "import numpy as np  # for means"):
        output = process.communicate(timeout=300)[0]
        assert process.returncode == 0, output
