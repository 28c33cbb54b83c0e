"""What is wrong with settings, in one sentence: the key, what was given, what is allowed, what was probably meant.

A validator of one field raises a ValueError that completes "<key>: <value> was given; ...", one of a whole model a
sentence of its own, which names the fields that do not go together.
"""

import datetime
import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

NUMBER_WORDS = {1: "one", 2: "two", 3: "three", 4: "four"}

MISSING = "missing"
KEY = "[key]"
UNKNOWN = ("extra_forbidden", "invalid_key")

Keys = tuple[str | int, ...]


def unknown_name(start: str, name: str, known: Iterable[str]) -> str:
    """The sentence ``start``, completed with what was probably meant and what is allowed."""
    close = difflib.get_close_matches(name, known := list(known), 1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{start}; {hint}allowed are {', '.join(known)}" if known else f"{start}; there are none, remove it"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with given settings.

    Args:
        path: keys that lead to it.
        kind: what pydantic calls it.
        value: what was given there; the whole mapping where an entry of it is missing.
        message: pydantic's or a validator's.
        members: of unions, as pydantic calls them, in which this was found wrong.
    """

    path: Keys
    kind: str
    value: Any
    message: str
    members: frozenset[str | int] = frozenset()

    @property
    def is_relation(self) -> bool:
        """Whether it is about fields that do not go together."""
        return self.kind == "value_error" and isinstance(self.value, Mapping)


def faults(error: ValidationError, given: Any) -> list[Fault]:
    """All that is wrong. Of a choice between kinds of values, what is wrong deepest inside the value.

    Args:
        error: of validating.
        given: what was validated.
    """
    found: list[Fault] = []
    for entry in error.errors():
        context = entry.get("ctx", {})
        path, kind, value = _path(entry["loc"], given, entry["type"]), entry["type"], entry["input"]
        members = frozenset(entry["loc"]) - set(path)
        if KEY in members:  # the key itself is wrong
            path = path[:-1]
        if kind in ("union_tag_not_found", "union_tag_invalid"):  # of the entry that says which member it is
            name = context["discriminator"].strip("'")
            path, kind, value = (*path, name), MISSING if name not in value else kind, value.get(name)
        found.append(Fault(path, kind, value, str(context.get("error", entry["msg"])), members))
    deeper = {fault.path[:end] for fault in found for end in range(len(fault.path))}
    return [fault for fault in found if fault.path not in deeper or fault.is_relation]


def _path(location: Keys, given: Any, kind: str) -> Keys:
    """Keys and indices of a location, without the words by which pydantic tells the members of a union apart."""
    path: list[str | int] = []
    for position, part in enumerate(location):
        is_last = position == len(location) - 1
        if isinstance(given, Mapping) and (part in given or (is_last and kind == MISSING)):
            given = given.get(part)
        elif isinstance(given, list) and isinstance(part, int):
            given = given[part]
        else:
            continue
        path.append(part)
    return tuple(path)


def sentence(fault: Fault, model: type[BaseModel], where: str = "", noun: str = "setting") -> str:
    """What is wrong with one value.

    Args:
        fault: of settings of this model.
        model: their declaration.
        where: the key of the configuration that holds them.
        noun: what its keys are called.
    """
    key = _joined(where, *fault.path)
    schemas = schemas_at(model, fault.path, fault.members)
    if KEY in fault.members:
        schemas = [schema.get("propertyNames", {}) for schema in schemas]
    given = _shown(fault.value)
    match fault.kind:
        case "extra_forbidden" | "invalid_key":
            name, parent = str(fault.path[-1]), fault.path[:-1]
            start = f"unknown {noun} '{name}'"
            above = _joined(where, *parent)
            known = sorted(
                {field for schema in schemas_at(model, parent, fault.members) for field in schema.get("properties", {})}
            )
            return unknown_name(f"{above}: {start}" if above else start, name, known)
        case "missing":
            return f"{key} is missing"
        case "value_error" if fault.is_relation:
            return f"{key}: {fault.message}" if key else fault.message
        case "value_error":
            return f"{key}: {given} was given; {fault.message}"
    if not schemas:
        return f"{key}: {given} was given: {fault.message}"
    expected = any_of(schemas)
    if all(_is_text(schema) for schema in schemas) and (kind := kind_of_unquoted(fault.value)):
        text = f"{key}: {given} was given, which is a {kind} to YAML; {expected} is expected: put it in quotes"
        # Snakemake takes quotes away from a value of --config, but not YAML's tag of text.
        where_else = f", {key}: \"...\" in a file, --config '{key}=!!str ...' on the command line"
        return text if len(fault.path) > 1 else text + where_else
    return f"{key}: {given} was given, {expected} is expected"


def _is_text(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "string" and not {"enum", "const"} & schema.keys()


def _joined(*parts: str | int) -> str:
    return ".".join(str(part) for part in parts if part != "")


def _shown(value: Any) -> str:
    if value == [] and isinstance(value, list):
        return "an empty list"
    text = str(value) if isinstance(value, datetime.date) else repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."


def kind_of_unquoted(value: Any) -> str | None:
    """What YAML, or Snakemake's ``--config``, made of a text without quotes; None where it may have had some."""
    match value:
        case bool():
            return "truth value"
        case int() | float():
            return "number"
        case datetime.date():
            return "date"
    return None


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def schemas_at(model: type[BaseModel], path: Keys, members: Collection[Any] = ()) -> list[dict[str, Any]]:
    """What may stand at a path: the JSON schemas of a field, of each kind where there are several."""
    whole = _schema(model)
    found = list(alternatives(whole, whole, members))
    for part in path:
        found = [
            kind for schema in found for below in _below(schema, part) for kind in alternatives(below, whole, members)
        ]
    return [schema for schema in found if schema.get("type") != "null"]


def names_at(model: type[BaseModel], path: Keys) -> list[str]:
    """The names that an entry may have that says which of several kinds of settings a mapping holds; else none."""
    schemas = schemas_at(model, path)
    return [schema["const"] for schema in schemas] if all("const" in schema for schema in schemas) else []


def _below(schema: Mapping[str, Any], part: str | int) -> Iterator[Any]:
    if part in schema.get("properties", {}):
        yield schema["properties"][part]
    elif isinstance(part, int) and "items" in schema:
        yield schema["items"]
    elif isinstance(schema.get("additionalProperties"), Mapping):
        yield schema["additionalProperties"]


def alternatives(schema: Mapping[str, Any], whole: Mapping[str, Any], members: Collection[Any] = ()) -> Iterator[Any]:
    """A JSON schema without references, or each of those that it is a choice of.

    Args:
        schema: part of ``whole``.
        whole: holds the definitions.
        members: of choices by name, the one that is taken.
    """
    by_name = schema.get("discriminator", {}).get("mapping", {})
    if "$ref" in schema:
        yield from alternatives(whole["$defs"][schema["$ref"].rpartition("/")[2]], whole, members)
    elif taken := [name for name in by_name if name in members]:
        yield from alternatives({"$ref": by_name[taken[0]]}, whole, members)
    elif "expected" not in schema and (choices := schema.get("anyOf") or schema.get("oneOf")):
        for choice in choices:
            yield from alternatives(choice, whole, members)
    else:
        yield schema


def any_of(schemas: Iterable[Mapping[str, Any]]) -> str:
    """What one of these JSON schemas takes, in words; fixed values first, as one of a list."""
    fixed: list[Any] = []
    others: list[str] = []
    for schema in schemas:
        if "expected" not in schema and ("enum" in schema or "const" in schema):
            fixed += schema.get("enum") or [schema["const"]]
        else:
            others.append(expectation(schema))
    names = ", ".join(map(str, dict.fromkeys(fixed)))
    if len(fixed) > 1:
        names = f"one of {names}"
    return " or ".join(dict.fromkeys([*([names] if names else []), *others]))


def expectation(schema: Mapping[str, Any]) -> str:
    """The type and range of a JSON schema in words: a whole number of at least 1; one of halves, same."""
    if "expected" in schema:
        return str(schema["expected"])
    if "enum" in schema or "const" in schema:
        return any_of([schema])
    if choices := schema.get("anyOf"):
        return any_of(choices)
    match schema.get("type"):
        case "boolean":
            return "true or false"
        case "integer":
            return f"a whole number{_range(schema)}"
        case "number":
            return f"a number{_range(schema)}"
        case "string":
            return "a text"
        case "array":
            return f"a list{_length(schema)} {_plural(expectation(schema.get('items', {})))}"
        case "null":
            return "null"
    return "a mapping" if schema.get("type") == "object" or "$ref" in schema else "any value"


def _range(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"minimum": least, "maximum": most}:
            return f" from {least:g} to {most:g}"
        case {"minimum": least, "exclusiveMaximum": below}:
            return f" of at least {least:g} and below {below:g}"
        case {"exclusiveMinimum": above, "exclusiveMaximum": below}:
            return f" above {above:g} and below {below:g}"
        case {"exclusiveMinimum": above, "maximum": most}:
            return f" above {above:g}, up to {most:g}"
        case {"minimum": least}:
            return f" of at least {least:g}"
        case {"exclusiveMinimum": above}:
            return f" above {above:g}"
        case {"maximum": most}:
            return f" of at most {most:g}"
    return ""


def _length(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"minItems": least, "maxItems": most} if least == most:
            return f" of {NUMBER_WORDS.get(least, least)}"
        case {"minItems": least}:
            return f" of {NUMBER_WORDS.get(least, least)} or more"
    return " of"


def _plural(expected: str) -> str:
    for one, many in (("a whole number", "whole numbers"), ("a number", "numbers"), ("a text", "texts")):
        if expected.startswith(one):
            return many + expected.removeprefix(one)
    return {"a mapping": "mappings", "any value": "values"}.get(expected, f"entries, each {expected}")
