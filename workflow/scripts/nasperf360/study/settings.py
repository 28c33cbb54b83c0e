"""The configuration: brought to the schema's types, completed from the scale, checked, and cut narrow for each job.

Precedence: schema defaults < ``config/scales/<scale>.yaml`` < ``config/config.yaml`` < ``--configfile`` < ``--config``.
"""

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from nasperf360.algorithms import get_algorithm
from nasperf360.errors import UserError
from nasperf360.setting_names import SWITCHES, TRAINING, SettingNames, unknown_name
from nasperf360.spaces import space_class
from nasperf360.study.options import check_options
from nasperf360.tasks import get_task
from nasperf360.tasks.base import Signature
from nasperf360.training.schedules import learning_rate

Config = dict[str, Any]

ROOT = Path(__file__).parents[4]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
PARTS = {"spaces": "space", "search": "algorithm", "retrain": "space"}
"""Sections with layers of settings, and whose settings they are."""


def read_yaml(path: str | Path) -> Any:
    """A YAML file.

    Raises:
        UserError: missing, or not YAML.
    """
    try:
        return yaml.load(Path(path).read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error


def merge(*layers: Mapping[str, Any]) -> Config:
    """Later layers win; mappings are merged key by key, lists are replaced whole.

    Keys are in order at every level, wherever they were written: Snakemake compares params as text.
    """
    merged: Config = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
            merged[key] = merge(merged[key], value) if both else _in_order(value)
    return dict(sorted(merged.items()))


def _in_order(value: Any) -> Any:
    if isinstance(value, Mapping):
        return merge(value)
    return [_in_order(item) for item in value] if isinstance(value, list) else value


@cache
def names_in(folder: str) -> list[str]:
    """Tasks, spaces or algorithms by name: modules of that folder that define ``TASK``, ``SPACE`` or ``ALGORITHM``."""
    mark = {"tasks": "\nTASK = ", "spaces": "\nSPACE = ", "algorithms": "\nALGORITHM = "}[folder]
    files = sorted((Path(__file__).parents[1] / folder).glob("*.py"))
    return [file.stem for file in files if mark in file.read_text()]


def resolve(given: Mapping[str, Any]) -> Config:
    """The full configuration from what the user gave.

    Args:
        given: ``config.yaml`` overridden by ``--configfile`` and ``--config``, as Snakemake merged them.

    Raises:
        UserError: one line that names the key, what was given, and what is allowed.
    """
    schema = read_yaml(SCHEMA)
    properties = schema["properties"]
    given = {key: _to_schema_type(value, properties.get(key, {})) for key, value in given.items()}
    _check(given, {**schema, "required": []})
    defaults = {key: entry["default"] for key, entry in properties.items() if "default" in entry}
    scale = given.get("scale", defaults["scale"])
    config = merge(defaults, read_yaml(ROOT / "config" / "scales" / f"{scale}.yaml"), given)
    config["run"] = config.get("run") or scale
    config["data_run"] = config.get("data_run") or config["run"]
    _check(config, schema)
    _check_names(config, defaults["methods"])
    return config


def _to_schema_type(value: Any, entry: Mapping[str, Any]) -> Any:
    """Bring a value of ``--config`` to the schema's type: Snakemake hands over text, also inside lists and mappings."""
    kinds = entry.get("type", "any")
    if isinstance(value, list):
        return [_to_schema_type(item, entry.get("items", {})) for item in value]
    if isinstance(value, Mapping):
        known = entry.get("properties", {})
        return {key: _to_schema_type(item, known.get(key, {})) for key, item in value.items()}
    if isinstance(value, str) and kinds != "string":
        parsed = _parse(value)
        return parsed if isinstance(parsed, str) or parsed is None else _to_schema_type(parsed, entry)
    if kinds == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def _parse(text: str) -> Any:
    """A YAML value, and also numbers such as 1e-4 that YAML takes for text."""
    if any(letter.isdigit() for letter in text) and "e" in text.lower():
        with suppress(ValueError):
            return float(text)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _check(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    from jsonschema import Draft202012Validator

    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise UserError("config: " + _sentence(errors[0]))


def _sentence(error: Any) -> str:
    """One jsonschema error as one sentence: the key, what was given, what is allowed."""
    key = ".".join(str(part) for part in error.absolute_path)
    given = f"{error.instance!r}" if len(repr(error.instance)) < 80 else f"{repr(error.instance)[:77]}..."
    match error.validator:
        case "additionalProperties":
            known = sorted(error.schema.get("properties", {}))
            unknown = sorted(set(error.instance) - set(known))[0]
            return unknown_name(f"unknown key '{f'{key}.' if key else ''}{unknown}'", unknown, known)
        case "enum":
            return f"{key}: {given} was given, allowed are {', '.join(map(str, error.validator_value))}"
        case "type":
            kinds = error.validator_value
            wanted = " or ".join([kinds] if isinstance(kinds, str) else kinds)
            wanted = {"array": "a list such as [a, b]", "object": "a mapping such as {key: value}"}.get(wanted, wanted)
            return f"{key}: {given} was given, {wanted} is expected"
        case "minItems":
            return f"{key}: an empty list was given, at least {error.validator_value} entry is needed"
        case "uniqueItems":
            return f"{key}: {given} names an entry twice"
        case "not":
            return f"{key}: {given} is reserved; choose another"
        case "pattern" if key.startswith("method"):
            return f"{key}: {given} was given; a method's name is <space>-<algorithm> in lower case, as wrn-default"
        case "pattern":
            return f"{key}: {given} was given; letters, digits, '.', '_' and '-' are allowed"
    return f"{key}: {given} was given: {error.message}"


def _check_names(config: Config, every: list[str]) -> None:
    """Names, the values of settings, and what goes together; ``every`` is the default list of methods."""
    for task in config["tasks"]:
        _check_task(task, "tasks")
    for part in ("simulate", "prepare"):
        _check_keys(config[part], part, "task", names_in("tasks"))
        check_options(config[part], part)
    for part, kind in PARTS.items():
        _check_keys(config[part], part, kind, names_in(f"{kind}s"))
        for module, layers in config[part].items():
            _check_layers(layers, f"{part}.{module}", _known_settings(part, module))
    for name, given in config["method_definitions"].items():
        definition = method(config, name, "method_definitions")
        for part, layers in given.get("settings", {}).items():
            known_settings = _known_settings(part, definition[PARTS[part]])
            _check_layers(layers, f"method_definitions.{name}.settings.{part}", known_settings)
    for name in config["methods"]:
        tasks = [task for task in config["tasks"] if _serves(config, name, task)]
        _check_method(config, name, tasks)
        # Cells that a space has no networks for are n/a; a method without any other was chosen by mistake, unless
        # nobody chose it: the default list is there for any choice of tasks.
        if not tasks and config["methods"] != every:
            raise UserError(
                f"config: methods: {_unserved(config, name, config['tasks'])}; add such a task or leave it out"
            )


def _check_task(task: str, where: str) -> None:
    if task not in (known := names_in("tasks")):
        raise UserError("config: " + unknown_name(f"{where}: unknown task '{task}'", task, known))


def _check_keys(section: Mapping[str, Any], where: str, kind: str, known: list[str]) -> None:
    for key in section:
        if key not in known:
            raise UserError("config: " + unknown_name(f"{where}: unknown {kind} '{key}'", str(key), known))


def _check_layers(section: Mapping[str, Any], where: str, names: SettingNames | None) -> None:
    _check_keys(section, where, "layer", ["all", "point", "dense", "1d", "2d", *names_in("tasks")])
    if names is not None:
        for layer, given in section.items():
            names.check(given or {}, f"{where}.{layer}")


def _known_settings(part: str, module: str) -> SettingNames | None:
    """What a section of the configuration may set; None: anything."""
    if part == "retrain":
        return TRAINING + SWITCHES
    if part == "spaces":
        return space_class(module).setting_names
    names = get_algorithm(module).setting_names
    return None if names is None else names + SWITCHES


def check_cell(config: Config, task: str, name: str) -> None:
    """Refuse a cell that cannot run; those of the study are checked already, others a command's target may name.

    Raises:
        UserError: no such task or method, the method cannot do the task, or its settings are at fault.
    """
    _check_task(task, "target")
    if not _serves(config, name, task):
        raise UserError(f"config: {_unserved(config, name, [task])}; choose another")
    _check_method(config, name, [task])


def _unserved(config: Config, name: str, tasks: list[str]) -> str:
    able = [task for task in names_in("tasks") if _serves(config, name, task)]
    return (
        f"method '{name}' cannot do task {' or '.join(map(repr, tasks))}: space '{method(config, name)['space']}' has "
        f"networks for {', '.join(able) or 'no task'} only"
    )


def _check_method(config: Config, name: str, tasks: list[str]) -> None:
    """Whether a method, and those whose networks limit the size of its own, can run on these tasks as configured."""
    for limiting in [name, *_limiting(config, name)]:
        where = "methods" if limiting == name else f"method_definitions.{name}.size_limit.method"
        definition = method(config, limiting)
        if reason := get_algorithm(definition["algorithm"]).refuse(space_class(definition["space"])):
            raise UserError(
                f"config: {where}: '{limiting}': algorithm '{definition['algorithm']}' cannot serve space "
                f"'{definition['space']}': {reason}"
            )
        if definition.get("size_limit") and not get_algorithm(definition["algorithm"]).keeps_size_limit:
            able = [algorithm for algorithm in names_in("algorithms") if get_algorithm(algorithm).keeps_size_limit]
            raise UserError(
                f"config: method_definitions.{limiting}.size_limit: algorithm '{definition['algorithm']}' keeps no "
                f"limit, those that do are {', '.join(able)}; remove the limit or choose another algorithm"
            )
        for task in tasks:
            if not _serves(config, limiting, task):
                raise UserError(
                    f"config: {where}: '{limiting}': space '{definition['space']}' has no networks for task '{task}', "
                    f"which '{name}' is to do; choose another method to limit it, or leave out the task"
                )
            _check_cell(config, task, limiting)


def _limiting(config: Config, name: str) -> list[str]:
    """The methods whose networks limit the size of this one's, the nearest first."""
    chain = [name]
    while limit := method(config, chain[-1]).get("size_limit"):
        where, following = f"method_definitions.{chain[-1]}.size_limit.method", limit["method"]
        method(config, following, where)
        if following in chain:
            raise UserError(f"config: {where}: '{following}' waits for '{chain[-1]}' itself; choose another method")
        chain.append(following)
    return chain[1:]


def _check_cell(config: Config, task: str, name: str) -> None:
    definition, settings = method(config, name), search_settings(config, task, name)
    space, algorithm = definition["space"], definition["algorithm"]
    training = retrain_settings(config, task, name)
    _check_settings(training, f"retrain.{space}", TRAINING, task, name)
    if names := get_algorithm(algorithm).setting_names:
        _check_settings(settings["search"], f"search.{algorithm}", names, task, name)
    if "retrain" in settings and (own := settings["search"].get("training")):
        _check_settings({**training, **own}, f"search.{algorithm}: training", TRAINING, task, name)
    info = get_task(task)
    # The shape of the inputs lies in data that need not exist yet; no check of settings depends on it.
    signature = Signature(info.dimensions, info.kind == "dense", (), info.outputs)
    try:
        for switches in (settings["search"].get("task"), training.get("task")):
            info.configure(switches or {})
        networks = space_class(space)(signature, space_settings(config, task, name))
        networks.check_settings()
        get_algorithm(algorithm).check_settings(settings["search"], networks)
    except UserError as error:
        raise UserError(f"config: {error} (method '{name}' on task '{task}')") from error


def _check_settings(settings: Config, where: str, names: SettingNames, task: str, name: str) -> None:
    """Refuse settings of one cell that lack what is needed; their kinds were checked layer by layer."""
    cell = f"method '{name}' on task '{task}'"
    if missing := names.missing(settings):
        raise UserError(f"config: {where}: {', '.join(missing)} missing for {cell}; add to the layer 'all'")
    if "schedule.name" in names.required:
        try:
            learning_rate(settings, 0, 0, 1)
        except KeyError as error:
            raise UserError(
                f"config: {where}: schedule '{settings['schedule']['name']}' needs {error} for {cell}; add it"
            ) from error


def method(config: Config, name: str, where: str = "methods") -> Config:
    """Definition of a method: ``space``, ``algorithm`` (modules), ``settings``, ``size_limit``.

    A name that ``method_definitions`` does not list is taken apart: ``darts-random`` is space darts, algorithm random.

    Args:
        config: the configuration.
        name: of the method.
        where: the key that names it, for errors.

    Raises:
        UserError: no such space or algorithm.
    """
    first, _, second = name.partition("-")
    definition = merge(
        {"space": first, "algorithm": second, "settings": {}}, config["method_definitions"].get(name, {})
    )
    for kind, folder in (("space", "spaces"), ("algorithm", "algorithms")):
        known = names_in(folder)
        if definition[kind] not in known:
            methods = sorted((_pairs() | set(config["method_definitions"])) - {name})
            raise UserError(
                f"config: {where}: unknown method '{name}' ({kind} '{definition[kind]}' is not in {', '.join(known)}); "
                + unknown_name("a method is <space>-<algorithm>", name, methods)
            )
    return definition


def _pairs() -> set[str]:
    """The methods that two modules make by themselves: each algorithm with each space that it can serve."""
    return {
        f"{space}-{algorithm}"
        for algorithm in names_in("algorithms")
        for space in names_in("spaces")
        if not get_algorithm(algorithm).refuse(space_class(space))
    }


def search_definition(config: Config, name: str) -> Config:
    """A method's definition as its search takes it: without settings, which come resolved, and by stage."""
    return {key: value for key, value in method(config, name).items() if key != "settings"}


def cells(config: Config) -> list[tuple[str, str]]:
    """The (task, method) pairs of the study: each selected method on each selected task that its space serves."""
    return [(task, name) for task in config["tasks"] for name in config["methods"] if _serves(config, name, task)]


def _serves(config: Config, name: str, task: str) -> bool:
    info = get_task(task)
    return space_class(method(config, name)["space"]).serves(info.dimensions, info.kind == "dense")


def layered(section: Mapping[str, Any], task: str) -> Config:
    """Settings of one task: ``all`` < ``point`` | ``dense`` < ``1d`` | ``2d`` < the task's own."""
    info = get_task(task)
    return merge(*(section.get(layer) or {} for layer in ("all", info.kind, f"{info.dimensions}d", task)))


def _settings(config: Config, part: str, module: str, task: str, name: str) -> Config:
    own = method(config, name)["settings"].get(part, {})
    return _without_nulls(merge(layered(config[part].get(module, {}), task), layered(own, task)))


def _without_nulls(settings: Mapping[str, Any]) -> Config:
    """Settings without those that a layer takes back: null is what code without the key would see."""
    return {
        key: _without_nulls(value) if isinstance(value, Mapping) else value
        for key, value in settings.items()
        if value is not None
    }


def _in_precision(config: Config, settings: Config) -> Config:
    """Settings with the study's precision where they set none; the default stays unsaid."""
    return settings if config["precision"] == "float32" else merge({"precision": config["precision"]}, settings)


def space_settings(config: Config, task: str, name: str) -> Config:
    """Settings of a method's space on a task, for search and retraining alike (``spaces``)."""
    return _settings(config, "spaces", method(config, name)["space"], task, name)


def retrain_settings(config: Config, task: str, name: str) -> Config:
    """Training settings of a method on a task (``retrain``)."""
    return _in_precision(config, _settings(config, "retrain", method(config, name)["space"], task, name))


def search_settings(config: Config, task: str, name: str) -> Config:
    """Settings of a method's search on a task (``search``), and those of retraining where its trials train by them."""
    definition = method(config, name)
    settings: Config = {"search": _settings(config, "search", definition["algorithm"], task, name)}
    names = get_algorithm(definition["algorithm"]).setting_names
    if names is None or "precision" in names.optional:
        settings["search"] = _in_precision(config, settings["search"])
    if get_algorithm(definition["algorithm"]).trains_candidates:
        settings["retrain"] = retrain_settings(config, task, name)
    return settings


def trains(config: Config, name: str) -> bool:
    """Whether a method's search trains networks, and so wants a GPU."""
    return get_algorithm(method(config, name)["algorithm"]).trains
