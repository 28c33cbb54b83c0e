"""Cosmic from the benchmark's copies of deepCR's archives."""

from nasperf360.tasks.cosmic.data import preprocess as preprocess

SAMPLES = {"train": 4_347, "valid": 483, "test": 420}
