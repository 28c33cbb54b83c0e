"""Snakemake's scheduler, which a limit of jobs per second wakes far too often."""

from typing import Any

MANY = 100
"""Jobs a second, Snakemake's own limit: so many are as good as no limit."""


def wake_by_jobs_alone(scheduler: Any) -> None:
    """Let a scheduler look for work when a job ends, and not each second too for every job that it ever started.

    Snakemake always has a limit of jobs per span (``--max-jobs-per-timespan``, 100 a second), and each look for work
    asks for another one a span later. After some hundred jobs these looks take a whole core, and are still growing
    (seen also in snakemake/snakemake#3744).

    Args:
        scheduler: ``workflow.scheduler``; a lower limit, which somebody set, stays.
    """
    limiter = getattr(scheduler, "job_rate_limiter", None)
    if limiter and limiter.max_jobs >= MANY and limiter.timespan <= 1:
        scheduler.job_rate_limiter = None
