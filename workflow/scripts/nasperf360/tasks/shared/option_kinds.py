"""Kinds of options that several tasks have, beside those of ``settings/declaration.py``."""

from typing import Annotated

from annotated_types import Len
from pydantic import AfterValidator

from nasperf360.settings.declaration import Count, Positive, Whole


def _ascending(values: list[float]) -> list[float]:
    if values[0] > values[1]:
        raise ValueError("the smaller comes first")
    return values


def _some_rows(rows: list[int]) -> list[int]:
    if rows[0] >= rows[1]:
        raise ValueError("the first row and one past the last are expected")
    return rows


CountRange = Annotated[list[Count], Len(2, 2), AfterValidator(_ascending)]
"""[least, most], whole numbers."""

PositiveRange = Annotated[list[Positive], Len(2, 2), AfterValidator(_ascending)]
"""[least, most]."""

Rows = Annotated[list[Whole], Len(2, 2), AfterValidator(_some_rows)]
"""[first, one past the last]."""
