"""A dry estimate: how many jobs a study has, and about how many hours of a GPU they take. Trains nothing.

Hours follow from what there is to do (``work.py``) and what a card can do (``cards.py``), or, of the cells that
``benchmarks/gpu_check.py`` ran, from what their steps took. Else expect a factor of two between estimate and clock.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import torch

from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.errors import UserError
from nasperf360.estimate.cards import Card, card_of
from nasperf360.estimate.checked_cells import Checked, CheckedCells
from nasperf360.estimate.counting import Pass
from nasperf360.estimate.sizes import Size, size_of
from nasperf360.estimate.work import RANKING, SEARCHES, SHARE, Counted, Phase, Scope, Stage, longest_trial
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.stages.code_digest import PACKAGE
from nasperf360.stages.digest_cache import DigestCache
from nasperf360.study import configuration
from nasperf360.study.configuration import Config
from nasperf360.study.paths import search_seed
from nasperf360.tasks.shared.readers import raw_owner
from nasperf360.tasks.shared.task_spec import TaskSpec, task_spec
from nasperf360.tasks.shared.task_training import task_training

STAGES = ("search", "retrain")
SAFETY = 2  # times the estimate, that a queue is asked for
LEAST_MINUTES = 60


@dataclass(frozen=True)
class Cell:
    """One search or training of a (task, method): of each seed.

    Args:
        task: its task.
        method: its method.
        stage: ``search`` or ``retrain``.
        jobs: how many, of all seeds; a search is one, whether workers share it or not.
        hours: of one; None where nothing is known of the algorithm.
        memory: GiB that it needs at least; None likewise.
        measured: whether these are of a check on a GPU.
        workers: how many share each.
        longest: hours of the longest part of one, which they cannot share.
    """

    task: str
    method: str
    stage: str
    jobs: int
    hours: float | None
    memory: float | None
    measured: bool = False
    workers: int = 1
    longest: float = 0.0

    def __str__(self) -> str:
        return f"{self.stage} of {self.method} on {self.task}"

    @property
    def hours_of_worker(self) -> float | None:
        """What each has to do, as evenly as can be; one of them does the longest part."""
        return None if self.hours is None else max(self.hours / self.workers, self.longest)


class Networks:
    """The networks of a study: those of equal settings are counted once.

    Args:
        cache: of what earlier processes counted; None: all is counted anew.
    """

    def __init__(self, cache: DigestCache | None = None) -> None:
        self._cache = cache
        self._found: dict[str, Counted] = {}

    def of(self, space: str, task: str, shape: tuple[int, ...], settings: Config, *, derives: bool) -> Counted:
        """Of a space on a task."""
        signature = task_training(task).signature(shape)
        key = json.dumps([space, str(signature), settings, derives], sort_keys=True, default=str)
        if key not in self._found:
            keep = partial(self._kept, key)
            self._found[key] = Counted(search_space(space, signature, settings), derives=derives, keep=keep)
        return self._found[key]

    def _kept(self, key: str, name: str, count: Callable[[], Sequence[Pass]]) -> Sequence[Pass]:
        if self._cache is None:
            return count()
        found = self._cache.get(f"{key} {name}", lambda _: [astuple(each) for each in count()])
        return [Pass(*values) for values in found]


def counted_before() -> DigestCache:
    """What earlier processes counted, by the same sources and torch, in the working directory's ``.snakemake``.

    Texts are compared as they are: to take them apart takes longer than reading them all, and counting is for seconds.
    """
    sources = [path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))]
    return DigestCache(".snakemake/nasperf360-networks.json", json.dumps([*sources, torch.__version__]))


def estimate(
    config: Mapping[str, Any],
    device: str,
    share: float | None = None,
    checked: CheckedCells = CheckedCells(),  # noqa: B008  # it is frozen
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
    networks: Networks | None = None,
) -> list[Cell]:
    """The cells of a study, by method in the order of the configuration.

    A method that was not selected but whose networks limit the size of another's follows, with its searches alone.

    Args:
        config: resolved.
        device: a key of ``cards.CARDS``.
        share: of the roofline that training reaches; None: as assumed, or as checked.
        checked: what was measured.
        progress: shows how far the pairs of task and method are.
        networks: counted before, where some are.

    Raises:
        UserError: an unknown device, or a share that is none.
    """
    config, card = dict(config), card_of(device)
    if share is not None and not 0 < share <= 1:
        raise UserError(f"estimate: utilisation {share:g}, allowed is a fraction above 0 and at most 1")
    selected = config["methods"]
    limits = [configuration.method(config, name).get("size_limit", {}).get("method") for name in selected]
    others = [name for name in dict.fromkeys(limits) if name and name not in selected]
    pairs = [
        (task, name)
        for name in [*selected, *others]
        for task, _ in configuration.experiments({**config, "methods": [name]})
    ]
    searches = len({search_seed(seed, config["searches"]) for seed in config["seeds"]})
    jobs = {"search": searches, "retrain": len(config["seeds"])}
    networks = networks or Networks()
    return [
        replace(
            _cell(task, name, stage, jobs[stage], found, card, share, checked),
            workers=_workers(config, task, name) if stage == "search" else 1,
        )
        for task, name in progress(pairs)
        for stage, found in stages(config, task, name, networks).items()
        if stage == "search" or name in selected
    ]


def _workers(config: Config, task: str, method: str) -> int:
    found: int = configuration.search_settings(config, task, method)["search"].get("workers", 1)
    return found


def _cell(
    task: str,
    method: str,
    stage: str,
    jobs: int,
    work: Stage | None,
    card: Card,
    share: float | None,
    checked: CheckedCells,
) -> Cell:
    if work is None:
        return Cell(task, method, stage, jobs, None, None)
    found = checked.of(task, method, stage)
    reached = share or SHARE
    slower = 1.0 if share else _slower(work, card, found, checked.card)
    if found.roofline_share and not share and checked.card is None:
        reached = min(1.0, found.roofline_share)
    hours, longest = (seconds(card, reached, slower) / 3600 for seconds in (work.seconds, work.longest_seconds))
    memory, measured = found.peak_gib or work.memory, found.seconds_per_step is not None
    return Cell(task, method, stage, jobs, hours, memory, measured, longest=longest)


def _slower(work: Stage, card: Card, found: Checked, measured_on: Card | None) -> float:
    """By how many times a turn took longer than estimated; the roofline says what another card makes of it."""
    if found.seconds_per_step is None or measured_on is None or not work.turn(card, SHARE):
        return 1.0
    return found.seconds_per_step / work.turn(measured_on, SHARE)


def _trained(counted: Counted, algorithm: str, settings: Any) -> Pass:
    """The forward pass of the network to train, as far as it is known before the search."""
    if algorithm == "given":
        return counted.built(settings.architecture.architecture)
    return counted.default if algorithm == "default" else counted.drawn


def stages(config: Config, task: str, method: str, networks: Networks | None = None) -> dict[str, Stage | None]:
    """What one seed of a (task, method) has to do by stage; None of a search by an algorithm that is not known."""
    definition = configuration.method(config, method)
    name, spec = definition["algorithm"], task_spec(task)
    size = size_of(task, Path("results", config["data_run"], "data"))
    given = configuration.search_settings(config, task, method)
    settings: Any = algorithm_spec(name).settings.model_validate(given["search"])
    training = configuration.retrain_settings(config, task, method)
    counted = (networks or Networks()).of(
        definition["space"],
        task,
        size.shape,
        configuration.space_settings(config, task, method),
        derives=name == "random" and settings.sampler == "derive",
    )
    one = _trained(counted, name, settings)
    scope = _scope(spec, size, training)
    validating = training.get("validate_every") or 0
    looks = training["epochs"] // validating if validating and not spec.merge_valid else 0
    retrain = [
        scope.training(training["epochs"] * size.final_train, one),
        Phase(looks * (size.groups or size.valid), scope.test_batch, one, 1.0),
        scope.testing(size.test, one),
    ]
    sample_bytes = float(size.value_bytes * _product(size.shape))
    found: dict[str, Stage | None] = {"search": None}
    if name in SEARCHES:
        own = {key: value for key, value in given["search"].get("training", {}).items() if value is not None}
        trial = {**given["retrain"], **own} if "retrain" in given else given["search"]
        searched = _scope(spec, size, {"batch_size": 1, **trial})
        phases = SEARCHES[name](counted, settings, searched)
        longest = longest_trial(counted, settings, searched) if given["search"].get("workers", 1) > 1 else []
        precision = trial.get("precision") or config["precision"]
        found["search"] = Stage(tuple(phases), precision, sample_bytes, tuple(longest))
    return {**found, "retrain": Stage(tuple(retrain), training.get("precision") or config["precision"], sample_bytes)}


def _scope(spec: TaskSpec, size: Size, training: Mapping[str, Any]) -> Scope:
    batch = training["batch_size"]
    pixels = _product(size.shape[1:]) if spec.dense else 1
    return Scope(
        size,
        batch,
        training.get("test_batch_size") or batch,
        spec.outputs * pixels,
        spec.metric.name in RANKING,
        training.get("optimizer") == "adam",
    )


def _product(shape: Sequence[int]) -> int:
    product = 1
    for side in shape:
        product *= side
    return product


def data_jobs(config: Mapping[str, Any]) -> int:
    """Jobs that make the data sets: one per set of raw files, which tasks may share, and one per task.

    Published data sets take the second only.
    """
    tasks = config["tasks"]
    return len(tasks) + (
        0 if config["source"] == "published" else len({raw_owner(task, config["source"]) for task in tasks})
    )


# -- what is said of it ----------------------------------------------------------------------------------------------


def table(cells: Sequence[Cell]) -> str:
    """A row per method and their sum, as aligned text."""
    rows = [(name, [cell for cell in cells if cell.method == name]) for name in dict.fromkeys(c.method for c in cells)]
    lines = [f"{'method':<20} {'searches':>8} {'retrainings':>11} {'search h':>10} {'retrain h':>10} {'both h':>10}"]
    for name, found in [*rows, ("all", list(cells))]:
        jobs = {stage: sum(cell.jobs for cell in found if cell.stage == stage) for stage in STAGES}
        known = {stage: [cell for cell in found if cell.stage == stage and cell.hours is not None] for stage in STAGES}
        hours = {stage: sum(cell.jobs * (cell.hours or 0.0) for cell in known[stage]) for stage in STAGES}
        shown = [
            f"{hours[stage]:,.1f}" if known[stage] or not jobs[stage] else "unknown" for stage in STAGES
        ] + [f"{sum(hours.values()):,.1f}"]  # fmt: skip
        lines.append(
            f"{name:<20} {jobs['search']:>8} {jobs['retrain']:>11} " + " ".join(f"{text:>10}" for text in shown)
        )
    return "\n".join(lines)


def warnings(config: Mapping[str, Any], cells: Sequence[Cell], card: Card, limit_hours: float) -> list[str]:
    """What a reader must know before such a study is started, a sentence each.

    Args:
        config: resolved.
        cells: as :func:`estimate` gives them.
        card: that they are for.
        limit_hours: of a job in the queue.
    """
    lines = []
    if not card.driven:
        lines.append(
            f"The pinned torch cannot drive a {card.title}, which has compute capability "
            f"{'.'.join(map(str, card.capability))}: install a build for CUDA 12 that still has it (docs/cluster.md)."
        )
    unknown = dict.fromkeys(cell.method for cell in cells if cell.hours is None)
    for method in unknown:
        algorithm = configuration.method(dict(config), method)["algorithm"]
        lines.append(
            f"Nothing is known of algorithm '{algorithm}': the searches of {method} are not among the hours; add it to "
            f"SEARCHES in nasperf360/estimate/work.py."
        )
    for cell in cells:
        hours = cell.hours_of_worker
        if hours is not None and hours > limit_hours:
            lines.append(
                f"Longer than the queue's {limit_hours:g} h: {cell}, {hours:,.0f} h; it goes on from its last "
                f"checkpoint in {ceil(hours / limit_hours)} attempts, so retries has to be at least "
                f"{ceil(hours / limit_hours) - 1}."
            )
        if cell.memory is not None and cell.memory > card.memory:
            lines.append(
                f"More than the {card.memory:g} GiB of a {card.title}: {cell}, {cell.memory:,.1f} GiB"
                f"{'' if cell.measured else ' at least'}; lower its batch_size or take a larger card."
            )
    return lines


def runtimes(cells: Iterable[Cell], limit_hours: float) -> dict[str, int]:
    """Minutes to ask a queue for, by ``<stage>/<task>/<method>``: twice the estimate, within the queue's limit.

    A cell of which nothing is known is left out.
    """
    most = int(60 * limit_hours)
    return {
        f"{cell.stage}/{cell.task}/{cell.method}": min(most, max(LEAST_MINUTES, ceil(60 * SAFETY * hours)))
        for cell in cells
        if (hours := cell.hours_of_worker) is not None
    }
