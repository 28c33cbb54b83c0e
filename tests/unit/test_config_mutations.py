"""Configurations as users get them wrong: at random, with fixed seeds. Each is accepted, or refused by one sentence."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from nasperf360.errors import UserError
from nasperf360.settings.layers import merge
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.study import configuration, runtimes

CONFIG = configuration.ROOT / "config"
FILES = [*sorted((CONFIG / "scales").glob("*.yaml")), *sorted((CONFIG / "studies").glob("*.yaml"))]
VALUES = [
    "",
    "null",
    "~",
    "true",
    "no",
    "off",
    "0",
    "-1",
    "1.0",
    "0.5",
    "3e400",
    "1e5",
    "1e-3",
    ".nan",
    ".inf",
    "-.inf",
    "9" * 40,
    "0x1F",
    "0o17",
    "1:30",
    "2024-01-01",
    "2024-01-01 10:00:00",
    "2024-13-45",
    "text",
    "'5'",
    "'[1, 2]'",
    "'{a: 1}'",
    "'1e5'",
    "'\\u0000'",
    '"a\\nb"',
    "ünïcode",
    "[]",
    "[[]]",
    "[null]",
    "[1.0]",
    "[true]",
    "[0, 0]",
    "[.nan]",
    "[{}]",
    "{}",
    "{a: 1}",
    "{1: 2}",
    "{null: 3}",
    "{on: 5}",
    "{name: 5}",
    "{name: []}",
    "{name: cosine}",
    "{all: 5}",
    "{all: []}",
    "{all: {lr: x}}",
    "{? [1, 2] : 3}",
    "{? {a: 1} : 3}",
    "!!binary aGVsbG8=",
    "!!set {a, b}",
    "!!omap [a: 1]",
    "!!python/object/apply:os.getcwd []",
    "!!str 5",
    "!!int x",
    "!!float x",
    "&a [*a]",
    "&a {a: *a}",
    "&a {<<: *a}",
    "{<<: {a: 1}}",
    "{<<: 5}",
    "*missing",
    "[1, 2",
    "a: b: c",
    "\\t- x",
    "@x",
    "`x`",
    "%x",
    "|",
    "> ",
    "-",
    "- - -",
]
KEYS = [
    "on", "no", "1", "1.5", "null", "true", "2024-01-01", "~", "''", "' '", "? [1]", "? {a: 1}", "<<", "&a", "*a",
    "!!int 5", "a b", "a.b", "__class__",
    "run", "all", "name", "lr", "tasks", "epochs", "ecg", "wrn", "wrn-default", "training",
]  # fmt: skip
"""Of YAML, and of settings that stand elsewhere."""


def mutated(lines: list[str], rng: np.random.Generator) -> list[str]:
    """One change as of a hand in a hurry, in the text."""
    lines = list(lines)
    at = int(rng.integers(len(lines)))
    line = lines[at]
    indent = line[: len(line) - len(line.lstrip())]
    key, colon, value = line.partition(":")
    kind = rng.integers(11)
    if kind <= 3 and colon:
        lines[at] = f"{key}: {rng.choice(VALUES)}"
    elif kind == 4 and colon:
        lines[at] = f"{indent}{rng.choice(KEYS)}:{value}"
    elif kind == 5:
        lines.insert(at, f"{indent}{rng.choice(KEYS)}: {rng.choice(VALUES)}")
    elif kind == 6:
        del lines[at]
    elif kind == 7:
        lines[at] = (indent[:-2] if rng.random() < 0.5 else indent + "  ") + line.lstrip()
    elif kind == 8:
        lines.insert(at, line)
    elif kind == 9 and line.strip():
        letters = list(line)
        place = int(rng.integers(len(indent), len(letters)))
        letters[place] = str(rng.choice(list("abz09:-[]{}'\"#&*!%@ ,.?|>")))
        lines[at] = "".join(letters)
    else:
        words = line.split(",")
        del words[int(rng.integers(len(words)))]
        lines[at] = ",".join(words)
    return lines


def outcome(path: Path) -> str:
    """What the start of the workflow says of a file given by ``--configfile``; empty where it is accepted."""
    try:
        configuration.check_files([path])
        given = yaml.safe_load(path.read_text(encoding="utf-8"))  # as Snakemake reads it, afterwards
        shipped = read_yaml(CONFIG / "config.yaml")
        config = configuration.resolve(merge(shipped, given) if isinstance(given, dict) else shipped)
        for task, method in configuration.experiments(config)[:3]:
            configuration.search_settings(config, task, method)
            configuration.space_settings(config, task, method)
        runtimes.read_runtimes(config["runtimes"])
        return ""
    except UserError as error:
        return str(error)


def check(seed: int, folder: Path) -> None:
    rng = np.random.default_rng(seed)
    source = FILES[int(rng.integers(len(FILES)))]
    lines = source.read_text(encoding="utf-8").splitlines()
    for _ in range(int(rng.integers(1, 3))):
        lines = mutated(lines, rng)
    path = folder / "mine.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    said = outcome(path)
    if said:
        assert "\n" not in said, said
        assert len(said) < 700, said
        assert "Traceback" not in said
        assert "object at 0x" not in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("on: 5", "config: key True is a truth value to YAML, as on, off"),
        ("no: 1", "config: key False is a truth value to YAML"),
        ("1: 2", "config: key 1 is a number to YAML"),
        ("null: 2", "config: key None is no text to YAML"),
        ("2024-01-01: 2", "is a date to YAML"),
        ("spaces: {wrn: {5: {}}}", "config: spaces.wrn: key 5 is a number"),
        ("spaces: &a {wrn: *a}", "line 1: by an alias this value holds itself; write out what is meant"),
        ("a:\n  b: &a\n    - *a", "line 2: by an alias this value holds itself"),
        ("seeds: [1.0]", "config: seeds.0: 1.0 was given, a whole number of at least 0 is expected"),
        ("seeds: [.nan]", "config: seeds.0: nan was given"),
        ("checkpoint_seconds: .nan", "config: checkpoint_seconds: nan was given, a number of at least 0 is expected"),
        (
            "retrain: {wrn: {all: {lr: .inf}}}",
            "config: retrain.wrn.all.lr: inf was given, a number above 0",
        ),
        ("retrain: {wrn: {all: {task: {merge_valid: true}}}}", "unknown setting 'merge_valid'; allowed are cutout"),
        ("retrain: {wrn: {all: {task: {loss: 1}}}}", "config: retrain.wrn.task: unknown setting 'loss'"),
        ("retrain: {wrn: {all: {schedule: {name: cosine, at: [0.1]}}}}", "schedule: unknown setting 'at'"),
        ("runtimes: none.json", "none.json: no such file"),
    ],
)
def test_what_stood_in_files_of_users(text, words, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text + "\n", encoding="utf-8")
    said = outcome(path)
    assert words in said
    assert "\n" not in said


def test_a_value_of_the_command_line_that_holds_itself():
    loop: dict[str, object] = {}
    loop["wrn"] = loop
    with pytest.raises(UserError, match=r"config: spaces\.wrn: by an alias this value holds itself"):
        configuration.resolve({"spaces": loop})


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4, 60))
def test_many_mutations(block, tmp_path):
    test_mutations_are_accepted_or_refused_by_one_sentence(block, tmp_path)


@pytest.mark.parametrize("block", range(4))
def test_mutations_are_accepted_or_refused_by_one_sentence(block, tmp_path):
    for seed in range(25 * block, 25 * (block + 1)):
        check(seed, tmp_path)
