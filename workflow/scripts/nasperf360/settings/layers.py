"""Settings in layers: the more special ones win over the more general."""

from collections.abc import Iterable, Mapping
from typing import Any


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Later layers win; mappings are merged key by key, lists are replaced whole.

    A mapping with another ``name`` than before, such as another schedule, is replaced whole too: what the one takes,
    the other need not know. Keys are in order at every level, wherever they were written: Snakemake compares params as
    text.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            merged[key] = merge(merged[key], value) if _merges(merged.get(key), value) else _in_order(value)
    return dict(sorted(merged.items(), key=lambda item: str(item[0])))


def _merges(before: Any, value: Any) -> bool:
    if not (isinstance(before, Mapping) and isinstance(value, Mapping)):
        return False
    return "name" not in before or before["name"] == value.get("name", before["name"])


def _in_order(value: Any) -> Any:
    if isinstance(value, Mapping):
        return merge(value)
    return [_in_order(item) for item in value] if isinstance(value, list) else value


def layered(section: Mapping[str, Mapping[str, Any] | None], names: Iterable[str]) -> dict[str, Any]:
    """The layers of these names, the most general first, as one; those that the section lacks or leaves empty aside."""
    return merge(*(section.get(name) or {} for name in names))


def without_nulls(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those that a layer takes back by null, so that the default holds."""
    return {
        key: without_nulls(value) if isinstance(value, Mapping) else value
        for key, value in settings.items()
        if value is not None
    }
