"""The configuration: types, precedence, one clear line for each mistake, and narrow settings."""

import subprocess
import sys
from importlib import import_module

import pytest

from nasperf360.errors import UserError
from nasperf360.setting_names import SettingNames
from nasperf360.study import settings
from nasperf360.study.options import declared


def resolve(**given):
    return settings.resolve({"tasks": ["cifar100"], "methods": ["wrn-default"], **given})


def test_text_from_the_command_line_equals_a_file():
    typed = resolve(tasks=["cifar100", "darcy"], seeds=[0, 1], publish={"bucket": "b"}, partial=True)
    text = resolve(tasks="[cifar100,darcy]", seeds="[0,1]", publish="{bucket: b}", partial="true")
    assert typed == text
    nested = "{wrn: {cifar100: {epochs: 2, lr: 1e-4}}}"
    assert resolve(retrain=nested) == resolve(retrain={"wrn": {"cifar100": {"epochs": 2, "lr": 1e-4}}})
    assert typed["publish"] == {"bucket": "b", "prefix": "nas-perf-360", "endpoint": ""}


def test_every_way_of_the_command_line_equals_a_file():
    from snakemake.cli import parse_config

    entries = [
        "tasks=[cifar100,darcy]",
        "seeds=[0,3]",
        "publish={bucket: b, endpoint: 'http://localhost:1'}",
        "retrain={wrn: {darcy: {batch_size: 4, lr: 1e-4, nesterov: false}}}",
        "run=7",
        "compute_threads=2",
    ]
    typed = resolve(
        tasks=["cifar100", "darcy"],
        seeds=[0, 3],
        publish={"bucket": "b", "endpoint": "http://localhost:1"},
        retrain={"wrn": {"darcy": {"batch_size": 4, "lr": 1e-4, "nesterov": False}}},
        run="7",
        compute_threads=2,
    )
    assert settings.resolve({"methods": ["wrn-default"], **parse_config(entries)}) == typed


def test_scale_gives_defaults_and_the_user_wins():
    demo, paper = resolve(), resolve(scale="paper")
    assert (demo["run"], demo["source"], demo["seeds"]) == ("demo", "simulated", [0, 1])
    assert (paper["run"], paper["source"], paper["seeds"]) == ("paper", "original", [0, 1, 2])
    assert resolve(scale="paper", seeds=[5])["seeds"] == [5]
    own = resolve(retrain={"wrn": {"cifar100": {"lr": 0.5}}})
    assert settings.retrain_settings(own, "cifar100", "wrn-default")["lr"] == 0.5
    assert own["data_run"] == "demo"
    assert resolve(run=7)["run"] == "7"


def part(name, module, method="wrn-default", task="cifar100", **layers):
    return {name: {module: layers}, "methods": [method], "tasks": [task]}


def stages(**stage):
    return part("spaces", "densenas", "densenas-densenas", all={"stages": [stage]})


def limited_by(method, **more):
    return {
        "methods": ["densenas-random"],
        "method_definitions": {"densenas-random": {"size_limit": {"method": method}}},
        **more,
    }


