"""The configuration: brought to its types, completed from the scale, checked, and cut narrow for each job.

Precedence: defaults < ``config/scales/<scale>.yaml`` < ``config/config.yaml`` < ``--configfile`` < ``--config``.
What jobs are given are plain values with every default filled in, so that provenance names them all.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml

from nasperf360.algorithms.shared.algorithm_spec import AlgorithmSpec, algorithm_spec
from nasperf360.errors import UserError
from nasperf360.registry import Kind, has_room, names, room
from nasperf360.settings.checking import check_layer, checked
from nasperf360.settings.config_model import Configuration
from nasperf360.settings.declaration import NoSettings, Settings
from nasperf360.settings.layers import layered, merge, without_nulls
from nasperf360.settings.messages import kind_of_unquoted, unknown_name
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.spaces.shared.space_spec import SpaceSpec, space_spec
from nasperf360.study.paths import ROOT, shipped
from nasperf360.tasks.shared.task_spec import TaskSpec, task_spec
from nasperf360.training.settings import RetrainSettings, TrainingSettings

Config = dict[str, Any]
Part = Literal["spaces", "search", "retrain"]

PARTS: dict[Part, Literal["space", "algorithm"]] = {"spaces": "space", "search": "algorithm", "retrain": "space"}
"""Sections with layers of settings, and whose settings they are."""

SOURCES = {"original": "config/sources.yaml", "benchmark": "config/sources.benchmark.yaml"}
"""The files that list raw files, by the source whose they are."""


def check_files(paths: Iterable[str | Path]) -> None:
    """Refuse configuration files that give a key twice; Snakemake has read them, and kept one of the two.

    Raises:
        UserError: names file, line and key.
    """
    for path in paths:
        if Path(path).suffix != ".json":
            read_yaml(path)


def resolve(given: Mapping[str, Any]) -> Config:
    """The full configuration from what the user gave.

    Args:
        given: ``config.yaml`` overridden by ``--configfile`` and ``--config``, as Snakemake merged them.

    Raises:
        UserError: one line that names the key, what was given, and what is allowed.
    """
    _refuse_unusual(given, "", ())
    given = _typed(given, Configuration)
    check_layer(Configuration, given, "", "key")
    scale = given.get("scale") or Configuration.model_fields["scale"].default
    # The methods of the paper are known in a working directory without this config.yaml too.
    known = {"method_definitions": read_yaml(ROOT / "config" / "config.yaml").get("method_definitions", {})}
    merged = merge(read_yaml(ROOT / "config" / "scales" / f"{scale}.yaml"), known, given)
    config = checked(Configuration, merged, "", noun="key").model_dump()
    config["sources"] = config["sources"] or SOURCES.get(config["source"], SOURCES["original"])
    if config["sources"] in SOURCES.values():
        config["sources"] = shipped(config["sources"])
    config["run"] = config["run"] or scale
    config["data_run"] = config["data_run"] or config["run"]
    _check_sections(config)
    _check_methods(config)
    return config


def _refuse_unusual(value: Any, where: str, above: tuple[Any, ...]) -> None:
    """Refuse what no settings hold: keys that are no text, and a value that holds itself."""
    if not isinstance(value, Mapping | list):
        return
    if any(value is other for other in above):
        raise UserError(f"config: {where}: by an alias this value holds itself; write out what is meant")
    for key, below in value.items() if isinstance(value, Mapping) else enumerate(value):
        if isinstance(value, Mapping) and not isinstance(key, str):
            start = f"{where}: " if where else ""
            raise UserError(
                f"config: {start}key {key!r} is {_kind_of_key(key)} to YAML, as on, off, yes, no and numbers are; "
                f"put it in quotes or correct it"
            )
        _refuse_unusual(below, f"{where}.{key}" if where else str(key), (*above, value))


def _kind_of_key(key: Any) -> str:
    kind = kind_of_unquoted(key)
    return f"a {kind}" if kind else "no text"


def _typed(value: Any, kind: Any) -> Any:
    """A value of ``--config`` brought to the type of its key: Snakemake hands over text inside lists and mappings."""
    if get_origin(kind) in (Union, UnionType):
        kind = next(member for member in get_args(kind) if member is not NoneType)
    if get_origin(kind) is Annotated:
        return _typed(value, get_args(kind)[0])
    within = get_args(kind)[-1] if get_origin(kind) in (list, dict) else Any
    if isinstance(value, Mapping):
        fields = kind.model_fields if isinstance(kind, type) and issubclass(kind, Settings) else {}
        return {key: _typed(item, fields[key].annotation if key in fields else within) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item, within) for item in value]
    if isinstance(value, str) and kind is not str and get_origin(kind) is not Literal:
        parsed = _parse(value)
        return parsed if isinstance(parsed, str) else _typed(parsed, kind)
    return value


def _parse(text: str) -> Any:
    """A YAML value, and also numbers such as 1e-4 that YAML takes for text."""
    if any(letter.isdigit() for letter in text) and "e" in text.lower():
        with suppress(ValueError):
            return float(text)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text


def _check_sections(config: Config) -> None:
    """Names and values of all settings, also of tasks and methods that are not selected."""
    for task in config["tasks"]:
        check_task(task, "tasks")
    for section in ("simulate", "preprocess"):
        _check_known(config[section], section, "task", names("tasks"))
        for task, options in config[section].items():
            checked(_options(section, task), options or {}, f"{section}.{task}")
    for part, kind in PARTS.items():
        folder: Kind = "spaces" if kind == "space" else "algorithms"
        _check_known(config[part], part, kind, names(folder))
        for name, layers in config[part].items():
            _check_layers(layers, f"{part}.{name}", _model(part, name))
    for name, given in config["method_definitions"].items():
        definition = method(config, name, "method_definitions")
        for part, kind in PARTS.items():
            where = f"method_definitions.{name}.settings.{part}"
            _check_layers(given["settings"][part], where, _model(part, definition[kind]))


def check_task(task: str, where: str) -> None:
    """Refuse a task that has no folder.

    Raises:
        UserError: names ``where`` it is asked for, and what was probably meant.
    """
    if task not in (known := names("tasks")):
        raise UserError("config: " + unknown_name(f"{where}: unknown task '{task}'", task, known))


def _check_known(section: Mapping[str, Any], where: str, kind: str, known: Iterable[str]) -> None:
    for key in section:
        if key not in known:
            raise UserError("config: " + unknown_name(f"{where}: unknown {kind} '{key}'", key, known))


def _check_layers(section: Mapping[str, Any], where: str, model: type[Settings]) -> None:
    _check_known(section, where, "layer", ["all", "point", "dense", "1d", "2d", *names("tasks")])
    for layer, given in section.items():
        check_layer(model, given or {}, f"{where}.{layer}")


def _model(part: Part, name: str) -> type[Settings]:
    """What may be set in a section for the space or algorithm of that name."""
    if part == "retrain":
        return RetrainSettings
    return space_spec(name).settings if part == "spaces" else algorithm_spec(name).settings


def _options(section: str, task: str) -> type[Settings]:
    spec = task_spec(task)
    return spec.preprocess if section == "preprocess" else spec.simulate or NoSettings


def _check_methods(config: Config) -> None:
    for name in config["methods"]:
        tasks = [task for task in config["tasks"] if _serves(config, name, task)]
        _check_method(config, name, tasks)
        # Experiments that a space has no networks for are n/a; a method without any other was chosen by mistake, unless
        # nobody chose it: the default list is there for any choice of tasks.
        if not tasks and config["methods"] != Configuration.model_fields["methods"].default:
            raise UserError(
                f"config: methods: {_unserved(config, name, config['tasks'])}; add such a task or leave it out"
            )


def check_experiment(config: Config, task: str, name: str) -> None:
    """Refuse an experiment that cannot run; those of the study are checked already, others a target may name.

    Raises:
        UserError: no such task or method, the method cannot do the task, or its settings are at fault.
    """
    check_task(task, "target")
    if not _serves(config, name, task):
        raise UserError(f"config: {_unserved(config, name, [task])}; choose another")
    _check_method(config, name, [task])


def _unserved(config: Config, name: str, tasks: list[str]) -> str:
    able = [task for task in names("tasks") if _serves(config, name, task)]
    return (
        f"method '{name}' cannot do task {' or '.join(map(repr, tasks))}: space '{method(config, name)['space']}' has "
        f"networks for {', '.join(able) or 'no task'} only"
    )


def _check_method(config: Config, name: str, tasks: list[str]) -> None:
    """Whether a method, and those whose networks limit the size of its own, can run on these tasks as configured."""
    for limiting in [name, *_limiting(config, name)]:
        where = "methods" if limiting == name else f"method_definitions.{name}.size_limit.method"
        definition = method(config, limiting)
        space, algorithm = _specs(config, limiting)
        if reason := algorithm.refuse(space):
            raise UserError(
                f"config: {where}: '{limiting}': algorithm '{algorithm.name}' cannot serve space '{space.name}': "
                f"{reason}"
            )
        if definition.get("size_limit") and not algorithm.keeps_size_limit:
            able = [other for other in names("algorithms") if algorithm_spec(other).keeps_size_limit]
            raise UserError(
                f"config: method_definitions.{limiting}.size_limit: algorithm '{algorithm.name}' keeps no limit, those "
                f"that do are {', '.join(able)}; remove the limit or choose another algorithm"
            )
        for task in tasks:
            if not _serves(config, limiting, task):
                raise UserError(
                    f"config: {where}: '{limiting}': space '{space.name}' has no networks for task '{task}', which "
                    f"'{name}' is to do; choose another method to limit it, or leave out the task"
                )
            _check_settings(config, task, limiting)


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


def _check_settings(config: Config, task: str, name: str) -> None:
    """The settings of one experiment, merged: whether they are complete, and go together."""
    space, algorithm = _specs(config, name)
    training = _retrain(config, task, name)
    search = _search(config, task, name, training)
    networks = _space(config, task, name)
    try:
        # The shape of the inputs lies in data that need not exist yet; no check of settings depends on it.
        space.check(networks, task_spec(task).signature())
        algorithm.check(search, space)
    except UserError as error:
        raise UserError(f"config: {error} ({_whose(task, name)})") from error


def method(config: Config, name: str, where: str = "methods") -> Config:
    """Definition of a method: ``space``, ``algorithm``, ``settings`` and, where it has one, ``size_limit``.

    A name that ``method_definitions`` does not list is taken apart: ``darts-random`` is space darts, algorithm random.

    Args:
        config: the configuration.
        name: of the method.
        where: the key that names it, for errors.

    Raises:
        UserError: no such space or algorithm.
    """
    first, _, second = name.partition("-")
    given = config["method_definitions"].get(name, {})
    definition = {
        "space": given.get("space") or first,
        "algorithm": given.get("algorithm") or second,
        "settings": given.get("settings", {}),
    }
    if limit := given.get("size_limit"):
        definition["size_limit"] = limit
    for kind, known in (("space", names("spaces")), ("algorithm", names("algorithms"))):
        if definition[kind] not in known:
            methods = sorted((_pairs() | set(config["method_definitions"])) - {name})
            raise UserError(
                f"config: {where}: unknown method '{name}' ({kind} '{definition[kind]}' is not in {', '.join(known)}); "
                + unknown_name("a method is <space>-<algorithm>", name, methods)
            )
    return definition


def _specs(config: Config, name: str) -> tuple[SpaceSpec, AlgorithmSpec]:
    definition = method(config, name)
    return space_spec(definition["space"]), algorithm_spec(definition["algorithm"])


@cache
def _pairs() -> frozenset[str]:
    """The methods that two folders make by themselves: each algorithm with each space that it can serve."""
    return frozenset(
        f"{space}-{algorithm}"
        for algorithm in names("algorithms")
        for space in names("spaces")
        if not algorithm_spec(algorithm).refuse(space_spec(space))
    )


def search_definition(config: Config, name: str) -> Config:
    """A method's definition as its search takes it: without settings, which come resolved, and by stage."""
    return {key: value for key, value in method(config, name).items() if key != "settings"}


