"""The csv of a table or a figure, read again by what is made of it."""

from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import TextIO

import pandas as pd

from nasperf360.errors import DataError, again

TEXT, NUMBER, COUNT, FLAG = "str", "float64", "int64", "bool"
COUNT_IF_ANY, FLAG_IF_ANY = "Int64", "boolean"
"""Kinds of columns; those of texts and numbers may have empty entries too."""


def whole(path: str | Path | TextIO) -> str:
    """The text of a csv that ends with a line.

    Raises:
        ValueError: it does not.
    """
    text = Path(path).read_text(encoding="utf-8") if isinstance(path, str | Path) else path.read()
    if not text.endswith("\n"):
        raise ValueError("it ends within a line" if text else "it is empty")
    return text


def read_table(path: str | Path | TextIO, kinds: Mapping[str, str], optional: Iterable[str] = ()) -> pd.DataFrame:
    """A table as it was written, an empty one with the same types.

    Args:
        path: of the csv, or its text as a stream.
        kinds: by column.
        optional: those that the table may lack.

    Raises:
        DataError: the file is damaged: it ends within a line, lacks a column, or an entry is of another kind.
    """
    try:
        table = pd.read_csv(StringIO(whole(path)), dtype=dict(kinds))
        lacking = [name for name in kinds if name not in table.columns and name not in optional]
        if lacking:
            raise ValueError(f"it lacks the columns {', '.join(lacking)}")
    except ValueError as error:  # pandas' own errors are such
        raise DataError(f"{path}: cannot be read ({' '.join(str(error).split())}); {again(path)}") from error
    return table
