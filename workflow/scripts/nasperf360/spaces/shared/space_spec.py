"""What a search space is to the workflow: the tasks and algorithms it serves, and its settings. Nothing heavy here."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nasperf360.registry import spec
from nasperf360.settings.declaration import NoSettings, Settings
from nasperf360.tasks.shared.task_spec import Signature


class Capability(StrEnum):
    """What an algorithm may need of a space; ``search_space.py`` has a protocol for each."""

    DEFAULT = "default architecture"
    SUPERNET = "supernet"
    SAMPLED_SUPERNET = "supernet that samples operations and gives an expected cost"
    SHARED_LAYERS = "layers of operations and skips, with shared weights for a controller to choose from"


def _every_task(dimensions: int, dense: bool) -> bool:
    return True


def _nothing_to_refuse(settings: Any, signature: Signature) -> None:
    return


@dataclass(frozen=True, kw_only=True)
class SpaceSpec:
    """One search space. ``spaces/<name>/spec.py`` defines one as ``SPEC``.

    Args:
        name: of its folder.
        settings: ``spaces.<name>`` of the configuration: widths, depths, ...
        capabilities: beyond sampling and building, which every space does.
        serves: whether it has networks for tasks of so many dimensions, dense or not.
        check: refuses settings that make no network for a task, by a UserError that names the setting; the signature
            then has no input shape.
    """

    name: str
    settings: type[Settings] = NoSettings
    capabilities: frozenset[Capability] = frozenset()
    serves: Callable[[int, bool], bool] = _every_task
    check: Callable[[Any, Signature], None] = _nothing_to_refuse


def space_spec(name: str) -> SpaceSpec:
    """The spec of the space of that name; only ``spec.py`` of its folder is imported."""
    return spec("spaces", name, SpaceSpec)