def experiments(config: Config) -> list[tuple[str, str]]:
    """(task, method) of the study: each selected method on each selected task that its space serves."""
    return [(task, name) for task in config["tasks"] for name in config["methods"] if _serves(config, name, task)]


def _serves(config: Config, name: str, task: str) -> bool:
    spec = task_spec(task)
    return _specs(config, name)[0].serves(spec.dimensions, spec.dense)


def _whose(task: str, name: str) -> str:
    return f"method '{name}' on task '{task}'"


def _given(config: Config, part: Part, task: str, name: str) -> Config:
    """Settings as all layers of a section, and then a method's own, give them; without defaults."""
    definition, spec = method(config, name), task_spec(task)
    layers = ("all", spec.kind, f"{spec.dimensions}d", task)
    sections = (config[part].get(definition[PARTS[part]], {}), definition["settings"].get(part, {}))
    return without_nulls(merge(*(layered(section, layers) for section in sections)))


def _switches(spec: TaskSpec, where: str, name: str, *given: Mapping[str, Any]) -> Config:
    """All switches of a task's training; later ones win."""
    return checked(spec.switches, merge(*given), f"{where}.task", _whose(spec.name, name)).params()


def _retrain(config: Config, task: str, name: str) -> RetrainSettings:
    where = f"retrain.{method(config, name)['space']}"
    given = {"precision": config["precision"], **_given(config, "retrain", task, name)}
    training = checked(RetrainSettings, given, where, _whose(task, name))
    return training.but({"task": _switches(task_spec(task), where, name, training.task)})


