"""What the jobs of an experiment ask a cluster for: GPUs, minutes, memory.

Snakemake retries by count, whatever the reason. A retry of what is sure to fail again ends at once (``job.py``), so it
asks for next to nothing; only one that had too little memory asks for more.
"""

from dataclasses import dataclass
from pathlib import Path

from nasperf360.failures import is_final, read_failure
from nasperf360.files import remembered


@dataclass(frozen=True)
class Asked:
    """What a job asks for."""

    gpu: int
    runtime: int  # minutes
    mem_mb: int


USUAL = {"preprocess": Asked(gpu=0, runtime=720, mem_mb=4000), "evaluate": Asked(gpu=0, runtime=60, mem_mb=4000)}
EXPERIMENT_MB = 8000
"""Of a search or training: libraries, CUDA, networks and their checkpoints; what it holds of its data comes on top."""
AT_ONCE = Asked(gpu=0, runtime=10, mem_mb=2000)
"""Of a retry that only says again why the last attempt failed."""


def asked(usual: Asked, attempt: int, failure: Path | None, begun: Path) -> Asked:
    """What an attempt at a job asks for.

    Args:
        usual: of a first one.
        attempt: from 1.
        failure: ``failure.json`` of the job, which the last attempt may have left; None: one of an earlier run.
        begun: what it wrote of itself when it began (``stages/training_job.py``), where it is a search or training.
    """
    last = read_failure(failure)
    if attempt > 1 and is_final(last):
        return AT_ONCE
    if attempt > 1 and not last:  # who takes more memory than its job has is killed, without a word
        last = {"mem_mb": usual.mem_mb, **remembered(begun), "kind": "memory"}
    had = max(usual.mem_mb, last.get("mem_mb", 0))  # somebody may have set more since
    return Asked(usual.gpu, usual.runtime, had + usual.mem_mb if last.get("kind") == "memory" else had)
