"""Pages of the documentation site that are made at each build, below docs/made: of tasks, methods and the library.

What they say comes from where it stands: labels, specs, docstrings, docs/protocol.md, config/sources.yaml and
config/reference.csv. The pictures are of simulated data.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from generate import sections, settings_rows, table

from nasperf360.figures import style
from nasperf360.files import write_text
from nasperf360.labels import (
    PAPER_METHODS,
    PAPER_TASKS,
    algorithm_label,
    corrected_scores,
    halves,
    method_label,
    objective,
    published_size,
    space_label,
    task_label,
    task_note,
)
from nasperf360.registry import PACKAGE, has_room, room
from nasperf360.seeds import generator
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.spaces.shared.space_spec import space_spec
from nasperf360.study import configuration
from nasperf360.tables.forms import mean_and_std
from nasperf360.tables.performance import decimals, direction, read_reference
from nasperf360.tasks.shared.task_spec import task_spec

RUN = "site"  # whose simulated data the pictures show
KINDS = {"point": "one answer per sample", "dense": "an answer for each pixel"}
ROLE = re.compile(r":\w+:(`)")
FIRST_WORDS = {"darts": "darts (algorithm)"}
"""Of an algorithm's rows of docs/protocol.md, where they are not its name, which is a space's."""


def write(root: Path) -> None:
    """Make all of them anew.

    Args:
        root: of the repository.
    """
    made = root / "docs" / "made"
    pictures = sample_pictures(root)
    protocol = protocol_rows(root)
    results = printed(root)
    sources = read_yaml(root / "config" / "sources.yaml")
    for task in PAPER_TASKS:
        write_text(made / "tasks" / f"{task}.md", task_page(task, protocol, results, sources, pictures[task]))
    for method in PAPER_METHODS:
        picture = draw_method(method, made / "methods" / f"{method}.png")
        write_text(made / "methods" / f"{method}.md", method_page(method, protocol, results, picture))
    write_text(made / "root" / "index.html", '<meta http-equiv="refresh" content="0; url=docs/index.html">\n')
    for folder, text in library_pages():
        write_text(made / "library" / f"{folder}.rst", text)


def sample_pictures(root: Path) -> dict[str, str]:
    """By task, where the pictures of the report lie, drawn of simulated data."""
    names = {task: f"results/{RUN}/figures/samples/{task}.png" for task in PAPER_TASKS}
    command = [sys.executable, "-m", "snakemake", *names.values(), "--cores", "1", "--quiet", "all"]
    given = [f"run={RUN}", "scale=demo", "source=simulated", f"tasks=[{','.join(PAPER_TASKS)}]"]
    subprocess.run([*command, "--config", *given], cwd=root, check=True)
    return {task: f"../../../{name}" for task, name in names.items()}


def protocol_rows(root: Path) -> list[list[str]]:
    """The rows of docs/protocol.md."""
    lines = (root / "docs" / "protocol.md").read_text(encoding="utf-8").splitlines()
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows[1:]]


def rows_of(protocol: list[list[str]], names: set[str]) -> str:
    """Those of some tasks, spaces or algorithms, as a table."""
    found = [row for row in protocol if names & _subjects(row[0])]
    return table(["", "the paper says", "its code did", "here"], found) if found else "Nothing."


def _subjects(first: str) -> set[str]:
    """What a row is about: ``ecg windows`` is about ecg, ``cifar100, spherical`` about both, ``wrn: 1-D`` about wrn."""
    subject = first.split(":")[0]
    return {subject, *re.split(r", ", subject), subject.split(" ")[0] if "(" not in subject else subject}


def printed(root: Path) -> pd.DataFrame:
    """The paper's results."""
    return read_reference(root / "config" / "reference.csv")


def described(kind: str, name: str, file: str) -> str:
    """The docstring of a file of a task, space or algorithm as Markdown."""
    path = PACKAGE / kind / name / f"{file}.py"
    return plain(ROLE.sub(r"\1", ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""))


def plain(text: str) -> str:
    """Stars, and underscores at the end of a word, as what they are to reST and Markdown: ``(B, *input_shape)``."""
    parts = re.split(r"(`.*?`+)", text)
    parts[::2] = [re.sub(r"\*|(?<=\w)_(?=\W|$)", r"\\\g<0>", part) for part in parts[::2]]
    return "".join(parts)


