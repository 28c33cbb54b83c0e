"""What a search algorithm is to the workflow: its settings, and what it refuses. Nothing heavy here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nasperf360.registry import spec
from nasperf360.settings.declaration import NoSettings, Settings
from nasperf360.spaces.shared.space_spec import Capability, SpaceSpec


def _never(settings: Any) -> bool:
    return False


def _nothing_to_refuse(settings: Any, space: SpaceSpec) -> None:
    return


@dataclass(frozen=True, kw_only=True)
class AlgorithmSpec:
    """One search algorithm. ``algorithms/<name>/spec.py`` defines one as ``SPEC``.

    Args:
        name: of its folder.
        settings: ``search.<name>`` of the configuration.
        needs: what a space must be capable of.
        trains: whether it trains networks, and so wants data and a GPU.
        trains_trials: whether its trials train as retraining does, and so depend on those settings.
        keeps_size_limit: whether it returns nothing larger than a method's limit; others are given none.
        ranks_by_metric: whether, with these settings, the task's metric decides which architecture wins.
        check: refuses settings that do not go together, or not with a space, by a UserError that names them.
    """

    name: str
    settings: type[Settings] = NoSettings
    needs: frozenset[Capability] = frozenset()
    trains: bool = True
    trains_trials: bool = False
    keeps_size_limit: bool = False
    ranks_by_metric: Callable[[Any], bool] = _never
    check: Callable[[Any, SpaceSpec], None] = _nothing_to_refuse

    def refuse(self, space: SpaceSpec) -> str | None:
        """Why this algorithm cannot serve a space, in a few words; None where it can."""
        lacking = sorted(self.needs - space.capabilities)
        return f"it has no {' and no '.join(lacking)}" if lacking else None


def algorithm_spec(name: str) -> AlgorithmSpec:
    """The spec of the algorithm of that name; only ``spec.py`` of its folder is imported."""
    return spec("algorithms", name, AlgorithmSpec)
