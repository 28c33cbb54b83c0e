"""The keys of the configuration: types, defaults, meaning, and what a change of each reruns.

From this, ``docs/generate.py`` makes ``workflow/schemas/config.schema.yaml`` and the tables of ``config/README.md``.
What a space, an algorithm, a task or a training may set is declared beside it, in its ``spec.py``.
"""

from typing import Annotated, Any, Literal

from annotated_types import Len
from pydantic import AfterValidator, BeforeValidator, Field

from nasperf360.settings.declaration import Amount, Count, Settings, Whole
from nasperf360.training.settings import Precision


def _key(default: Any = ..., *, means: str, reruns: str) -> Any:
    return Field(default, description=means, json_schema_extra={"reruns": reruns})


def _each_once(values: list[Any]) -> list[Any]:
    if twice := [value for position, value in enumerate(values) if value in values[:position]]:
        raise ValueError(f"it names {twice[0]!r} twice")
    return values


def _list_of_one(value: Any) -> Any:
    """``compare=a`` on the command line."""
    return [value] if isinstance(value, str) else value


def _not_reserved(name: str) -> str:
    if name == "reference":
        raise ValueError("this name is reserved for the paper's results; choose another")
    return name


_FOLDER = Field(
    pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    json_schema_extra={"expected": "a name of letters, digits, '.', '_' and '-'"},
)
RunName = Annotated[str, _FOLDER, AfterValidator(_not_reserved)]
MethodName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9_]+-[a-z0-9_]+$",
        json_schema_extra={"expected": "a name such as wrn-default, <space>-<algorithm> in lower case,"},
    ),
]
OtherRuns = Annotated[list[Annotated[str, _FOLDER]], BeforeValidator(_list_of_one), AfterValidator(_each_once)]
Options = dict[str, dict[str, Any] | None]
"""By task."""
Layers = dict[str, dict[str, Any] | None]
"""By layer: ``all``, ``point``, ``dense``, ``1d``, ``2d`` and tasks."""


class Publish(Settings):
    """What the target ``publications`` publishes, and where."""

    bucket: str = Field("", description="S3 bucket")
    prefix: str = Field("nas-perf-360", description="of the keys")
    endpoint: str = Field("", description="URL; empty: AWS")
    results: bool = Field(
        False, description="also the result, architecture, predictions and trained network of each experiment"
    )
    accept_licences: list[str] = Field(
        [], description="licences under which data sets are published although they forbid it, or do not say"
    )


class MethodSettings(Settings):
    """Settings of one method, which win over those of its space and algorithm."""

    spaces: Layers = Field({}, description="of its space")
    search: Layers = Field({}, description="of its search")
    retrain: Layers = Field({}, description="of its training")


class SizeLimit(Settings):
    """The most parameters that a method's networks may have."""

    method: str = Field(description="whose searched network of the same task and seed is the limit")
    slack: Amount = Field(0.0, description="so many parameters more are allowed")


class MethodDefinition(Settings):
    """What a method's name does not say by itself."""

    space: str | None = Field(None, description="what stands before the '-' of its name if null")
    algorithm: str | None = Field(None, description="what stands after the '-' of its name if null")
    settings: MethodSettings = Field(MethodSettings(), description="of its own")
    size_limit: SizeLimit | None = Field(None, description="on its networks")


