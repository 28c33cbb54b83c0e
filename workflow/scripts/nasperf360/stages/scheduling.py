"""Snakemake's scheduler, which a limit of jobs per second wakes far too often."""

from typing import Any


def wake_by_jobs_alone(scheduler: Any) -> None:
    """Let a scheduler look for work when a job ends, and not each second too for every job that it ever started.

    Snakemake always has a limit of jobs per span (``--max-jobs-per-timespan``, 100 a second), and each look for work
    asks for another one a span later. After some hundred jobs these looks take a whole core, and are still growing.

    Args:
        scheduler: ``workflow.scheduler``; a limit over a longer span, which somebody set, stays.
    """
    limiter = scheduler.job_rate_limiter
    if limiter and limiter.timespan <= 1:
        scheduler.job_rate_limiter = None