NESTED = [
    # Names.
    ({"search": {"gaia": {}}}, ["search: unknown algorithm 'gaia'", "did you mean 'gaea'"]),
    ({"retrain": {"wnr": {}}}, ["retrain: unknown space 'wnr'", "did you mean 'wrn'"]),
    ({"prepare": {"cifar10": {}}}, ["prepare: unknown task 'cifar10'", "did you mean 'cifar100'"]),
    ({"simulate": {"egc": {}}}, ["simulate: unknown task 'egc'", "did you mean 'ecg'"]),
    (part("search", "gaea", satelite={}), ["search.gaea: unknown layer 'satelite'", "did you mean 'satellite'"]),
    (part("search", "gaea", all={"mixtur": 1}), ["search.gaea.all: unknown setting 'mixtur'", "'mixture'"]),
    (part("search", "default", all={"lr": 1}), ["search.default.all: unknown setting 'lr'"]),
    (part("search", "random", dense={"training": {"lrr": 1}}), ["search.random.dense.training", "'lrr'", "'lr'"]),
    (part("search", "densenas", all={"architecture": {"beta": []}}), ["search.densenas.all.architecture", "'betas'"]),
    (part("retrain", "amber", ecg={"schedule": {"nam": "x"}}), ["retrain.amber.ecg.schedule", "'nam'", "'name'"]),
    (part("retrain", "wrn", all={"schedule": "cosine"}), ["retrain.wrn.all.schedule", "'cosine'", "mapping"]),
    (part("spaces", "darts", all={"search": {"wdith": 8}}), ["spaces.darts.all.search", "'wdith'", "'width'"]),
    (part("retrain", "wrn", all={"task": {"cutoff": True}}), ["cifar100", "no switch 'cutoff'"]),
    (
        {"method_definitions": {"wrn-asha": {"settings": {"search": {"al": {}}}}}},
        ["method_definitions.wrn-asha.settings.search: unknown layer 'al'", "did you mean 'all'"],
    ),
    (
        {"method_definitions": {"wrn-default": {"settings": {"retrain": {"all": {"epoch": 1}}}}}},
        ["method_definitions.wrn-default.settings.retrain.all", "'epoch'", "did you mean 'epochs'"],
    ),
    (
        {"method_definitions": {"wnr-default": {}}},
        ["method_definitions: unknown method 'wnr-default'", "'wrn-default'"],
    ),
    # Options of simulators and of preprocessing.
    ({"prepare": {"ecg": {"windw": 3}}}, ["prepare.ecg: unknown setting 'windw'", "did you mean 'window'", "stride"]),
    ({"simulate": {"ecg": {"secons": [4, 5]}}}, ["simulate.ecg: unknown setting 'secons'", "did you mean 'seconds'"]),
    ({"prepare": {"satellite": {"rows": 3}}}, ["prepare.satellite: unknown setting 'rows'", "there are none"]),
    ({"simulate": {"spherical": {"train": 3}}}, ["simulate.spherical: unknown setting 'train'", "there are none"]),
    ({"prepare": {"ecg": {"window": -3}}}, ["prepare.ecg.window: -3", "whole number of 1 or more"]),
    ({"prepare": {"ecg": {"window": True}}}, ["prepare.ecg.window: True", "whole number"]),
    ({"prepare": {"ecg": {"window": None}}}, ["prepare.ecg.window: None", "whole number"]),
    ({"simulate": {"cifar100": {"noise": -0.1}}}, ["simulate.cifar100.noise: -0.1", "number of 0 or more"]),
    ({"simulate": {"cifar100": {"noise": ".nan"}}}, ["simulate.cifar100.noise: nan", "number of 0 or more"]),
    ({"simulate": {"ecg": {"seconds": 4}}}, ["simulate.ecg.seconds: 4", "two numbers above 0, the smaller first"]),
    ({"simulate": {"ecg": {"seconds": [5, 4]}}}, ["simulate.ecg.seconds: [5, 4]", "the smaller first"]),
    ({"simulate": {"psicov": {"length": [4.5, 5]}}}, ["simulate.psicov.length: [4.5, 5]", "two whole numbers"]),
    ({"simulate": {"ecg": {"counts": [1, 2, 3]}}}, ["simulate.ecg.counts: [1, 2, 3]", "4 whole numbers of 0 or more"]),
    ({"simulate": {"ecg": {"counts": [1, 2, 3, -1]}}}, ["simulate.ecg.counts", "of 0 or more"]),
    ({"prepare": {"deepsea": {"keep_negatives": 1}}}, ["prepare.deepsea.keep_negatives: 1", "true or false"]),
    ({"prepare": {"fsd50k": {"mel_scale": 1}}}, ["prepare.fsd50k.mel_scale: 1", "a text"]),
    # What cells need.
    (
        part("retrain", "darts", "darts-random", all=None) | {"tasks": ["satellite"]},  # without a layer of its own
        ["retrain.darts: batch_size, epochs, lr, schedule.name missing", "'darts-random' on task 'satellite'"],
    ),
    (part("search", "gaea", "darts-gaea", all={"lr": None}), ["search.gaea: lr missing", "'darts-gaea'"]),
    (part("search", "densenas", "densenas-densenas", all={"architecture": {"lr": None}}), ["architecture.lr missing"]),
    (part("retrain", "wrn", all={"epochs": 0}), ["retrain.wrn.all.epochs: 0", "at least 1"]),
    (part("retrain", "wrn", all={"batch_size": 1.5}), ["retrain.wrn.all.batch_size: 1.5", "whole number"]),
    (part("retrain", "wrn", cifar100={"lr": "fast"}), ["retrain.wrn.cifar100.lr: 'fast'", "above 0"]),
    (part("retrain", "darts", "darts-gaea", all={"schedule": {"name": "step"}}), ["schedule 'step' needs 'at'"]),
    (part("retrain", "wrn", all={"schedule": {"name": "stp"}}), ["retrain.wrn", "'stp'", "step"]),
    (
        part("search", "random", "wrn-random", all={"training": {"schedule": {"final": 0.0}}}),
        ["search.random: training: schedule.name missing"],
    ),
    # Values.
    *(
        (part("search", "enas", "amber-enas", "ecg", all={key: 0}), [f"search.enas.all.{key}: 0", "at least 1"])
        for key in ("samples", "child_steps", "controller_batch", "controller_epochs", "episodes")
    ),
    (part("search", "enas", all={"controller_lr": "bad"}), ["search.enas.all.controller_lr: 'bad'", "number above 0"]),
    (part("search", "enas", all={"skip_target": 1}), ["skip_target: 1", "below 1"]),
    (part("search", "enas", all={"reward": "accuracy"}), ["search.enas.all.reward: 'accuracy'", "auroc, score"]),
    (part("search", "asha", all={"reduction_factor": 1}), ["search.asha.all.reduction_factor: 1", "at least 2"]),
    (part("search", "asha", all={"min_epochs": 0}), ["search.asha.all.min_epochs: 0", "at least 1"]),
    (part("search", "asha", all={"trials": True}), ["search.asha.all.trials: True", "whole number"]),
    (part("search", "gaea", all={"split": "quarters"}), ["search.gaea.all.split: 'quarters'", "halves, same"]),
    (part("search", "gaea", all={"mixture": "hard"}), ["search.gaea.all.mixture: 'hard'", "softmax, simplex"]),
    (part("search", "gaea", all={"precision": "half"}), ["search.gaea.all.precision: 'half'", "bfloat16"]),
    (part("search", "darts", all={"architecture_betas": [0.5, 1]}), ["architecture_betas: [0.5, 1]", "two numbers"]),
    (part("search", "random", all={"sampler": "sobol"}), ["search.random.all.sampler: 'sobol'", "uniform, derive"]),
    (part("search", "random", all={"task": True}), ["search.random.all.task: True", "mapping"]),
    (part("search", "random", all={"training": {"lr": 0}}), ["search.random.all.training.lr: 0", "above 0"]),
    (part("spaces", "amber", all={"depth": 0}), ["spaces.amber.all.depth: 0", "at least 2"]),
    (part("spaces", "darts", all={"search": {"partial": "all"}}), ["spaces.darts.all.search.partial: 'all'"]),
    (part("spaces", "darts", all={"search": {"form": "fast"}}), ["search.form: 'fast'", "grouped, plain"]),
    (part("retrain", "wrn", all={"optimizer": "lion"}), ["retrain.wrn.all.optimizer: 'lion'", "sgd, adam"]),
    (part("retrain", "wrn", all={"lr": float("nan")}), ["retrain.wrn.all.lr: nan", "above 0"]),
    (part("retrain", "wrn", all={"schedule": {"at": 0.5}}), ["retrain.wrn.all.schedule.at: 0.5", "list"]),
    (part("retrain", "wrn", all={"task": {"cutout": "no!"}}), ["'cutout' 'no!'", "true or false"]),
    # Also where a more special layer wins, and in a method's own settings.
    (part("retrain", "wrn", all={"epochs": 0}, cifar100={"epochs": 1}), ["retrain.wrn.all.epochs: 0"]),
    (
        {"method_definitions": {"wrn-asha": {"settings": {"search": {"darcy": {"trials": 0}}}}}},
        ["method_definitions.wrn-asha.settings.search.darcy.trials: 0"],
    ),
    # Values that do not go together.
    (
        part("search", "asha", "wrn-asha", all={"rungs": 4}),
        ["search.asha: rungs 4 would be at 1, 2, 4, 2 epochs", "max_epochs", "'wrn-asha' on task 'cifar100'"],
    ),
    (part("search", "asha", "wrn-asha", all={"max_epochs": 1}), ["rungs 2 would be at 1, 1 epochs"]),
    (part("search", "gaea", "darts-gaea", all={"epochs": 1}), ["search.gaea: architecture_after 1 of 1 epochs"]),
    (part("search", "darts", "darts-darts", dense={"epochs": 1}, all={"architecture_after": 2}), ["search.darts: "]),
    (part("search", "densenas", "densenas-densenas", all={"warmup_epochs": 2}), ["warmup_epochs 2 of 2 epochs"]),
    (part("search", "densenas", "densenas-densenas", all={"cost_base": 1}), ["search.densenas: cost_base 1"]),
    (part("search", "random", "wrn-random", all={"sampler": "derive"}), ["space 'wrn' has none", "uniform"]),
    (part("spaces", "darts", "darts-gaea", all={"search": {"partial": 3}}), ["search width 4", "multiple of 6"]),
    (
        part("spaces", "darts", "darts-gaea", "darcy", all={"evaluation": {"stem_stride": 2}}),
        ["stem_stride 2"],
    ),
    # Networks that cannot be.
    (part("spaces", "wrn", all={"depth": 15}), ["spaces.wrn: depth 15", "6 n + 4", "16"]),
    (part("spaces", "wrn", all={"pooling": "max"}), ["spaces.wrn: pooling 'max'", "global"]),
    (part("spaces", "autodl", "autodl-darts", "darcy", all={"layers": 2}), ["spaces.autodl: layers 2", "3"]),
    (part("spaces", "densenas", "densenas-random", all={"reach": 0}), ["spaces.densenas.all.reach: 0", "at least 1"]),
    (part("spaces", "densenas", "densenas-random", all={"stages": []}), ["spaces.densenas: stages []", "list"]),
    (stages(channels=[9, 10], layers=1, stride=3), ["spaces.densenas: stages.0: stride 3", "1 or 2"]),
    (stages(channels=[9, 10]), ["spaces.densenas: stages.0: 'layers' is missing"]),
    (stages(channels=[9, 10], layers=[1]), ["stages.0: layers [1]", "a list of 2"]),
    (stages(channels=[9, "x"], layers=1), ["stages.0: channels [9, 'x']", "whole numbers"]),
    (stages(chanels=[9, 10], layers=1), ["stages.0: unknown key 'chanels'", "did you mean 'channels'"]),
    # Limits on the size.
    (limited_by("nope-no"), ["method_definitions.densenas-random.size_limit.method: unknown method 'nope-no'"]),
    (limited_by("wrn-gaea"), ["size_limit.method: 'wrn-gaea'", "cannot serve space 'wrn'"]),
    (limited_by("densenas-random"), ["size_limit.method: 'densenas-random' waits for 'densenas-random' itself"]),
    (
        {"methods": ["wrn-asha"], "method_definitions": {"wrn-asha": {"size_limit": {"method": "wrn-random"}}}},
        ["method_definitions.wrn-asha.size_limit: algorithm 'asha' keeps no limit", "those that do are random"],
    ),
    (
        limited_by("darts-gaea", tasks=["cifar100"])
        | {
            "method_definitions": {
                "densenas-random": {"size_limit": {"method": "darts-gaea"}},
                "darts-gaea": {"size_limit": {"method": "darts-random"}},
            }
        },
        ["method_definitions.darts-gaea.size_limit: algorithm 'gaea' keeps no limit"],
    ),
    (
        limited_by("autodl-darts", tasks=["cosmic", "ecg"]),
        ["size_limit.method: 'autodl-darts'", "no networks for task 'ecg'", "'densenas-random'"],
    ),
    (
        limited_by("darts-gaea", search={"gaea": {"all": {"lr": None}}}),
        ["search.gaea: lr missing for method 'darts-gaea'"],
    ),
]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tsks": ["ecg"]}, ["tsks", "did you mean 'tasks'"]),
        ({"tasks": ["cifar10"]}, ["cifar10", "did you mean 'cifar100'", "deepsea"]),
        ({"tasks": []}, ["tasks", "empty"]),
        ({"tasks": "ecg"}, ["tasks", "'ecg'", "list"]),
        ({"tasks": ["ecg", "ecg"]}, ["tasks", "twice"]),
        ({"methods": ["wrn-defalt"]}, ["wrn-defalt", "did you mean 'wrn-default'"]),
        ({"methods": ["mymethod"]}, ["methods.0: 'mymethod'", "<space>-<algorithm> in lower case"]),
        (
            {"method_definitions": {"mymethod": {"space": "wrn", "algorithm": "default"}}},
            ["method_definitions: 'mymethod'", "<space>-<algorithm> in lower case"],
        ),
        ({"methods": ["cnn-random"]}, ["cnn-random", "space 'cnn'"]),
        ({"methods": ["amber-default"]}, ["amber-default", "no default architecture"]),
        ({"methods": ["wrn-enas"]}, ["wrn-enas", "cannot serve space 'wrn'"]),
        ({"methods": ["amber-random"], "tasks": ["darcy"]}, ["amber-random", "darcy"]),
        ({"scale": "huge"}, ["scale", "huge", "demo, paper"]),
        ({"seeds": ["a"]}, ["seeds.0", "'a'", "integer"]),
        ({"seeds": [-1]}, ["seeds.0", "-1"]),
        ({"run": "reference"}, ["run", "reserved"]),
        ({"run": "a/b"}, ["run", "a/b"]),
        ({"source": "internet"}, ["source", "internet", "simulated, original, published"]),
        ({"publish": {"buckt": "b"}}, ["publish.buckt", "did you mean 'bucket'"]),
        ({"compute_threads": 0}, ["compute_threads", "0"]),
        ({"partial": "perhaps"}, ["partial", "perhaps", "boolean"]),
        *NESTED,
    ],
)
def test_a_mistake_gives_one_line_that_names_it(given, words):
    with pytest.raises(UserError) as error:
        resolve(**given)
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("scale", ["demo", "paper"])
def test_all_pairs_of_what_is_there_pass_at_both_scales(scale):
    """The paper's methods with every task, and the small study of the tests of reruns."""
    shipped = settings.read_yaml(settings.ROOT / "config" / "config.yaml")
    tasks = settings.names_in("tasks")
    assert len(settings.cells(settings.resolve({**shipped, "scale": scale, "tasks": tasks}))) == 56
    small = settings.read_yaml(settings.ROOT / "tests" / "workflow" / "small.yaml")
    assert settings.resolve({**small, "scale": scale})["run"] == "small"


