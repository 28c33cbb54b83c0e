"""Write what is made from the sources: schema and tables of the configuration, rule graph and picture of README.md.

python docs/generate.py            write them
python docs/generate.py --check    fail, and say which, if they are out of date
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic.json_schema import models_json_schema

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.registry import names
from nasperf360.settings.config_model import Configuration
from nasperf360.settings.declaration import Settings
from nasperf360.settings.messages import alternatives, any_of
from nasperf360.spaces.shared.space_spec import space_spec
from nasperf360.tasks.shared.task_spec import task_spec
from nasperf360.training.settings import RetrainSettings

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
SCHEMA_HEAD = """\
# For editors; made by docs/generate.py from settings/config_model.py and each spec.py of workflow/scripts/nasperf360.
# config/README.md shows the same as tables.
"""

Model = type[Settings]


def sections() -> dict[str, dict[str, Model]]:
    """The settings of each section of the configuration by task, space or algorithm."""
    tasks = {name: task_spec(name) for name in names("tasks")}
    return {
        "simulate": {name: task.simulate for name, task in tasks.items() if task.simulate},
        "preprocess": {name: task.preprocess for name, task in tasks.items()},
        "spaces": {name: space_spec(name).settings for name in names("spaces")},
        "search": {name: algorithm_spec(name).settings for name in names("algorithms")},
        "retrain": dict.fromkeys(names("spaces"), RetrainSettings),
    }


def config_schema() -> str:
    """The JSON schema of the configuration and of all settings in it, for editors."""
    parts = sections()
    models = list(dict.fromkeys(model for part in parts.values() for model in part.values()))
    references, definitions = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/$defs/{model}"
    )
    schema = Configuration.model_json_schema()
    shared = schema.pop("$defs") | {name: _of_layers(entry) for name, entry in definitions.get("$defs", {}).items()}
    shared["Layer"] = {"enum": ["all", "point", "dense", "1d", "2d", *names("tasks")]}
    for section, of in parts.items():
        entries: dict[str, Any] = {}
        for name, model in of.items():
            given = {"anyOf": [references[model, "validation"], {"type": "null"}]}
            layered = {"type": "object", "propertyNames": {"$ref": "#/$defs/Layer"}, "additionalProperties": given}
            entries[name] = given if section in ("simulate", "preprocess") else layered
        schema["properties"][section] |= {"properties": entries, "additionalProperties": False}
    schema["required"] = []  # the scale gives what the user does not
    whole = _untitled({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": shared})
    for entry in (*whole["properties"].values(), *whole["$defs"].values()):
        if "properties" in entry:
            entry["properties"] = {name: _Line(value) for name, value in entry["properties"].items()}
    return SCHEMA_HEAD + yaml.dump(whole, sort_keys=False, default_flow_style=None, width=120, Dumper=_WithoutAliases)


class _WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


class _Line(dict[str, Any]):
    """A mapping that is written on one line."""


_WithoutAliases.add_representer(
    _Line, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)
)


def _of_layers(entry: dict[str, Any]) -> dict[str, Any]:
    """Settings of which other layers may give the rest, and take any back by null."""
    optional = {key: value for key, value in entry.items() if key != "required"}
    optional["properties"] = {
        name: {"anyOf": [_any_member(value), {"type": "null"}]} for name, value in entry.get("properties", {}).items()
    }
    return optional


def _any_member(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the name that tells members apart, several may fit."""
    return {
        {"oneOf": "anyOf"}.get(key, key): [_any_member(member) for member in value] if key.endswith("Of") else value
        for key, value in schema.items()
        if key != "discriminator"
    }


def _untitled(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key not in ("title", "expected") or isinstance(value, dict)}
    return {key: _untitled(value) for key, value in kept.items()}


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def config_table() -> str:
    """Every key of the configuration: type, default, meaning, what it reruns."""
    schema = Configuration.model_json_schema()
    rows = []
    for key, entry in schema["properties"].items():
        default = _default(entry, "by scale")
        rows.append([f"`{key}`", _kind(entry, schema), default, entry["description"], entry["reruns"]])
    return table(["key", "type", "default", "what it means", "what a change reruns"], rows)


def settings_tables() -> str:
    """The settings of training, spaces, searches and tasks: type, range, default, meaning."""
    parts, head = sections(), ["setting", "type", "default", "what it means"]
    switches = {name: task_spec(name).switches for name in names("tasks")}
    blocks = ["### Training", "`retrain.<space>.<layer>`.", table(head, list(_rows(RetrainSettings)))]
    for title, where, kind, models in (
        ("Search spaces", "`spaces.<space>.<layer>`", "space", parts["spaces"]),
        ("Searches", "`search.<algorithm>.<layer>`", "algorithm", parts["search"]),
        ("Preprocessing", "`preprocess.<task>`", "task", parts["preprocess"]),
        ("Simulators", "`simulate.<task>`", "task", parts["simulate"]),
        ("Switches of tasks", "`task` in the settings of searches and of training", "task", switches),
    ):
        nothing = [name for name, model in models.items() if not model.model_fields]
        text = f"{where}; nothing for {', '.join(nothing)}." if nothing else f"{where}."
        rows = [[name, *row] for name, model in models.items() for row in _rows_but_those_of_training(model)]
        blocks += [f"### {title}", text, table([kind, *head], rows)]
    return "\n\n".join(blocks)


