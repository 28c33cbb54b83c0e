"""Snakemake looks for work when a job ends, and not over and over for each that it ever started."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from snakemake.scheduling.job_scheduler import JobRateLimiter
from snakemake.settings.types import MaxJobsPerTimespan

from nasperf360.stages.code_digest import SCRIPTS
from nasperf360.stages.scheduling import wake_by_jobs_alone

JOBS = 12
WORKFLOW = f"""
from nasperf360.stages.scheduling import wake_by_jobs_alone

onstart:
    BODY

rule all:
    input: expand("{{job}}.txt", job=range({JOBS}))

rule job:
    output: "{{job}}.txt"
    shell: "sleep 0.5; touch {{output}}"
"""


def looks(folder, body):
    """How often a run looked for work."""
    folder.mkdir()
    (folder / "Snakefile").write_text(WORKFLOW.replace("BODY", body))
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "--scheduler", "greedy", "--verbose"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(list(folder.glob("*.txt"))) == JOBS
    return done.stderr.count("Ready jobs: ")


def test_a_run_looks_for_work_once_for_each_job(tmp_path):
    """By itself Snakemake takes several for each of these 12 jobs, and more the more there were before it."""
    assert looks(tmp_path / "woken", "wake_by_jobs_alone(workflow.scheduler)") <= JOBS + 2
    assert looks(tmp_path / "plain", "pass") > 2 * JOBS


@pytest.mark.parametrize(
    ("limit", "stays"), [("100/1s", False), ("1000/1s", False), ("5/1s", True), ("100/1m", True), (None, False)]
)
def test_a_limit_that_somebody_set_stays(limit, stays):
    limiter = JobRateLimiter(MaxJobsPerTimespan.parse_choice(limit)) if limit else None
    scheduler = SimpleNamespace(job_rate_limiter=limiter)
    wake_by_jobs_alone(scheduler)
    assert scheduler.job_rate_limiter is (limiter if stays else None)
