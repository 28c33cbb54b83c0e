"""The configuration as a user's run has it: ``config/config.yaml`` with some keys given on top."""

from pathlib import Path
from typing import Any

from nasperf360.study import settings

SHIPPED = settings.read_yaml(Path(__file__).resolve().parents[2] / "config" / "config.yaml")


def study(**given: Any) -> settings.Config:
    """The resolved configuration."""
    return settings.resolve(settings.merge(SHIPPED, given))