def _search(config: Config, task: str, name: str, training: RetrainSettings) -> Settings:
    """Settings of a search; its trials, where it has some, train with ``training`` but for its own ``training``."""
    space, algorithm = _specs(config, name)
    where = f"search.{algorithm.name}"
    fields = algorithm.settings.model_fields
    precision = {"precision": config["precision"]} if "precision" in fields else {}
    given = {**precision, **_given(config, "search", task, name)}
    settings = checked(algorithm.settings, given, where, _whose(task, name))
    if has_room("algorithms", algorithm.name, "files"):  # what they say is a setting, where they lie is none
        try:
            settings = room("algorithms", algorithm.name, "files").read(settings, space.name, task)
        except UserError as error:
            raise UserError(f"config: {where}: {error} ({_whose(task, name)})") from error
    switches = [settings.params()["task"]] if "task" in fields else []
    if algorithm.trains_trials:
        own = given.get("training", {})
        trial = checked(TrainingSettings, {**training.of_trials(), **own}, f"{where}.training", _whose(task, name))
        switches = [training.task, trial.task, *switches]
    filled = _switches(task_spec(task), where, name, *switches)
    return settings.but({"task": filled}) if "task" in fields else settings


def _space(config: Config, task: str, name: str) -> Settings:
    space = _specs(config, name)[0]
    return checked(space.settings, _given(config, "spaces", task, name), f"spaces.{space.name}", _whose(task, name))


