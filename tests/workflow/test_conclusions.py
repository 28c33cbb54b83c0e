"""The corrected choices of the protocol: each sets what it says and no more, and one command runs and shows them."""

import sys

import pandas as pd
import pytest
from checkout import ROOT, Checkout, environment, said

from nasperf360.settings.layers import merge
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.study import configuration
from nasperf360.study.expected import differing, expected_study

FOLDER = ROOT / "config" / "studies" / "corrected"
CHOICES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
CONFIG = read_yaml(ROOT / "config" / "config.yaml")
# A choice, the stage and setting that it changes, and the published and the corrected value.
SETTINGS = {
    "autodl-halves": ("search", "search", "split", "same", "halves"),
    "autodl-none": ("search", "space", "none", True, False),
    "autodl-slips": ("search", "space", "slips", True, False),
    "darts-drop-path": ("retrain", "space", "evaluation.drop_path_epochs", 600, None),
    "darts-norm": ("retrain", "space", "evaluation.norm.momentum", 0.999, 0.1),
    "densenas-cost": ("search", "space", "cost_in_1d", False, True),
    "enas-dropout": ("search", "search", "dropout_after_warmup", False, True),
    "enas-penalty": ("search", "search", "skip_penalty", "published", "sampled"),
    "enas-statistics": ("search", "search", "validation_statistics", True, False),
    "gaea-mixture": ("search", "search", "mixture", "softmax", "simplex"),
    "random-sampler": ("search", "search", "sampler", "derive", "uniform"),
    "wrn-pooling": ("retrain", "space", "pooling", 8, "global"),
}


def resolved(*files):
    return configuration.resolve(merge(CONFIG, *map(read_yaml, files)))


def value_of(settings, name):
    for part in name.split("."):
        settings = settings[part]
    return settings


def test_every_choice_is_described():
    page = (ROOT / "docs" / "conclusions.md").read_text()
    assert set(CHOICES) == {*SETTINGS, "random-space", "all"}
    assert all(f"| `{name}` |" in page for name in CHOICES if name != "all")


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_shares_the_data_of_the_paper_s_study(name):
    published, choice = resolved(FOLDER.parent / "paper.yaml"), resolved(FOLDER / f"{name}.yaml")
    assert (choice["scale"], choice["data_run"], choice["run"]) == ("paper", "paper", f"paper-{name}")
    for key in ("simulate", "preprocess", "source", "sources", "retrain", "seeds"):
        assert choice[key] == published[key]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_choice_changes_its_setting_in_each_of_its_experiments(name):
    stage, part, setting, before, after = SETTINGS[name]
    published = expected_study(resolved(FOLDER.parent / "paper.yaml"))
    changed = expected_study(resolved(FOLDER / f"{name}.yaml"))
    whole = expected_study(resolved(FOLDER / "all.yaml"))
    for pair, settings in changed[stage].items():
        assert value_of(published[stage][pair][part], setting) == before
        assert value_of(settings[part], setting) == after
        assert value_of(whole[stage][pair][part], setting) == after
        assert differing(published[stage][pair], settings) == part
    # Its experiments are all that the setting is published for.
    methods = {pair.split()[1] for pair in changed[stage]}
    for pair in {pair for pair in published[stage] if pair.split()[1] in methods} - changed[stage].keys():
        assert value_of(published[stage][pair][part], setting) == value_of(whole[stage][pair][part], setting)


def test_random_search_over_the_space_of_the_search():
    config = resolved(FOLDER / "random-space.yaml")
    for task in config["tasks"]:
        random, search = (
            configuration.space_settings(config, task, f"densenas-{name}") for name in ("random", "original")
        )
        assert random == search
        published = resolved(FOLDER.parent / "paper.yaml")
        assert configuration.space_settings(published, task, "densenas-random") != search


def test_the_demo_has_the_accidents_that_its_choices_put_right():
    """Or a choice would be the same as none."""
    base = FOLDER / "demo" / "published.yaml"
    published = expected_study(resolved(base))
    for name in CHOICES:
        choice = read_yaml(FOLDER / f"{name}.yaml")
        given = {"scale": "demo", "run": "x", "data_run": "y"}
        tasks = [task for task in read_yaml(base)["tasks"] if task in choice.get("tasks", [task])]
        config = configuration.resolve(merge(CONFIG, read_yaml(base), choice, given, {"tasks": tasks}))
        changed = expected_study(config)
        assert any(
            published[stage][pair] != settings for stage in changed for pair, settings in changed[stage].items()
        ), name


def corrected(folder, *arguments, status=0):
    command = [sys.executable, "workflow/scripts/corrected.py", *arguments]
    return said(command, folder, environment(), status, timeout=1800)


def test_a_choice_that_there_is_not_is_one_sentence():
    output = corrected(ROOT, "--only", "gaea-mixtur", status=1)
    assert output.startswith("Error: --only: unknown choice 'gaea-mixtur'; did you mean 'gaea-mixture'?")


def test_what_the_study_says_is_no_option(tmp_path):
    said = corrected(Checkout(tmp_path / "checkout").folder, "--config", "device=cpu", "scale=paper", status=1)
    assert said == "Error: --config scale=paper: put it into a copy of the study, and give that as --study\n"


def test_conclusions_ask_for_runs(tmp_path):
    output = Checkout(tmp_path / "checkout").snakemake("-n", "conclusions", status=1)
    assert "Error: conclusions: name the runs of corrected choices" in output


STUDY = """
scale: demo
run: two
tasks: [satellite]
methods: [wrn-default, densenas-random]
seeds: [0]
simulate: {satellite: {train: 240, test: 60}}
"""


@pytest.mark.slow
def test_one_command_runs_choices_and_shows_them(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    study = checkout.folder / "two.yaml"
    study.write_text(STUDY)
    options = ("--study", "two.yaml", "--cores", "1", "--resources", "gpu=1")
    output = corrected(checkout.folder, *options, "--only", "random-sampler", "gaea-mixture")
    assert "== gaea-mixture: the study has none of its tasks or none of its methods" in output
    results = checkout.folder / "results"
    assert not (results / "two-random-sampler" / "data").exists()  # those of the study
    table = pd.read_csv(results / "two" / "tables" / "conclusions.csv")
    assert list(dict.fromkeys(table["choice"])) == ["as published", "random-sampler"]
    found = table.set_index(["choice", "method"])
    assert found["simulated"].all()
    assert found["missing"].sum() == 0
    assert found.loc[("random-sampler", "densenas-random"), "corrected"] == 1
    assert found.loc[("random-sampler", "wrn-default"), "corrected"] == 0
    assert found.loc[("random-sampler", "wrn-default"), "differs"] == "search.sampler: derive / uniform"
    for form in ("md", "html", "tex"):
        assert "imulated" in (results / "two" / "tables" / f"conclusions.{form}").read_text()
    for form in ("pdf", "svg", "png"):
        assert (results / "two" / "figures" / f"conclusions.{form}").is_file()
    # A run that is not there is empty, nothing is trained for it, and what is there is not made again.
    runs = "conclusions=[two-random-sampler,two-gaea-mixture]"
    planned = checkout.plan("conclusions", file="two.yaml", config=(runs,))
    assert set(planned) - {"conclusions"} == {"corrected_choices"}
    checkout.snakemake("conclusions", "--cores", "1", file="two.yaml", config=(runs,))
    assert "gaea-mixture: no such run" in (results / "two" / "tables" / "conclusions.md").read_text()
    assert set(checkout.plan("conclusions", file="two.yaml", config=(runs,))) <= {"conclusions"}
