"""The 0-1 error of each sample."""

from nasperf360.tasks.shared.mistakes import per_sample as per_sample
