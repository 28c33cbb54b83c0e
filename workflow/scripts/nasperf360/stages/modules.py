"""Which modules the stages of an experiment load by name: said here once, for the workflow and for verification."""

from collections.abc import Mapping
from typing import Any, Literal

from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.registry import has_room

Stage = Literal["search", "retrain", "evaluate"]


def stage_modules(stage: Stage, task: str, method: Mapping[str, Any], search: Mapping[str, Any]) -> list[str]:
    """Modules of the package, besides those that the script of the stage imports.

    Args:
        stage: of the experiment.
        task: its task.
        method: its method's definition: ``space``, ``algorithm``.
        search: settings of its search, as params hold them.
    """
    if stage == "evaluate":
        files = ["spec", "metric", *(["further_scores"] if has_room("tasks", task, "further_scores") else [])]
        return [f"tasks.{task}.{file}" for file in files]
    modules = [f"tasks.{task}.spec", f"tasks.{task}.training"]
    modules += [f"spaces.{method['space']}.{file}" for file in ("spec", "space")]
    if stage == "search":
        algorithm = algorithm_spec(method["algorithm"])
        modules += [f"algorithms.{algorithm.name}.{file}" for file in ("spec", "search")]
        if algorithm.ranks_by_metric(algorithm.settings.model_validate(search)):
            modules.append(f"tasks.{task}.metric")
    return modules
