"""Settings that a space, an algorithm or a training knows, and their kinds: others are refused, missing ones named."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nasperf360.errors import UserError


def unknown_name(start: str, name: str, known: Iterable[str]) -> str:
    """The sentence ``start``, completed with what was probably meant and what is allowed."""
    close = difflib.get_close_matches(name, known := list(known), 1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{start}; {hint}allowed are {', '.join(known)}" if known else f"{start}; there are none, remove it"


class Kind(NamedTuple):
    """What the values of a setting are: in words, and as a test of one."""

    wanted: str
    holds: Callable[[Any], bool]

    @classmethod
    def of(cls, word: str) -> Kind:
        """A kind of ``KINDS``, or the choices that a word lists, such as ``halves|same``."""
        if "|" not in word:
            return KINDS[word]
        choices = word.split("|")
        return cls(f"one of {', '.join(choices)}", lambda value: isinstance(value, str) and value in choices)


def _whole(value: Any, least: int) -> bool:
    return type(value) is int and value >= least  # True is an int to isinstance


def is_number(value: Any) -> bool:
    """Whether a value is a finite number; true and false are none."""
    return type(value) in (int, float) and math.isfinite(value)


def _fraction(value: Any) -> bool:
    return is_number(value) and 0 <= value <= 1


def _chance(value: Any) -> bool:
    return _fraction(value) and value < 1


def _all(holds: Callable[[Any], bool], values: Any) -> bool:
    return isinstance(values, list) and all(map(holds, values))


KINDS = {
    "": Kind("anything", lambda value: True),
    "whole": Kind("a whole number of at least 0", lambda value: _whole(value, 0)),
    "count": Kind("a whole number of at least 1", lambda value: _whole(value, 1)),
    "several": Kind("a whole number of at least 2", lambda value: _whole(value, 2)),
    "amount": Kind("a number of at least 0", lambda value: is_number(value) and value >= 0),
    "positive": Kind("a number above 0", lambda value: is_number(value) and value > 0),
    "fraction": Kind("a number from 0 to 1", _fraction),
    "chance": Kind("a number of at least 0 and below 1", _chance),
    "share": Kind("a number above 0 and below 1", lambda value: _chance(value) and value > 0),
    "fractions": Kind("a list of numbers from 0 to 1", lambda value: _all(_fraction, value)),
    "pair": Kind(
        "a list of two numbers of at least 0 and below 1", lambda value: _all(_chance, value) and len(value) == 2
    ),
    "flag": Kind("true or false", lambda value: isinstance(value, bool)),
    "mapping": Kind("a mapping", lambda value: isinstance(value, Mapping)),
}
"""The kinds that a word may name after its colon; without one, any value is taken."""


@dataclass(frozen=True)
class SettingNames:
    """Names of settings, each with the kind of its values; those in a mapping with dots, such as ``schedule.name``.

    Args:
        required: what has no default.
        optional: the others.
    """

    required: Mapping[str, Kind] = field(default_factory=dict)
    optional: Mapping[str, Kind] = field(default_factory=dict)

    @classmethod
    def of(cls, *, required: str = "", optional: str = "") -> SettingNames:
        """From words: names alone, or with a kind, such as ``lr:positive split:halves|same``."""
        pairs = ([word.partition(":") for word in words.split()] for words in (required, optional))
        return cls(*({name: Kind.of(kind) for name, _, kind in words} for words in pairs))

    def __add__(self, other: SettingNames) -> SettingNames:
        return SettingNames({**self.required, **other.required}, {**self.optional, **other.optional})

    @property
    def kinds(self) -> dict[str, Kind]:
        """The kind of every name."""
        return {**self.required, **self.optional}

    def within(self, mapping: str) -> SettingNames:
        """These as entries of that mapping."""
        return SettingNames(
            *({f"{mapping}.{name}": kind for name, kind in kinds.items()} for kinds in (self.required, self.optional))
        )

    def missing(self, settings: Mapping[str, Any]) -> list[str]:
        """Required names that the settings lack or leave empty."""

        def value(name: str) -> Any:
            found: Any = settings
            for part in name.split("."):
                found = found.get(part) if isinstance(found, Mapping) else None
            return found

        return sorted(name for name in self.required if value(name) is None)

    def check(self, settings: Mapping[str, Any], where: str, prefix: str = "") -> None:
        """Refuse settings that are not among these, and values of another kind; null is as if it were not there.

        Args:
            settings: any of them.
            where: the key of the configuration that holds them.
            prefix: of the names of this mapping.

        Raises:
            UserError: names the first of them.
        """
        kinds = {name.removeprefix(prefix): kind for name, kind in self.kinds.items() if name.startswith(prefix)}
        known, mappings = {name.split(".")[0] for name in kinds}, {name.split(".")[0] for name in kinds if "." in name}
        for key, value in settings.items():
            if key not in known:
                raise UserError(unknown_name(f"config: {where}: unknown setting '{key}'", str(key), sorted(known)))
            kind = KINDS["mapping"] if key in mappings else kinds[key]
            if value is not None and not kind.holds(value):
                raise UserError(f"config: {where}.{key}: {value!r} was given, {kind.wanted} is expected")
            if key in mappings:
                self.check(value or {}, f"{where}.{key}", f"{prefix}{key}.")


PRECISION = SettingNames.of(optional="precision:float32|bfloat16|float16")
"""Of ``fitting.autocast``."""

OPTIMIZER = SettingNames.of(
    required="lr:positive",
    optional="optimizer:sgd|adam momentum:fraction nesterov:flag weight_decay:amount betas:pair",
)
"""Of ``optimizers.make_optimizer``."""

STEPS = (
    OPTIMIZER
    + PRECISION
    + SettingNames.of(
        required="epochs:count batch_size:count schedule.name:constant|step|cosine|poly",
        optional="schedule.factor:positive schedule.at:fractions schedule.final:amount schedule.floor:amount "
        "schedule.per_step:flag schedule.power:amount schedule.warmup:whole schedule.warmup_lr:positive "
        "schedule.horizon:positive clip:amount",
    )
)
"""Of epochs of steps of weights, with ``schedules.learning_rate``."""

TRAINING = STEPS + SettingNames.of(optional="test_batch_size:count")
"""Of ``training.fit`` and ``training.evaluate``."""

OVERRIDES = SettingNames(optional=TRAINING.kinds).within("training")
"""Of trials that train as retraining does, but for these."""

SWITCHES = SettingNames.of(optional="task:mapping")
"""Of every search and training: the task's own switches, which ``Task.configure`` checks."""