def settings_rows(model: Model | None, where: str) -> list[list[str]]:
    """Setting, type, default and meaning of a model's settings, ``where`` before their names; none of no model."""
    return [[f"`{where}`: {name}", *about] for name, *about in _rows_but_those_of_training(model)] if model else []


def _rows_but_those_of_training(model: Model) -> Iterator[list[str]]:
    training = list(_rows(RetrainSettings))
    yield from (row for row in _rows(model) if row not in training)
    if shared := list(dict.fromkeys(f"{row[0].split('.')[0].strip('`')}" for row in _rows(model) if row in training)):
        yield [", ".join(f"`{name}`" for name in shared), "as in training", "", ""]


def _rows(model: Model) -> Iterator[list[str]]:
    """One for each setting; those within mappings with dots."""
    whole = model.model_json_schema()
    yield from _rows_of(whole, whole, "")


def _rows_of(schema: dict[str, Any], whole: dict[str, Any], prefix: str) -> Iterator[list[str]]:
    for name, entry in schema.get("properties", {}).items():
        members = [member for member in alternatives(entry, whole) if member.get("type") != "null"]
        lists = [item for member in members if "items" in member for item in alternatives(member["items"], whole)]
        inner = [member for member in (*members, *lists) if "properties" in member]
        if any(member.get("title", "").endswith("Overrides") for member in members):
            yield [f"`{prefix}{name}`", "a mapping, as in training", "`{}`", entry.get("description", "")]
            continue
        default = _default(entry, "none" if name in schema.get("required", []) else "as follows")
        if "const" not in entry:
            yield [f"`{prefix}{name}`", _kind(entry, whole), default, entry.get("description", "")]
        for member in inner:
            place = f"{prefix}{name}{'' if member in members else '[]'}"
            choice = member["properties"].get("name", {}).get("const")
            for row in _rows_of(member, whole, f"{place}."):
                yield [row[0] + (f" ({choice})" if choice else ""), *row[1:]]


def _kind(entry: dict[str, Any], whole: dict[str, Any]) -> str:
    members = list(alternatives(entry, whole))
    by_name = [member["properties"]["name"]["const"] for member in members if entry.get("discriminator")]
    if by_name:
        return f"a mapping whose `name` is one of {', '.join(by_name)}"
    return any_of(members)


def _default(entry: dict[str, Any], none: str) -> str:
    if "default" not in entry:
        return none
    text = yaml.dump(entry["default"], default_flow_style=True, width=10_000, sort_keys=False, Dumper=_WithoutAliases)
    return f"`{text.removesuffix(chr(10)).removesuffix(chr(10) + '...')}`"


def from_declarations() -> dict[Path, str]:
    """The files made from the declarations of settings, with what they should hold."""
    page = ROOT / "config" / "README.md"
    text = replaced(page.read_text(encoding="utf-8"), "keys", config_table())
    return {SCHEMA: config_schema(), page: replaced(text, "settings", settings_tables())}


def rule_graph() -> str:
    """The rules of the study as a Mermaid graph."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--rulegraph",
        "mermaid-js",
        "--config",
        "run=rule-graph",
        "--",
        "all",
    ]
    graph = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    # Snakemake numbers and orders the rules anew at each call: name and sort them.
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", graph))
    edges = sorted(f"    {names[left]} --> {names[right]}" for left, right in re.findall(r"(id\d+) --> (id\d+)", graph))
    return "\n".join(["```mermaid", "flowchart TB", *edges, "```"])


def picture() -> bytes:
    """Figure 1, recomputed from the paper's printed results."""
    name = "results/reference/figures/profiles_settings.png"
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "all", "--", name]
    subprocess.run(command, cwd=ROOT, check=True)
    return (ROOT / name).read_bytes()


def replaced(text: str, name: str, content: str) -> str:
    """``text`` with the part between the markers of ``name`` replaced."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    return re.sub(f"{begin}.*{end}", lambda _: f"{begin}\n{content}\n{end}", text, flags=re.DOTALL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    made = {
        ROOT / "docs" / "profiles_settings.png": picture(),
        ROOT / "README.md": replaced(
            (ROOT / "README.md").read_text(encoding="utf-8"), "rule graph", rule_graph()
        ).encode(),
        **{path: text.encode() for path, text in from_declarations().items()},
    }
    stale = [path for path, content in made.items() if not path.exists() or path.read_bytes() != content]
    if not check:
        for path in stale:
            path.write_bytes(made[path])
    if check and stale:
        names = ", ".join(path.relative_to(ROOT).as_posix() for path in stale)
        print(f"out of date: {names}; run python docs/generate.py", file=sys.stderr)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