def space_settings(config: Config, task: str, name: str) -> Config:
    """Settings of a method's space on a task, for search and retraining alike (``spaces``)."""
    return _space(config, task, name).params()


def retrain_settings(config: Config, task: str, name: str) -> Config:
    """Training settings of a method on a task (``retrain``)."""
    return _retrain(config, task, name).params()


def search_settings(config: Config, task: str, name: str) -> Config:
    """Settings of a method's search on a task (``search``), and those of retraining where its trials train by them."""
    training = _retrain(config, task, name)
    settings = {"search": _search(config, task, name, training).params()}
    if _specs(config, name)[1].trains_trials:
        settings["retrain"] = training.of_trials()
    return settings


def preprocess_options(config: Config, task: str) -> Config:
    """Options of a task's preprocessing (``preprocess``)."""
    return _options("preprocess", task).model_validate(config["preprocess"].get(task) or {}).params()


def file_defaults(task: str) -> Config:
    """What holds, by role, of files whose options the sources file leaves out."""
    return {
        role: {
            name: field.get_default(call_default_factory=True)
            for name, field in model.model_fields.items()
            if not field.is_required()
        }
        for role, model in task_spec(task).file_options.items()
    }


def simulate_options(config: Config, task: str) -> Config:
    """Options of a task's simulator (``simulate``); none where it has no simulator."""
    return _options("simulate", task).model_validate(config["simulate"].get(task) or {}).params()


def trains(config: Config, name: str) -> bool:
    """Whether a method's search trains networks, and so wants a GPU."""
    return _specs(config, name)[1].trains
