"""Names of the settings that a space, an algorithm or a training knows: others are refused, missing ones named."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nasperf360.errors import UserError


def unknown_name(start: str, name: str, known: Iterable[str]) -> str:
    """The sentence ``start``, completed with what was probably meant and what is allowed."""
    close = difflib.get_close_matches(name, known := list(known), 1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{start}; {hint}allowed are {', '.join(known)}" if known else f"{start}; there are none, remove it"


@dataclass(frozen=True)
class SettingNames:
    """Names of settings; those in a mapping with dots, such as ``schedule.name``.

    Args:
        required: what has no default.
        optional: the others.
    """

    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()

    @classmethod
    def of(cls, *, required: str = "", optional: str = "") -> SettingNames:
        """Names from words."""
        return cls(frozenset(required.split()), frozenset(optional.split()))

    def __add__(self, other: SettingNames) -> SettingNames:
        return SettingNames(self.required | other.required, self.optional | other.optional)

    def within(self, name: str) -> SettingNames:
        """These as entries of the mapping ``name``."""
        return SettingNames(*(frozenset(f"{name}.{key}" for key in keys) for keys in (self.required, self.optional)))

    def missing(self, settings: Mapping[str, Any]) -> list[str]:
        """Required names that the settings lack or leave empty."""

        def value(name: str) -> Any:
            found: Any = settings
            for part in name.split("."):
                found = found.get(part) if isinstance(found, Mapping) else None
            return found

        return sorted(name for name in self.required if value(name) is None)

    def refuse_unknown(self, settings: Mapping[str, Any], where: str, prefix: str = "") -> None:
        """Refuse settings that are not among these.

        Args:
            settings: any of them.
            where: the key of the configuration that holds them.
            prefix: of the names of this mapping.

        Raises:
            UserError: names the first unknown one.
        """
        names = [name.removeprefix(prefix) for name in self.required | self.optional if name.startswith(prefix)]
        known, mappings = {name.split(".")[0] for name in names}, {name.split(".")[0] for name in names if "." in name}
        for key, value in settings.items():
            if key not in known:
                raise UserError(unknown_name(f"config: {where}: unknown setting '{key}'", str(key), sorted(known)))
            if key in mappings:
                if not isinstance(value, Mapping):
                    raise UserError(f"config: {where}.{key}: {value!r} was given, a mapping is expected")
                self.refuse_unknown(value, f"{where}.{key}", f"{prefix}{key}.")


OPTIMIZER = SettingNames.of(required="lr", optional="optimizer momentum nesterov weight_decay betas")
"""Of ``optimizers.make_optimizer``."""

STEPS = OPTIMIZER + SettingNames.of(
    required="epochs batch_size schedule.name",
    optional="schedule.factor schedule.at schedule.final schedule.floor schedule.per_step schedule.power "
    "schedule.warmup schedule.warmup_lr schedule.horizon clip precision",
)
"""Of epochs of steps of weights, with ``schedules.learning_rate``."""

TRAINING = STEPS + SettingNames.of(optional="test_batch_size")
"""Of ``training.fit`` and ``training.evaluate``."""

OVERRIDES = SettingNames(optional=TRAINING.required | TRAINING.optional).within("training")
"""Of trials that train as retraining does, but for these."""

SWITCHES = SettingNames.of(optional="task")
"""Of every search and training: the task's own switches, which ``Task.configure`` checks."""
