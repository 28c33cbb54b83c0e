"""Jobs of the project itself on a machine with two GPUs, of which one is taken: they claim the other."""

import json
import os
import subprocess
from uuid import uuid4

import pytest
from checkout import Checkout, environment

from nasperf360.devices.claims import claimed, folder
from nasperf360.devices.listing import Gpu

RUN = "two-gpus"
SEEDS = (0, 1)


@pytest.mark.slow
def test_jobs_claim_the_gpu_that_is_free(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    names = [f"GPU-{uuid4()}" for _ in range(2)]
    program = tmp_path / "nvidia-smi"
    lines = "".join(f"GPU {number}: Made up (UUID: {name})\\n" for number, name in enumerate(names))
    program.write_text(f"#!/bin/sh\nprintf '{lines}'\n")
    program.chmod(0o755)
    config = (f"run={RUN}", "tasks=[satellite]", "methods=[wrn-default]", f"seeds={list(SEEDS)}")
    made = [f"results/{RUN}/retrain/satellite/wrn-default/{seed}/cost.json" for seed in SEEDS]
    command = checkout.command("--cores", "2", *made, config=config)
    command[command.index("gpu=1")] = "gpu=2"
    with claimed([Gpu(names[0], names[0], "taken")], 1, folder()):
        done = subprocess.run(
            command,
            cwd=checkout.folder,
            env={**environment(), "PATH": os.pathsep.join([str(tmp_path), os.environ["PATH"]])},
            capture_output=True,
            text=True,
            timeout=600,
        )
    assert done.returncode == 0, done.stderr[-6000:]
    costs = [json.loads((checkout.folder / path).read_text()) for path in made]
    assert [cost["gpu"] for cost in costs] == [names[1]] * 2
    # Torch sees none of them here, which is said; nobody waits for what it cannot use (who can: test_gpu_claims.py).
    assert all("though a GPU was asked for: torch sees none here" in cost["warning"] for cost in costs)
    for seed, cost in zip(SEEDS, costs, strict=True):
        log = (checkout.folder / f"results/{RUN}/logs/retrain/satellite/wrn-default/{seed}.log").read_text()
        first_lines = log.splitlines()[:2]  # the one that waits says so first
        assert f"retrain satellite wrn-default seed {seed}: Warning: {cost['warning']}" in first_lines
