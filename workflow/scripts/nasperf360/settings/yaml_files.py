"""YAML files, read so that nothing in them is lost without a word: a key given twice is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from nasperf360.errors import UserError, refused_by_system

# The parser in C is ten times as fast; a PyYAML without libyaml lacks it.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"


def read_yaml(path: str | Path) -> Any:
    """What a YAML file holds; None where it is empty.

    Raises:
        UserError: it is missing, cannot be read, is no YAML, gives a key twice, or holds itself by an alias.
    """
    try:
        loader = Loader(Path(path).read_text(encoding="utf-8"))
        try:
            document = loader.get_single_node()
            if document is None:
                return None
            _refuse_recursion(document, (), path)
            _refuse_keys_given_twice(document, loader, path)
            return loader.construct_document(document)
        finally:
            loader.dispose()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise refused_by_system(path, error, "read") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no UTF-8, or a date such as 2024-13-01
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error


def _refuse_keys_given_twice(document: yaml.Node, loader: Any, path: str | Path) -> None:
    for mapping in _mappings(document, set()):
        lines: dict[Any, int] = {}
        for node, _ in mapping.value:
            if not isinstance(node, yaml.ScalarNode) or node.tag == _MERGE:
                continue
            key, line = loader.construct_object(node), node.start_mark.line + 1
            if key in lines:
                raise UserError(
                    f"{path}: line {line}: key '{node.value}' is given twice, first in line {lines[key]}; only one of "
                    f"them would count, so make them one"
                )
            lines[key] = line


def _refuse_recursion(node: yaml.Node, above: tuple[yaml.Node, ...], path: str | Path) -> None:
    if isinstance(node, yaml.ScalarNode):
        return
    if any(node is other for other in above):
        raise UserError(
            f"{path}: line {node.start_mark.line + 1}: by an alias this value holds itself; write out what is meant"
        )
    for entry in node.value:
        for below in entry if isinstance(entry, tuple) else (entry,):
            _refuse_recursion(below, (*above, node), path)


def _mappings(node: yaml.Node, seen: set[int]) -> Iterator[yaml.MappingNode]:
    """All mappings below a node, each once: an alias is the very node of its anchor."""
    if id(node) in seen or isinstance(node, yaml.ScalarNode):
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        yield node
        for key, value in node.value:
            yield from _mappings(key, seen)
            yield from _mappings(value, seen)
    else:
        for item in node.value:
            yield from _mappings(item, seen)
