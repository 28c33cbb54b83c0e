"""The configuration as a user's run has it: ``config/config.yaml`` with some keys given on top."""

from pathlib import Path
from typing import Any

from nasperf360.settings.layers import merge
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.study import configuration

SHIPPED = read_yaml(Path(__file__).resolve().parents[2] / "config" / "config.yaml")


def study(**given: Any) -> configuration.Config:
    """The resolved configuration."""
    return configuration.resolve(merge(SHIPPED, given))
