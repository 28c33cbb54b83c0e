"""The manifest of a processed data set: what it says, checked where one is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Len
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nasperf360.errors import DataError

Origin = Literal["simulated", "original", "benchmark"]
Name = Annotated[str, Len(1)]
Fields = Mapping[str, Mapping[str, Any]]
"""Of a split: ``shape`` of a sample and ``dtype`` of each field."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class FieldEntry(_Strict):
    """One field of a split: shape of a sample, and type of its values."""

    shape: list[Annotated[int, Field(ge=1)]]
    dtype: Annotated[str, Field(pattern="^(bool|u?int(8|16|32|64)|float(16|32|64))$")]


class SplitEntry(_Strict):
    """One split: how many samples, and its fields, ``x`` and ``y`` among them."""

    samples: Annotated[int, Field(ge=1)]
    fields: dict[Name, FieldEntry]


class Manifest(_Strict):
    """What a manifest must say; more is allowed."""

    task: Name
    origin: Origin
    licence: Name
    splits: dict[Literal["train", "valid", "test", "final_train", "final_test", "noise"], SplitEntry]
    bytes: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def read_manifest(content: Any, where: str | Path, mend: str) -> Mapping[str, Any]:
    """The content of a manifest, checked.

    Args:
        content: what stands in the file.
        where: its path or address.
        mend: the sentence's end.

    Raises:
        DataError: it lacks what a reader needs, or splits or fields that belong together.
    """
    if not isinstance(content, Mapping):
        raise DataError(f"{where}: not a manifest of a data set; {mend}")
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(part for part in map(str, fault["loc"]) if part != "[key]")
        if fault["type"] == "missing":
            raise DataError(f"{where}: no '{key}' in the manifest of the data set; {mend}") from error
        raise DataError(f"{where}: '{key}' in the manifest: {fault['msg']}; {mend}") from error
    names = manifest.splits.keys()
    absent = [name for name in ("train", "valid", "test") if name not in names]
    if ("final_train" in names) != ("final_test" in names):
        absent.append("final_test" if "final_train" in names else "final_train")
    if absent:
        raise DataError(f"{where}: no split '{absent[0]}' in the manifest; {mend}")
    for name, split in manifest.splits.items():
        for field in ("x", "y"):
            if field not in split.fields:
                raise DataError(f"{where}: no field '{field}' of the split '{name}' in the manifest; {mend}")
    fields = {name: split.model_dump()["fields"] for name, split in manifest.splits.items()}
    check_alike({name: fields[name] for name in ("train", "valid")}, where, mend)
    for name, split in manifest.splits.items():
        for field in ("x", "y"):
            first, here = manifest.splits["train"].fields[field], split.fields[field]
            if (first.dtype, len(first.shape)) != (here.dtype, len(here.shape)):
                raise DataError(f"{where}: '{field}' of '{name}' is of another kind than that of 'train'; {mend}")
    return content


def check_alike(splits: Mapping[str, Fields], where: str | Path, mend: str) -> None:
    """Splits whose samples may follow each other, as the final training's, hold the same fields of the same kind.

    Args:
        splits: the fields of each by its name.
        where: the file.
        mend: the sentence's end.

    Raises:
        DataError: they differ; names the first field that does.
    """
    expected, *others = splits.values()
    for found in others:
        for field in sorted({*expected, *found}):
            if expected.get(field) != found.get(field):
                kinds = " and ".join(f"{_said(fields.get(field))} in '{split}'" for split, fields in splits.items())
                raise DataError(f"{where}: '{field}' is {kinds}, which cannot follow each other; {mend}")


def _said(entry: Mapping[str, Any] | None) -> str:
    return f"{entry['dtype']} of {tuple(entry['shape'])}" if entry else "missing"
