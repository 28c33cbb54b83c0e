"""Darcy Flow as the benchmark took it: from the files of the Fourier neural operator's authors."""

from nasperf360.tasks.darcy.data import preprocess as preprocess

SAMPLES = {"train": 900, "valid": 100, "test": 100}
