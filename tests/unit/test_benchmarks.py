"""The quick benchmarks run and print their results, at their smallest; no time is asserted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALLEST = {
    "darts_supernet.py --batch 2 --width 8 --depth 3 --repeats 1": ["plain", "grouped", "speed-up"],
    "training_step.py --batch 4 --steps 1 --repeats 1": [
        "wrn-default",
        "densenas-original",
        "densenas-original, search",
        "peak memory",
    ],
    "preprocessing.py darcy": ["task", "darcy"],
    "log_mel.py --turns 1": ["| clip, s | chunks |", "|---|", "| 1.5 | 3 | ", "| 10 | 20 | ", "| 30 | 60 | "],
    "preprocessing.py --share 0.00001 satellite darcy": ["task", "satellite", "darcy"],
    "windows.py --share 0.01 --repeats 1": ["| windows | number |", "|---|", "| EMG | ", "| ECG | "],
    "loading.py --psicov 8 --fsd50k 16 --noise 3 --batches 1 --repeats 1 --step 0.001": [
        "| rows of",
        "|---|",
        "| psicov | before | ",
        "| psicov | after | ",
        "| fsd50k | before | ",
        "| fsd50k | after | ",
        "| fsd50k, augmented | before | ",
        "| fsd50k, augmented | after | ",
    ],
    "steps.py --cases resnet1d wrn --batch 2 --repeats 1": [
        "| step | batch |",
        "|---|",
        "| resnet1d | 2 | ",
        "| wrn | 2 | ",
    ],
    "reader_page.py --seeds 1 --epochs 3": ["56 experiments, 3 epochs: page of"],
    "demo.py HEAD HEAD~0 --config tasks=[satellite] run=mine --plans 1 --targets datasets": [
        "| demo, 1 core(s) | wall s | ratio | CPU s | ratio |",
        "|---|",
        "| HEAD | ",
        "| HEAD~0 | ",
        "",
        "| snakemake -n | wall s | ratio | CPU s | ratio |",
        "|---|",
        "| HEAD | ",
        "| HEAD~0 | ",
    ],
    "publishing.py --gigabytes 0.02": ["| 0.02 GB | seconds", "|---|", "| publish | ", "| fetch | "],
    "planning.py --studies 1x1": ["| tasks x methods x seeds |", "|---|", "| 10 x 1 x 1 | 30 | "],
    "workers.py --trials 2 --epochs 2 --repeats 1": ["| workers |", "|---|", "| 1 | ", "| 2 | "],
    "checkpointing.py --depth 10 --widen 1 --saves 1": ["WRN-10-1", "one save"],
}


@pytest.mark.slow
@pytest.mark.parametrize("command", SMALLEST)
def test_a_benchmark_prints_its_results(command):
    name, *options = command.split()
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / name), *options],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "workflow" / "scripts")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(SMALLEST[command])
    for line, start in zip(lines, SMALLEST[command], strict=True):
        assert line.startswith(start)


@pytest.mark.slow
def test_the_check_of_a_gpu_on_a_cpu(tmp_path):
    """A search and trainings of one task at the smallest batches, killed jobs, and two at once."""
    out, cells = tmp_path / "check.json", ["satellite:wrn-default", "satellite:amber-enas"]
    options = ["--device", "cpu", "--smallest", "--cells", *cells, "--out", str(out)]
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "gpu_check.py"), *options],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    found = {(cell["task"], cell["method"], cell["stage"]): cell for cell in report["cells"]}
    assert [*found] == [
        ("satellite", "wrn-default", "retrain"),
        ("satellite", "amber-enas", "search"),
        ("satellite", "amber-enas", "retrain"),
    ]
    for cell in found.values():
        assert cell["equal"]
        assert cell["batch"] == 2
        assert cell["seconds_per_step"] > 0
        assert cell["operations"] > 50
        assert 0 < cell["roofline_share"] < 2  # of peaks that a machine at work may not reach
        assert cell["peak_gib"] is cell["launches"] is None  # of a GPU alone
    assert report["resumed"] == {"retrain satellite wrn-default": True, "search satellite darts-gaea": True}
    assert report["together"] == {"process 1": True, "process 2": True}
    assert report["faults"] == 0
    assert len([line for line in done.stdout.splitlines() if line.startswith("satellite ")]) == 3
