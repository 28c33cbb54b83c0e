"""Kinds of options that several tasks have, beside those of ``settings/declaration.py``."""

from typing import Annotated

from annotated_types import Len
from pydantic import AfterValidator

from nasperf360.settings.declaration import Count, Positive


def _ascending(values: list[float]) -> list[float]:
    if values[0] > values[1]:
        raise ValueError("the smaller comes first")
    return values


CountRange = Annotated[list[Count], Len(2, 2), AfterValidator(_ascending)]
"""[least, most], whole numbers."""

PositiveRange = Annotated[list[Positive], Len(2, 2), AfterValidator(_ascending)]
"""[least, most]."""
