"""NinaPro is scored by the 0-1 error."""

from nasperf360.tasks.shared.error_rate import metric as metric