def test_switches_of_a_task_and_empty_layers_are_settings():
    config = resolve(retrain={"wrn": {"cifar100": {"task": {"cutout": False}}, "dense": None}})
    assert settings.retrain_settings(config, "cifar100", "wrn-default")["task"] == {"cutout": False}


def test_an_algorithm_that_names_no_settings_takes_any(monkeypatch):
    from nasperf360.algorithms.random import RandomSearch

    given = part("search", "random", "wrn-random", all={"fancy": 1})
    with pytest.raises(UserError, match="unknown setting 'fancy'"):
        resolve(**given)
    monkeypatch.setattr(RandomSearch, "setting_names", None)
    assert settings.search_settings(resolve(**given), "cifar100", "wrn-random")["search"]["fancy"] == 1


def test_options_like_the_defaults_are_taken():
    simulate = {"ecg": {"counts": [0, 1, 1, 0], "seconds": [4, 4.5]}, "cifar100": {"noise": 0}}
    prepare = {"deepsea": {"columns": list(range(36)), "keep_negatives": True, "train_fraction": 1}}
    taken = resolve(simulate=simulate, prepare=prepare)
    assert taken["simulate"]["ecg"] == simulate["ecg"]
    assert taken["prepare"]["deepsea"]["keep_negatives"] is True