class Configuration(Settings):
    """Every key; what has no default here gets one from ``config/scales/<scale>.yaml``."""

    scale: Literal["demo", "paper"] = _key(
        "demo",
        means="How large the study is; names the file of config/scales/ that the other keys default to.",
        reruns="nothing; another scale is another run",
    )
    run: RunName | None = _key(
        None,
        means="Name of the set of results, results/<run>/; the scale's name if null.",
        reruns="nothing; another run has results of its own",
    )
    data_run: RunName | None = _key(
        None,
        means="The run whose raw and processed data are used; the run itself if null.",
        reruns="what reads the data",
    )
    tasks: Annotated[list[str], Len(1), AfterValidator(_each_once)] = _key(
        ["cifar100", "spherical", "ninapro", "fsd50k", "darcy", "psicov", "cosmic", "ecg", "satellite", "deepsea"],
        means="Which tasks, in the order of the tables; each is a folder of workflow/scripts/nasperf360/tasks/.",
        reruns="only new experiments, and tables and figures",
    )
    methods: Annotated[list[MethodName], Len(1), AfterValidator(_each_once)] = _key(
        [
            "wrn-default",
            "wrn-asha",
            "densenas-original",
            "densenas-random",
            "darts-gaea",
            "autodl-darts",
            "amber-enas",
        ],
        means="Which methods, in the order of the tables; a name is <space>-<algorithm>, or stands in "
        "method_definitions. An experiment whose space has no networks for its task is n/a.",
        reruns="only new experiments, and tables and figures",
    )
    seeds: Annotated[list[Whole], Len(1), AfterValidator(_each_once)] = _key(
        means="The repetitions of each experiment.", reruns="only new seeds, and tables and figures"
    )
    searches: Count | None = _key(
        None,
        means="How many searches each experiment's method has: seed s trains what the search of seed s mod n found, so "
        "that the spread of searches and that of trainings can be told apart; null: a search for each seed.",
        reruns="the trainings of other architectures than before, and searches of new seeds",
    )
    source: Literal["simulated", "original", "benchmark", "published"] = _key(
        means="Where data come from: the simulators; the original sites, or the benchmark's own processed files, or a "
        "mirror of either; or data sets published to S3.",
        reruns="nothing; a run's folder refuses another source",
    )
    mirror: str = _key(
        "",
        means="Folder or URL with <mirror>/<task>/<file>, used in place of the original sites; with source published, "
        "the URL or folder of the published data sets (empty: the bucket of publish).",
        reruns="nothing",
    )
    sources: str | None = _key(
        None,
        means="The file that lists the raw files of each task with roles, options and checksums; config/sources.yaml "
        "if null, with source benchmark config/sources.benchmark.yaml.",
        reruns="the download of the tasks whose entry changed",
    )
    compute_threads: Count = _key(
        1,
        means="CPU threads of torch in one job; more are faster and give other bits.",
        reruns="everything that computes with torch",
    )
    precision: Precision = _key(
        "float32",
        means="Of the networks' forward passes, mixed below float32; search and retrain settings may set their own.",
        reruns="searches that train, and retraining",
    )
    device: Literal["auto", "cpu", "cuda"] = _key(
        "auto", means="Where to train; auto takes a GPU where the job has one.", reruns="nothing"
    )
    jobs_per_gpu: Count = _key(
        1,
        means="How many searches and trainings may share a GPU of one machine; give --resources gpu=<GPUs times that>.",
        reruns="nothing",
    )
    fork_server: bool = _key(
        True,
        means="Whether the jobs of one thread of a local run are forks of a process that has imported the libraries.",
        reruns="nothing",
    )
    container: str | None = _key(
        None,
        means="An image with the packages, a file or an address such as docker://..., that jobs run in if Snakemake is "
        "given --sdm apptainer; envs/apptainer.def and envs/Dockerfile make one.",
        reruns="nothing; with --sdm apptainer everything",
    )
    checkpoint_seconds: Amount = _key(
        60.0, means="At most so much work is lost when a job is killed, plus one step.", reruns="nothing"
    )
    data_memory_mb: Whole = _key(
        8192,
        means="Of a job's data, how much it holds in memory (on the GPU, where it has one), in MiB; it reads the rest "
        "from disk while it trains. Changes no number.",
        reruns="nothing",
    )
    runtimes: str | None = _key(
        None,
        means="A file that estimate.py --runtimes wrote: the minutes that each search and training asks a queue for; "
        "null: two days each.",
        reruns="nothing",
    )
    keep_predictions: bool = _key(
        True,
        means="Keep the trained networks' outputs on the test split, so that a changed metric and verify.py need no "
        "training; false: delete them once they are evaluated.",
        reruns="nothing",
    )
    partial: bool = _key(
        False,
        means="Tables and figures of the results that exist, the others shown as missing; trains nothing.",
        reruns="tables and figures",
    )
    compare: OtherRuns = _key(
        [],
        means="Other runs that the target compare puts this one beside; reference: the paper's printed results.",
        reruns="nothing; another comparison has files of its own",
    )
    conclusions: OtherRuns = _key(
        [],
        means="Runs of corrected choices, such as those of config/studies/corrected/, that the target conclusions puts "
        "beside this one.",
        reruns="that table and figure",
    )
    publish: Publish = _key(
        Publish(),
        means="S3 bucket, key prefix and endpoint URL for the target publications, whether results go there too, and "
        "licences that are no obstacle; keys come from the environment.",
        reruns="nothing",
    )
    method_definitions: dict[MethodName, MethodDefinition] = _key(
        {},
        means="What a method's name does not say by itself: its space, its algorithm, settings of its own, which win "
        "over those of spaces, search and retrain, and a limit on the size of its networks by those that another "
        "method found.",
        reruns="the experiments of that method",
    )
    simulate: Options = _key(
        means="Per task, the sizes of the simulated raw files.", reruns="that task, from its raw data on"
    )
    preprocess: Options = _key(
        means="Per task, the options of its preprocessing.", reruns="that task, from its preprocessing on"
    )
    spaces: dict[str, Layers] = _key(
        means="Per space, settings for all tasks, for point or dense, 1d or 2d, and for single tasks; later ones win.",
        reruns="the experiments of that space that the line touches",
    )
    search: dict[str, Layers] = _key(
        means="Per algorithm, in the same layers, the settings of its search.",
        reruns="the searches of that algorithm that the line touches, and what follows them",
    )
    retrain: dict[str, Layers] = _key(
        means="Per space, in the same layers, the training of the architecture that was found.",
        reruns="the retrainings of that space that the line touches, and the searches whose trials train so",
    )