def task_page(task, protocol, results, sources, picture):
    """What a task is, what the paper says, what its code did, how its samples look."""
    spec, source = task_spec(task), sources[task_spec(task).raw]
    metric = f"{spec.metric.name} {direction(spec.metric.higher_is_better)}"
    facts = [
        ["samples at full size", published_size(task)],
        ["data", f"{spec.dimensions}-D, {KINDS[spec.kind]}"],
        ["outputs", str(spec.outputs)],
        ["metric", metric],
        ["raw data", f"[{source['homepage']}]({source['homepage']}), {source['licence']}"],
    ]
    if scores := corrected_scores(task):
        facts.append(["metric put right", ", ".join(f"`{name}` of `result.json`" for name in scores)])
    settings = sections()
    options = [
        row for part in ("preprocess", "simulate") for row in settings_rows(settings[part].get(task), f"{part}.{task}")
    ]
    mine = results[results["task"] == task]
    shown = [
        [space_label(row.space), algorithm_label(row.algorithm), mean_and_std(row.mean, row.std, decimals(row.metric))]
        for row in mine.itertuples()
    ]
    rooms = [
        file for file in ("data", "training", "metric", "further_scores", "simulator") if has_room("tasks", task, file)
    ]
    parts = [
        f"# {task_label(task)}",
        f"{objective(task)}.",
        *([f"{task_note(task)}."] if task_note(task) else []),
        table(["", ""], facts),
        "## Samples",
        f"![Samples of {task_label(task)}, simulated]({picture})",
        "*Simulated images, not those of the benchmark: drawn from what the simulator writes in the original format.*",
        "## The paper, its code, and this pipeline",
        rows_of(protocol, {task}),
        "## How it is done",
        *(f"**`tasks/{task}/{file}.py`** {described('tasks', task, file)}" for file in rooms),
        "## What may be set",
        table(["setting", "type", "default", "what it means"], options) if options else "Nothing.",
        "## What the paper printed",
        table(["search space", "search algorithm", metric], shown),
    ]
    return "\n\n".join(parts) + "\n"


def method_page(method, protocol, results, picture):
    """What a method is, what the paper says, what its code did, what an architecture looks like."""
    space, algorithm = halves(method)
    used = read_definition(method)
    names = words_of_method(method)
    mine = results[(results["space"] == space) & (results["algorithm"] == algorithm)]
    shown = [
        [
            task_label(row.task),
            f"{row.metric} {direction(row.higher_is_better)}",
            mean_and_std(row.mean, row.std, decimals(row.metric)),
        ]
        for row in mine.itertuples()
    ]
    settings = sections()
    options = [
        *settings_rows(settings["spaces"][used["space"]], f"spaces.{used['space']}"),
        *settings_rows(settings["search"][used["algorithm"]], f"search.{used['algorithm']}"),
    ]
    served = [
        task
        for task in PAPER_TASKS
        if space_spec(used["space"]).serves(task_spec(task).dimensions, task_spec(task).dense)
    ]
    drawn = (
        [
            f"![Architectures of {method_label(method)}, drawn at random]({picture})",
            "*Architectures drawn at random from the space, at paper scale; none was searched.*",
        ]
        if picture
        else []
    )
    parts = [
        f"# {method_label(method)}",
        f"Search space `{used['space']}`, search algorithm `{used['algorithm']}`; in a configuration `{method}`.",
        f"**The space.** {described('spaces', used['space'], 'space')}",
        f"**The algorithm.** {described('algorithms', used['algorithm'], 'search')}",
        f"**Its tasks.** {', '.join(f'[{task_label(task)}](../tasks/{task}.md)' for task in served)}.",
        *drawn,
        "## The paper, its code, and this pipeline",
        rows_of(protocol, names),
        "## What may be set",
        table(["setting", "type", "default", "what it means"], options) if options else "Nothing.",
        "## What the paper printed",
        table(["task", "metric", "result"], shown),
    ]
    return "\n\n".join(parts) + "\n"


def words_of_method(method: str) -> set[str]:
    """The first words of a method's rows of docs/protocol.md."""
    used = read_definition(method)
    return {method, used["space"], FIRST_WORDS.get(used["algorithm"], used["algorithm"])}


def read_definition(method: str) -> dict:
    """Space and algorithm of a method of the paper."""
    return configuration.method(configuration.resolve({"scale": "paper"}), method)


def draw_method(method: str, path: Path) -> str | None:
    """A picture of architectures of a method's space, drawn at random; None where the space has no drawing."""
    config = configuration.resolve({"scale": "paper"})
    space = read_definition(method)["space"]
    if not has_room("spaces", space, "drawing"):
        return None
    tasks = [task for task, name in configuration.experiments(config) if name == method][:2]
    architectures = {}
    for task in tasks:
        settings = space_spec(space).settings.model_validate(configuration.space_settings(config, task, method))
        encoding = encoding_of(space)(task_spec(task).signature((1, 32, 32)), settings)
        architectures[task_label(task)] = encoding.sample(generator("site", method, task))
    with style.context():
        figure = room("spaces", space, "drawing").draw(architectures)
    path.parent.mkdir(parents=True, exist_ok=True)
    style.save(figure, [path], simulated=False)
    return path.name


def encoding_of(space: str) -> type:
    """The class of a space's architectures, without its networks."""
    module = room("spaces", space, "encoding")
    return next(
        value
        for value in vars(module).values()
        if getattr(value, "__module__", "") == module.__name__ and hasattr(value, "sample")
    )


def library_pages() -> Iterator[tuple[str, str]]:
    """A page per folder of the library, each module with all that has a docstring."""
    files = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    for folder in sorted({path.parent for path in files}):
        name = ".".join([PACKAGE.name, *folder.relative_to(PACKAGE).parts])
        lines = [name, "=" * len(name), ""]
        for path in files:
            if path.parent == folder:
                module = f"{name}.{path.stem}"
                lines += [path.stem, "-" * len(path.stem), "", f".. automodule:: {module}", ""]
        yield name, "\n".join(lines)
