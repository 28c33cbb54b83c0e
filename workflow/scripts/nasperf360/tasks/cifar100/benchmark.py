"""CIFAR-100 as the benchmark took it: from the archive of its authors."""

from nasperf360.tasks.cifar100.data import preprocess as preprocess

SAMPLES = {"train": 40_000, "valid": 10_000, "test": 10_000}