@pytest.mark.parametrize("part", ["simulate", "prepare"])
def test_options_by_default_are_those_of_the_paper_scale(part):
    for task, given in resolve(scale="paper")[part].items():
        defaults = {
            name: list(value) if type(value) is tuple else value for name, value in declared(part, task).items()
        }
        assert {**defaults, **given} == defaults, task


@pytest.mark.parametrize(("part", "module"), [("simulate", "simulators"), ("prepare", "tasks")])
def test_a_task_or_simulator_that_declares_no_options_takes_any(part, module, monkeypatch):
    monkeypatch.delattr(import_module(f"nasperf360.{module}.ecg"), "OPTIONS")
    assert resolve(**{part: {"ecg": {"fancy": "x"}}})[part]["ecg"]["fancy"] == "x"


@pytest.mark.parametrize("default", [None, {}, [], ["a"], ("a", "b"), [[1, 2]]])
def test_an_option_whose_default_is_of_no_simple_kind_takes_any(default, monkeypatch):
    monkeypatch.setattr(import_module("nasperf360.tasks.satellite"), "OPTIONS", {"fancy": default})
    assert resolve(prepare={"satellite": {"fancy": ["x"]}})["prepare"]["satellite"]["fancy"] == ["x"]


def test_the_workflow_starts_without_what_only_jobs_need():
    program = (
        "import sys; from nasperf360.study import settings; "
        "settings.resolve({'scale': 'paper', 'methods': ['wrn-default']}); print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        cwd=settings.ROOT / "workflow" / "scripts",
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.split()
    assert "nasperf360.simulators.darcy" in loaded
    assert not {"torch", "scipy", "pandas", "librosa"} & set(loaded)


def test_names_without_a_kind_take_any_value_and_an_unknown_kind_is_none():
    names = SettingNames.of(required="short lr:positive", optional="split:halves|same rest.fancy")
    names.check({"short": [None], "lr": 1e-3, "rest": {"fancy": "x"}}, "search.mine.all")
    assert names.missing({"lr": 1}) == ["short"]
    with pytest.raises(UserError, match=r"search\.mine\.all\.split: 'x' was given, one of halves, same is expected"):
        names.check({"split": "x"}, "search.mine.all")
    with pytest.raises(KeyError, match="positve"):
        SettingNames.of(required="lr:positve")


def test_null_takes_back_what_a_more_general_layer_sets():
    given = part("search", "gaea", "darts-gaea", all={"split": None, "max_samples": None}, cifar100={"clip": None})
    found = settings.search_settings(resolve(**given), "cifar100", "darts-gaea")["search"]
    assert not {"split", "max_samples", "clip"} & found.keys()
    assert found["mixture"] == "softmax"


def test_the_sampler_of_densenas_random_is_set_in_its_definition():
    """As docs/protocol.md says: the method's own settings win over those of the algorithm."""
    shipped = settings.read_yaml(settings.ROOT / "config" / "config.yaml")
    own = {"method_definitions": {"densenas-random": {"settings": {"search": {"all": {"sampler": "uniform"}}}}}}
    general = {"search": {"random": {"all": {"sampler": "uniform"}}}}
    for given, sampler in ((own, "uniform"), (general, "derive")):
        config = settings.resolve(settings.merge(shipped, given))
        assert settings.search_settings(config, "ecg", "densenas-random")["search"]["sampler"] == sampler


def test_layers_go_from_general_to_special():
    section = {
        "all": {"a": 1, "b": 1, "c": 1, "d": 1},
        "dense": {"b": 2, "c": 2, "d": 2},
        "2d": {"c": 3, "d": 3},
        "darcy": {"d": 4},
        "point": {"a": 9},
    }
    assert settings.layered(section, "darcy") == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert settings.layered({"all": {"a": {"x": 1, "y": 1}}, "darcy": {"a": {"y": 2}}}, "darcy") == {
        "a": {"x": 1, "y": 2}
    }


def test_paper_scale_training_of_wrn_default():
    """Facts: 200 epochs, lr 0.1 (dense 0.001), batch 128 / 256 / 8 / 4,096."""
    tasks = settings.names_in("tasks")
    config = resolve(scale="paper", tasks=tasks)
    found = {task: settings.retrain_settings(config, task, "wrn-default") for task in tasks}
    batches = {
        **dict.fromkeys(("cifar100", "spherical", "ninapro"), 128),
        **dict.fromkeys(("fsd50k", "ecg", "deepsea"), 256),
        **dict.fromkeys(("darcy", "psicov", "cosmic"), 8),
        "satellite": 4096,
    }
    assert {task: values["batch_size"] for task, values in found.items()} == batches
    for task, values in found.items():
        dense = task in ("darcy", "psicov", "cosmic")
        assert values["lr"] == (0.001 if dense else 0.1)
        assert (values["epochs"], values["momentum"], values["weight_decay"]) == (200, 0.9, 5e-4)
        assert values["nesterov"] is True


def test_a_key_of_one_task_touches_that_task_only():
    base = resolve(tasks=["cifar100", "darcy"])
    changed = resolve(tasks=["cifar100", "darcy"], retrain={"wrn": {"darcy": {"batch_size": 4}}})
    for cut in (settings.retrain_settings, settings.space_settings, settings.search_settings):
        assert cut(base, "cifar100", "wrn-default") == cut(changed, "cifar100", "wrn-default")
    assert settings.retrain_settings(changed, "darcy", "wrn-default")["batch_size"] == 4


def test_one_key_sets_the_precision_of_all_that_trains():
    given = {
        "methods": ["wrn-default", "wrn-asha", "darts-gaea"],
        "retrain": {"darts": {"ecg": {"precision": "float32"}}},
    }
    config, plain = (settings.resolve({**given, "tasks": ["ecg"], **more}) for more in ({"precision": "bfloat16"}, {}))
    assert "precision" not in settings.retrain_settings(plain, "ecg", "wrn-default")
    assert settings.retrain_settings(config, "ecg", "wrn-default")["precision"] == "bfloat16"
    assert settings.retrain_settings(config, "ecg", "darts-gaea")["precision"] == "float32"
    assert settings.search_settings(config, "ecg", "darts-gaea")["search"]["precision"] == "bfloat16"
    asha = settings.search_settings(config, "ecg", "wrn-asha")
    assert "precision" not in asha["search"]
    assert asha["retrain"]["precision"] == "bfloat16"
    assert settings.search_settings(config, "ecg", "wrn-default") == settings.search_settings(
        plain, "ecg", "wrn-default"
    )
