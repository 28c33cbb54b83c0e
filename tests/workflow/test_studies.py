"""The ready studies plan as they say, and seeds that share a search train what it found."""

import subprocess
import sys

import pandas as pd
import pytest
from checkout import ROOT, Checkout

from nasperf360.files import read_json
from nasperf360.settings.layers import merge
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.study import configuration

STUDIES = sorted(path.stem for path in (ROOT / "config" / "studies").glob("*.yaml"))
TWO = ("tasks=[satellite]", "methods=[wrn-default,densenas-original,densenas-random]", "seeds=[0,1,2,5]", "searches=2")


def resolved(name):
    files = (ROOT / "config" / "config.yaml", ROOT / "config" / "studies" / f"{name}.yaml")
    return configuration.resolve(merge(*map(read_yaml, files)))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("studies") / "checkout")


def test_there_are_those_that_the_readme_names():
    assert STUDIES == ["paper", "paper-fast", "random", "recipe"]
    text = (ROOT / "config" / "README.md").read_text()
    assert all(f"`config/studies/{name}.yaml`" in text for name in STUDIES)


@pytest.mark.parametrize("name", STUDIES)
def test_a_ready_study_plans(name, checkout):
    config = resolved(name)
    assert (config["scale"], config["run"], config["data_run"]) == ("paper", name, "paper")
    planned = checkout.plan("evaluations", file=f"config/studies/{name}.yaml")
    keys = [(task, method, seed) for task, method in configuration.experiments(config) for seed in config["seeds"]]
    for rule in ("search", "retrain", "evaluate"):
        assert {job for job in planned if job.startswith(rule)} >= {" ".join(map(str, (rule, *key))) for key in keys}
    assert len([job for job in planned if job.startswith("evaluate")]) == len(keys)


def test_the_paper_s_study_is_the_paper_scale():
    assert resolved("paper") == configuration.resolve(
        merge(read_yaml(ROOT / "config" / "config.yaml"), {"scale": "paper"})
    )


def test_random_search_of_every_space_is_uniform_and_unlimited():
    config = resolved("random")
    searched = {name for name in config["methods"] if name != "wrn-default"}
    definitions = [configuration.method(config, name) for name in searched]
    assert {definition["space"] for definition in definitions} == {"wrn", "densenas", "darts", "autodl", "amber"}
    assert {definition["algorithm"] for definition in definitions} == {"random"}
    assert not any("size_limit" in definition for definition in definitions)
    found = [
        configuration.search_settings(config, task, name)["search"]
        for task, name in configuration.experiments(config)
        if name in searched
    ]
    assert {settings["sampler"] for settings in found} == {"uniform"}
    # The paper's own method has smaller spaces on some tasks.
    full = configuration.space_settings(config, "cifar100", "densenas-original")
    assert configuration.space_settings(config, "cifar100", "densenas-uniform") == full
    assert configuration.space_settings(config, "cifar100", "densenas-random") != full


def test_the_recipe_is_the_same_for_every_method_on_a_task():
    config = resolved("recipe")
    for task in config["tasks"]:
        methods = [name for of, name in configuration.experiments(config) if of == task]
        recipes = [configuration.retrain_settings(config, task, name) for name in methods]
        assert len(recipes) > 3
        assert all(recipe == recipes[0] for recipe in recipes)
        assert (recipes[0]["optimizer"], recipes[0]["epochs"], recipes[0]["lr"]) == ("adam", 150, 1e-3)
        trials = configuration.search_settings(config, task, "densenas-random")
        assert trials["search"]["training"] == {}


def test_the_fast_study_does_less_of_the_same():
    paper, fast = resolved("paper"), resolved("paper-fast")
    assert configuration.experiments(paper) == configuration.experiments(fast)
    half = {"epochs": 2, "trials": 2, "episodes": 2}
    for task, name in configuration.experiments(paper):
        for settings_of in (configuration.retrain_settings, lambda *key: configuration.search_settings(*key)["search"]):
            before, after = settings_of(paper, task, name), settings_of(fast, task, name)
            for key in half.keys() & before.keys():
                if (name, key) == ("densenas-random", "epochs") and "trials" in before:
                    assert before[key] == after[key]  # of each trial
                else:
                    assert before[key] / after[key] == pytest.approx(2, abs=0.3), (task, name, key)


def test_seeds_share_searches_by_their_remainder(checkout):
    planned = checkout.plan("evaluations", config=TWO)
    for method in ("wrn-default", "densenas-original", "densenas-random"):
        searches = {job.split()[-1] for job in planned if job.startswith(f"search satellite {method} ")}
        assert searches == {"0", "1"}
        for seed in (0, 1, 2, 5):
            reason = planned[f"retrain satellite {method} {seed}"]
            found = f"results/small/search/satellite/{method}/{seed % 2}/architecture.json"
            assert found in reason
            assert reason.count("/architecture.json") == 1
    assert "densenas-original/1/architecture.json" in planned["search satellite densenas-random 1"]


def test_tables_and_drawings_are_of_the_searches_that_there_are(checkout):
    planned = checkout.plan("tables", "figures", "architectures", config=TWO)
    assert {job.split()[-1] for job in planned if job.startswith("search ")} == {"0", "1"}
    text = checkout.snakemake("-n", "--cores", "1", "figures", config=TWO)
    assert "figures/architectures/densenas-original/1.svg" in text
    assert "figures/architectures/densenas-original/2.svg" not in text


@pytest.mark.slow
def test_a_run_whose_seeds_share_searches_fits_its_provenance(checkout):
    """Trainings of one search differ as those of two searches do, and each result names its search."""
    config = (*TWO[:1], "methods=[wrn-default,wrn-random]", "seeds=[0,1,2]", "searches=2", "run=shared")
    checkout.snakemake("--cores", "1", "tables", config=config)
    results = checkout.folder / "results" / "shared"
    assert {path.name for path in (results / "search" / "satellite" / "wrn-random").iterdir()} == {"0", "1"}
    found = [read_json(results / f"evaluate/satellite/wrn-random/{seed}/result.json") for seed in (0, 1, 2)]
    assert [result["search_seed"] for result in found] == [0, 1, 0]
    trained = [result["provenance"]["settings"]["architecture"] for result in found]
    assert trained[0] == trained[2] != trained[1]
    assert found[0]["files"]["model.pt"] != found[2]["files"]["model.pt"]
    costs = pd.read_csv(results / "tables" / "cost.csv").set_index("algorithm")
    assert costs.loc["random", ["search_seeds", "retrain_seeds"]].tolist() == [2, 3]
    verified = subprocess.run(
        [sys.executable, "workflow/scripts/verify.py", "results/shared"],
        cwd=checkout.folder,
        capture_output=True,
        text=True,
    )
    assert verified.stdout == "results/shared: everything fits\n", verified.stdout + verified.stderr
    status = (results / "tables" / "scores.csv").read_text()
    assert status.count(",complete,complete\n") == 6


def test_a_number_of_searches_is_a_count(checkout):
    text = checkout.snakemake("-n", "--cores", "1", config=("searches=0",), status=1)
    assert "searches: 0 was given, a whole number of at least 1" in text
