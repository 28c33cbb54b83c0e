"""Given settings against their declaration: layer by layer, where much may be missing, and once more merged."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError

from nasperf360.errors import UserError
from nasperf360.settings.declaration import Settings
from nasperf360.settings.messages import MISSING, UNKNOWN, Fault, Keys, faults, names_at, sentence

Model = TypeVar("Model", bound=Settings)


def checked(
    model: type[Model], given: Mapping[str, Any], where: str, whose: str = "", *, noun: str = "setting"
) -> Model:
    """Complete settings, with their defaults.

    Args:
        model: their declaration.
        given: all that is not left to defaults.
        where: the key of the configuration that holds them.
        whose: for which experiment, to say where something is missing.
        noun: what its keys are called.

    Raises:
        UserError: names the first that is wrong, or all that are missing.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = faults(error, given)
    missing = sorted(".".join(map(str, fault.path)) for fault in found if fault.kind == MISSING)
    if whose and len(missing) == len(found):
        raise UserError(f"config: {where}: {', '.join(missing)} missing for {whose}; add to the layer 'all'")
    first = next((fault for fault in found if fault.kind != MISSING), found[0])
    raise UserError(f"config: {sentence(first, model, where, noun)}{f' ({whose})' if whose else ''}")


def check_options(model: type[Settings], given: Mapping[str, Any], where: str) -> None:
    """Check options that stand elsewhere than in the configuration: in a sources file, say.

    Args:
        model: their declaration.
        given: all that is not left to defaults.
        where: the file, and the place in it.

    Raises:
        UserError: names the first that is wrong.
    """
    try:
        model.model_validate(given)
    except ValidationError as error:
        first = faults(error, given)[0]
        raise UserError(f"{where}: {sentence(first, model, 'options', 'option')}") from error


def check_layer(model: type[Settings], given: Mapping[str, Any], where: str, noun: str = "setting") -> None:
    """Refuse what no settings may hold, whatever other layers add: null takes back, and what is missing may follow.

    Args:
        model: their declaration.
        given: any of them.
        where: the key of the configuration that holds them.
        noun: what its keys are called.

    Raises:
        UserError: names the first that is wrong.
    """
    if found := _faults_of_layer(model, given):
        raise UserError(f"config: {sentence(found[0], model, where, noun)}")


def _faults_of_layer(model: type[Settings], given: Mapping[str, Any]) -> list[Fault]:
    try:
        model.model_validate(given)
        return []
    except ValidationError as error:
        found = faults(error, given)
    for fault in found:
        # The name that says which settings a mapping holds may stand in another layer: these are good for one of them.
        if fault.kind == MISSING and (names := names_at(model, fault.path)):
            completed = (_faults_of_layer(model, _with(given, fault.path, name)) for name in names)
            best = min(completed, key=lambda left: (sum(fault.kind in UNKNOWN for fault in left), len(left)))
            return [replace(fault, members=frozenset()) for fault in best]
    return [fault for fault in found if not _may_follow(fault)]


def _may_follow(fault: Fault) -> bool:
    """Whether other layers may mend it."""
    return fault.kind == MISSING or fault.is_relation or (fault.value is None and fault.kind not in UNKNOWN)


def _with(given: Any, path: Keys, value: Any) -> Any:
    """A copy with an entry added or replaced."""
    if not path:
        return value
    copy: Any = list(given) if isinstance(given, list) else dict(given)
    copy[path[0]] = _with(copy[path[0]] if len(path) > 1 else None, path[1:], value)
    return copy
