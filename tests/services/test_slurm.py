"""The profile for SLURM, on a real SLURM of one node with a fake GPU."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.slurm import slurm, unavailable

PROFILES = Path(__file__).parents[2] / "profiles"

SNAKEFILE = """
rule all:
    localrule: True
    input: expand("retrain/{seed}.txt", seed=[0, 1])

# The second one's first attempt fails.
rule retrain:
    output: "retrain/{seed}.txt"
    resources: runtime=lambda wildcards, attempt: 2880 * attempt
    shell:
        "echo $SLURM_JOB_ID $CUDA_VISIBLE_DEVICES > {output}; scontrol show job $SLURM_JOB_ID >> {output}; "
        "test {wildcards.seed} = 0 || test -e tried || {{ touch tried; exit 1; }}"
"""


@pytest.fixture
def cluster(tmp_path_factory):
    reason = unavailable()
    if reason:
        pytest.skip(reason)
    with slurm(tmp_path_factory.mktemp("slurm"), gpus=1):
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_gpu_job_per_retraining_and_more_memory_for_a_further_attempt(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    shutil.copytree(PROFILES, tmp_path / "profiles")
    quick = ["--slurm-init-seconds-before-status-checks", "1", "--slurm-no-account"]
    result = subprocess.run(
        [sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/slurm", *quick],
        cwd=tmp_path,
        env={**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stderr
    first, second = ((tmp_path / f"retrain/{seed}.txt").read_text() for seed in (0, 1))
    assert first.split()[0] != second.split()[0]
    for text, attempt in ((first, 1), (second, 2)):
        assert text.split()[1] == "0"  # the node's one GPU
        assert "gres:gpu:1" in text
        assert f"mem={16000 * attempt}M" in text
        assert f"TimeLimit={2 * attempt}-00:00:00" in text
