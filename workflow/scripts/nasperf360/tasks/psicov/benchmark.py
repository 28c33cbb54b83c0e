"""PSICOV from ``protein.zip``, the benchmark's copy of PDNET's tree."""

from nasperf360.tasks.psicov.data import preprocess as preprocess

SAMPLES = {"train": 3_356, "valid": 100, "test": 150}
