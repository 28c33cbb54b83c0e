"""The configuration: types, precedence, one clear line for each mistake, and narrow settings."""

import datetime
import subprocess
import sys

import jsonschema
import pytest
import yaml
from snakemake.cli import parse_config
from snakemake.common.configfile import load_configfile

from nasperf360 import algorithms
from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.errors import UserError
from nasperf360.registry import names
from nasperf360.settings.checking import check_layer, checked
from nasperf360.settings.layers import layered, merge
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.spaces.shared.space_spec import space_spec
from nasperf360.study import configuration
from nasperf360.tasks.shared.task_spec import task_spec
from nasperf360.training.settings import RetrainSettings, TrainingSettings

ROOT = configuration.ROOT
SHIPPED = read_yaml(ROOT / "config" / "config.yaml")


def resolve(**given):
    return configuration.resolve({"tasks": ["cifar100"], "methods": ["wrn-default"], **given})


def test_text_from_the_command_line_equals_a_file():
    typed = resolve(tasks=["cifar100", "darcy"], seeds=[0, 1], publish={"bucket": "b"}, partial=True)
    text = resolve(tasks="[cifar100,darcy]", seeds="[0,1]", publish="{bucket: b}", partial="true")
    assert typed == text
    nested = "{wrn: {cifar100: {epochs: 2, lr: 1e-4}}}"
    assert resolve(retrain=nested) == resolve(retrain={"wrn": {"cifar100": {"epochs": 2, "lr": 1e-4}}})
    rest = {"prefix": "nas-perf-360", "endpoint": "", "results": False, "accept_licences": []}
    assert typed["publish"] == {"bucket": "b", **rest}


def test_runs_to_compare_with_are_a_list_or_one():
    assert resolve()["compare"] == []
    assert resolve(compare="a")["compare"] == ["a"]
    assert resolve(compare="[a, reference]")["compare"] == ["a", "reference"]
    for given, words in (("a/b", "letters"), (["a", "a"], "twice")):
        with pytest.raises(UserError, match=rf"compare.*{words}"):
            resolve(compare=given)


def test_every_way_of_the_command_line_equals_a_file():
    entries = [
        "tasks=[cifar100,darcy]",
        "seeds=[0,3]",
        "publish={bucket: b, endpoint: 'http://localhost:1'}",
        "retrain={wrn: {darcy: {batch_size: 4, lr: 1e-4, nesterov: false}}}",
        "run=seven",
        "compute_threads=2",
    ]
    typed = resolve(
        tasks=["cifar100", "darcy"],
        seeds=[0, 3],
        publish={"bucket": "b", "endpoint": "http://localhost:1"},
        retrain={"wrn": {"darcy": {"batch_size": 4, "lr": 1e-4, "nesterov": False}}},
        run="seven",
        compute_threads=2,
    )
    assert configuration.resolve({"methods": ["wrn-default"], **parse_config(entries)}) == typed


def test_scale_gives_defaults_and_the_user_wins():
    demo, paper = resolve(), resolve(scale="paper")
    assert (demo["run"], demo["source"], demo["seeds"]) == ("demo", "simulated", [0, 1])
    assert (paper["run"], paper["source"], paper["seeds"]) == ("paper", "original", [0, 1, 2])
    assert resolve(scale="paper", seeds=[5])["seeds"] == [5]
    own = resolve(retrain={"wrn": {"cifar100": {"lr": 0.5}}})
    assert configuration.retrain_settings(own, "cifar100", "wrn-default")["lr"] == 0.5
    assert own["data_run"] == "demo"


def test_the_sources_file_is_that_of_the_source(tmp_path, monkeypatch):
    shipped = configuration.ROOT / "config"
    monkeypatch.chdir(tmp_path)
    assert resolve(source="benchmark")["sources"] == str(shipped / "sources.benchmark.yaml")
    for source in ("simulated", "original", "published"):
        assert resolve(source=source)["sources"] == str(shipped / "sources.yaml")
    assert resolve(source="benchmark", sources="mine.yaml")["sources"] == "mine.yaml"
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "sources.benchmark.yaml").write_text("")
    # The working directory's own goes before.
    assert resolve(source="benchmark")["sources"] == "config/sources.benchmark.yaml"


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
    ({"preprocess": {"cifar10": {}}}, ["preprocess: unknown task 'cifar10'", "did you mean 'cifar100'"]),
    ({"simulate": {"egc": {}}}, ["simulate: unknown task 'egc'", "did you mean 'ecg'"]),
    (part("search", "gaea", satelite={}), ["search.gaea: unknown layer 'satelite'", "did you mean 'satellite'"]),
    (part("search", "gaea", all={"mixtur": 1}), ["search.gaea.all: unknown setting 'mixtur'", "'mixture'"]),
    (part("search", "default", all={"lr": 1}), ["search.default.all: unknown setting 'lr'"]),
    (
        part("search", "random", dense={"training": {"lrr": 1}}),
        ["search.random.dense.training: unknown setting 'lrr'", "'lr'"],
    ),
    (part("search", "densenas", all={"architecture": {"beta": []}}), ["search.densenas.all.architecture", "'betas'"]),
    (part("retrain", "amber", ecg={"schedule": {"nam": "x"}}), ["retrain.amber.ecg.schedule", "'nam'", "'name'"]),
    (part("retrain", "wrn", all={"schedule": "cosine"}), ["retrain.wrn.all.schedule", "'cosine'", "mapping"]),
    (part("spaces", "darts", all={"search": {"wdith": 8}}), ["spaces.darts.all.search", "'wdith'", "'width'"]),
    (
        part("retrain", "wrn", all={"task": {"cutoff": True}}),
        ["retrain.wrn.task: unknown setting 'cutoff'", "'cutout'", "'cifar100'"],
    ),
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
    (
        {"preprocess": {"ecg": {"windw": 3}}},
        ["preprocess.ecg: unknown setting 'windw'", "did you mean 'window'", "stride"],
    ),
    ({"simulate": {"ecg": {"secons": [4, 5]}}}, ["simulate.ecg: unknown setting 'secons'", "did you mean 'seconds'"]),
    ({"preprocess": {"satellite": {"rows": 3}}}, ["preprocess.satellite: unknown setting 'rows'", "there are none"]),
    ({"simulate": {"spherical": {"train": 3}}}, ["simulate.spherical: unknown setting 'train'", "there are none"]),
    ({"preprocess": {"ecg": {"window": -3}}}, ["preprocess.ecg.window: -3", "whole number of at least 1"]),
    ({"preprocess": {"ecg": {"window": True}}}, ["preprocess.ecg.window: True", "whole number"]),
    ({"preprocess": {"ecg": {"window": None}}}, ["preprocess.ecg.window: None", "whole number"]),
    ({"simulate": {"cifar100": {"noise": -0.1}}}, ["simulate.cifar100.noise: -0.1", "number of at least 0"]),
    ({"simulate": {"cifar100": {"noise": ".nan"}}}, ["simulate.cifar100.noise: nan", "number of at least 0"]),
    ({"simulate": {"ecg": {"seconds": 4}}}, ["simulate.ecg.seconds: 4", "two numbers above 0"]),
    ({"simulate": {"ecg": {"seconds": [5, 4]}}}, ["simulate.ecg.seconds: [5, 4]", "the smaller"]),
    ({"simulate": {"psicov": {"length": [4.5, 5]}}}, ["simulate.psicov.length.0: 4.5", "whole number"]),
    (
        {"simulate": {"ecg": {"counts": [1, 2, 3]}}},
        ["simulate.ecg.counts: [1, 2, 3]", "four whole numbers of at least 0"],
    ),
    ({"simulate": {"ecg": {"counts": [1, 2, 3, -1]}}}, ["simulate.ecg.counts.3: -1", "at least 0"]),
    ({"preprocess": {"deepsea": {"keep_negatives": 1}}}, ["preprocess.deepsea.keep_negatives: 1", "true or false"]),
    ({"preprocess": {"fsd50k": {"mel_scale": 1}}}, ["preprocess.fsd50k.mel_scale: 1", "htk, slaney"]),
    # What cells need.
    (
        part("retrain", "darts", "darts-random", all=None) | {"tasks": ["ecg"]},  # without a layer of its own
        ["retrain.darts: batch_size, epochs, lr, schedule missing", "'darts-random' on task 'ecg'"],
    ),
    (part("search", "gaea", "darts-gaea", all={"lr": None}), ["search.gaea: lr missing", "'darts-gaea'"]),
    (part("search", "densenas", "densenas-densenas", all={"architecture": {"lr": None}}), ["architecture.lr missing"]),
    (part("retrain", "wrn", all={"epochs": 0}), ["retrain.wrn.all.epochs: 0", "at least 1"]),
    (part("retrain", "wrn", all={"batch_size": 1.5}), ["retrain.wrn.all.batch_size: 1.5", "whole number"]),
    (part("retrain", "wrn", cifar100={"lr": "fast"}), ["retrain.wrn.cifar100.lr: 'fast'", "above 0"]),
    (
        part("retrain", "darts", "darts-gaea", all={"schedule": {"name": "step"}}),
        ["retrain.darts: schedule.at, schedule.factor missing", "'darts-gaea'"],
    ),
    (part("retrain", "wrn", all={"schedule": {"name": "stp"}}), ["retrain.wrn", "'stp'", "step"]),
    (
        part("search", "random", "wrn-random", all={"training": {"schedule": {"final": 0.0}}}),
        ["search.random: training.schedule.name missing"],
    ),
    # Values.
    *(
        (part("search", "enas", "amber-enas", "ecg", all={key: 0}), [f"search.enas.all.{key}: 0", "at least 1"])
        for key in ("samples", "child_steps", "controller_batch", "controller_epochs", "episodes")
    ),
    (part("search", "enas", all={"controller_lr": "bad"}), ["search.enas.all.controller_lr: 'bad'", "number above 0"]),
    (part("search", "enas", all={"skip_target": 1}), ["skip_target: 1", "below 1"]),
    (part("search", "enas", all={"reward": "accuracy"}), ["search.enas.all.reward: 'accuracy'", "auroc, metric"]),
    (part("search", "asha", all={"reduction_factor": 1}), ["search.asha.all.reduction_factor: 1", "at least 2"]),
    (part("search", "asha", all={"min_epochs": 0}), ["search.asha.all.min_epochs: 0", "at least 1"]),
    (part("search", "asha", all={"trials": True}), ["search.asha.all.trials: True", "whole number"]),
    (part("search", "gaea", all={"split": "quarters"}), ["search.gaea.all.split: 'quarters'", "halves, same"]),
    (part("search", "gaea", all={"mixture": "hard"}), ["search.gaea.all.mixture: 'hard'", "softmax, simplex"]),
    (part("search", "gaea", all={"precision": "half"}), ["search.gaea.all.precision: 'half'", "bfloat16"]),
    (part("search", "darts", all={"architecture_betas": [0.5, 1]}), ["architecture_betas.1: 1 ", "below 1"]),
    (part("search", "random", all={"sampler": "sobol"}), ["search.random.all.sampler: 'sobol'", "uniform, derive"]),
    (part("search", "random", all={"task": True}), ["search.random.all.task: True", "mapping"]),
    (part("search", "random", all={"training": {"lr": 0}}), ["search.random.all.training.lr: 0", "above 0"]),
    (part("spaces", "amber", all={"depth": 0}), ["spaces.amber.all.depth: 0", "at least 2"]),
    (part("spaces", "darts", all={"search": {"partial": "all"}}), ["spaces.darts.all.search.partial: 'all'"]),
    (
        part("spaces", "darts", all={"search": {"implementation": "fast"}}),
        ["search.implementation: 'fast'", "grouped, plain"],
    ),
    (part("retrain", "wrn", all={"optimizer": "lion"}), ["retrain.wrn.all.optimizer: 'lion'", "sgd, adam"]),
    (part("retrain", "wrn", all={"lr": float("nan")}), ["retrain.wrn.all.lr: nan", "above 0"]),
    (part("retrain", "wrn", all={"schedule": {"at": [0.5]}}), ["all.schedule: unknown setting 'at'", "per_step"]),
    (part("retrain", "wrn", all={"schedule": {"name": "step", "at": 0.5}}), ["wrn.all.schedule.at: 0.5", "list"]),
    (part("retrain", "wrn", all={"task": {"cutout": "no!"}}), ["retrain.wrn.task.cutout: 'no!'", "true or false"]),
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
    (part("search", "asha", "wrn-asha", all={"workers": 99}), ["search.asha: workers 99 have only ", "lower workers"]),
    (part("search", "gaea", "darts-gaea", all={"epochs": 1}), ["search.gaea: architecture_after 1 of 1 epochs"]),
    (part("search", "darts", "darts-darts", dense={"epochs": 1}, all={"architecture_after": 3}), ["search.darts: "]),
    (part("search", "densenas", "densenas-densenas", all={"warmup_epochs": 2}), ["warmup_epochs 2 of 2 epochs"]),
    (
        part("search", "densenas", "densenas-densenas", all={"cost_base": 1}),
        ["search.densenas.all.cost_base: 1 ", "above 1"],
    ),
    (part("search", "random", "wrn-random", all={"sampler": "derive"}), ["space 'wrn' has none", "uniform"]),
    (
        part("spaces", "darts", "darts-gaea", all={"search": {"partial": 3}}),
        ["spaces.darts.search: width 4", "multiple of 6"],
    ),
    (
        part("spaces", "darts", "darts-gaea", "darcy", all={"evaluation": {"stem_stride": 2}}),
        ["stem_stride 2"],
    ),
    # Networks that cannot be.
    (part("spaces", "wrn", all={"depth": 15}), ["spaces.wrn.all.depth: 15", "6 n + 4", "16"]),
    (part("spaces", "wrn", all={"pooling": "max"}), ["spaces.wrn.all.pooling: 'max'", "global"]),
    (part("spaces", "autodl", "autodl-darts", "darcy", all={"layers": 2}), ["spaces.autodl.all.layers: 2", "3"]),
    (part("spaces", "densenas", "densenas-random", all={"reach": 0}), ["spaces.densenas.all.reach: 0", "at least 1"]),
    (
        part("spaces", "densenas", "densenas-random", all={"stages": []}),
        ["spaces.densenas.all.stages: an empty list", "a list of one or more"],
    ),
    (stages(channels=[9, 10], layers=1, stride=3), ["spaces.densenas.all.stages.0.stride: 3", "2 is expected"]),
    (stages(channels=[9, 10]), ["spaces.densenas: stages.0.layers missing"]),
    (stages(channels=[9, 10], layers=[1]), ["stages.0: layers [1]", "a list of 2"]),
    (stages(channels=[9, "x"], layers=1), ["stages.0.channels.1: 'x'", "whole number"]),
    (stages(chanels=[9, 10], layers=1), ["stages.0: unknown setting 'chanels'", "did you mean 'channels'"]),
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
            ["method_definitions: 'mymethod' was given", "<space>-<algorithm> in lower case"],
        ),
        ({"methods": ["cnn-random"]}, ["cnn-random", "space 'cnn'"]),
        ({"methods": ["amber-default"]}, ["amber-default", "no default architecture"]),
        ({"methods": ["wrn-enas"]}, ["wrn-enas", "cannot serve space 'wrn'"]),
        ({"methods": ["amber-random"], "tasks": ["darcy"]}, ["amber-random", "darcy"]),
        ({"scale": "huge"}, ["scale", "huge", "demo, paper"]),
        ({"seeds": ["a"]}, ["seeds.0", "'a'", "whole number"]),
        ({"seeds": [-1]}, ["seeds.0", "-1"]),
        ({"run": "reference"}, ["run", "reserved"]),
        ({"run": "a/b"}, ["run", "a/b"]),
        ({"source": "internet"}, ["source", "internet", "simulated, original, benchmark, published"]),
        ({"publish": {"buckt": "b"}}, ["publish: unknown key 'buckt'", "did you mean 'bucket'"]),
        ({"compute_threads": 0}, ["compute_threads", "0"]),
        ({"partial": "perhaps"}, ["partial", "perhaps", "true or false"]),
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
    config = configuration.resolve({**SHIPPED, "scale": scale, "tasks": list(names("tasks"))})
    assert len(configuration.experiments(config)) == 56
    small = read_yaml(ROOT / "tests" / "workflow" / "small.yaml")
    assert configuration.resolve({**small, "scale": scale})["run"] == "small"


def test_switches_of_a_task_and_empty_layers_are_settings():
    config = resolve(retrain={"wrn": {"cifar100": {"task": {"cutout": False}}, "dense": None}})
    switches = task_spec("cifar100").switches().params()
    assert configuration.retrain_settings(config, "cifar100", "wrn-default")["task"] == {**switches, "cutout": False}
    assert switches["cutout"] is True


def test_a_task_has_the_switches_that_it_declares_only():
    """``augment`` is what every task can do, and was taken for a switch once."""
    for task, given in (("cifar100", {"augment": False}), ("ecg", {"cutout": False})):
        with pytest.raises(UserError, match=rf"retrain\.wrn\.task: unknown setting '{next(iter(given))}'.*'{task}'"):
            resolve(tasks=[task], retrain={"wrn": {"all": {"task": given}}})


def test_switches_of_a_search_by_trials_are_those_of_training_with_its_own():
    given = part("search", "random", "wrn-random", all={"training": {"task": {"cutout": False}}})
    found = configuration.search_settings(resolve(**given), "cifar100", "wrn-random")
    assert found["search"]["training"]["task"] == {"cutout": False}
    assert found["retrain"]["task"]["cutout"] is True


def test_options_like_the_defaults_are_taken():
    simulate = {"ecg": {"counts": [0, 1, 1, 0], "seconds": [4, 4.5]}, "cifar100": {"noise": 0}}
    preprocess = {"deepsea": {"columns": list(range(36)), "keep_negatives": True, "train_fraction": 1}}
    taken = resolve(simulate=simulate, preprocess=preprocess)
    assert taken["simulate"]["ecg"] == simulate["ecg"]
    assert taken["preprocess"]["deepsea"]["keep_negatives"] is True


@pytest.mark.parametrize("section", ["simulate", "preprocess"])
def test_options_by_default_are_those_of_the_paper_scale(section):
    for task, given in resolve(scale="paper")[section].items():
        spec = task_spec(task)
        defaults = (spec.preprocess if section == "preprocess" else spec.simulate)().params()
        assert {**defaults, **given} == defaults, task


def test_options_are_given_to_jobs_with_every_default():
    config = resolve(simulate={"ecg": {"seconds": [4, 5]}}, preprocess={"ecg": {"window": 300}})
    assert configuration.preprocess_options(config, "ecg") == {"window": 300, "stride": 900}
    assert configuration.simulate_options(config, "ecg") == {"counts": [64, 12, 40, 8], "seconds": [4, 5]}
    assert configuration.simulate_options(config, "spherical") == {}


def test_the_workflow_starts_without_what_only_jobs_need():
    program = (
        "import sys; from nasperf360.study import configuration; "
        "configuration.resolve({'scale': 'paper', 'methods': ['wrn-default', 'darts-gaea']}); print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT / "workflow" / "scripts",
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.split()
    assert "nasperf360.tasks.darcy.spec" in loaded
    assert "nasperf360.tasks.darcy.data" not in loaded
    assert not {"torch", "numpy", "scipy", "pandas", "librosa", "h5py", "jsonschema"} & set(loaded)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("1.10", "number"), ("2024_01_02", "number"), ("2024-01-02", "date"), ("007", "number"), ("yes", "truth value")],
)
@pytest.mark.parametrize("key", ["run", "data_run"])
def test_a_name_that_is_none_to_yaml_is_refused_and_taken_in_quotes(key, text, kind, tmp_path):
    """``run: 1.10`` and ``run: 1.1`` would share a folder."""
    for number, given in enumerate((text, f'"{text}"')):
        (tmp_path / f"{number}.yaml").write_text(f"{key}: {given}\n")
    with pytest.raises(UserError) as error:
        resolve(**load_configfile(tmp_path / "0.yaml"))
    for words in (
        f"config: {key}: ",
        f"which is a {kind} to YAML",
        f'{key}: "..." in a file',
        f"--config '{key}=!!str ...'",
    ):
        assert words in str(error.value)
    assert resolve(**load_configfile(tmp_path / "1.yaml"))[key] == text


@pytest.mark.parametrize("text", ["1.10", "2024_01_02", "1e5", "007", "7", "nan", "True"])
def test_a_name_that_is_none_to_the_command_line_is_refused_and_taken_in_quotes(text):
    with pytest.raises(UserError, match=r"which is a (number|truth value) to YAML"):
        resolve(**parse_config([f"run={text}"]))
    assert resolve(**parse_config([f"run=!!str {text}"]))["run"] == text
    assert resolve(**parse_config(["run=2024-01-02"]))["run"] == "2024-01-02"


def test_other_text_that_is_none_to_yaml_is_refused_too():
    for given in ({"mirror": 7}, {"publish": {"bucket": datetime.date(2024, 1, 2)}}, {"tasks": [1.5]}):
        with pytest.raises(UserError, match=r"which is a (number|date) to YAML; a text is expected: put it in quotes"):
            resolve(**given)


def test_a_scale_is_no_other_file():
    with pytest.raises(
        UserError, match=r"scale: '\.\./\.\./config/scales/demo' was given, one of demo, paper is expected"
    ):
        resolve(scale="../../config/scales/demo")


def test_settings_in_a_layer_may_lack_what_others_hold_but_nothing_may_be_wrong():
    for layer in ({}, {"schedule": {"at": [0.5]}}, {"schedule": {"name": None, "final": 0.1}}, {"lr": None}):
        check_layer(TrainingSettings, layer, "retrain.wrn.all")
    for layer, words in (
        ({"schedule": {"at": 0.5}}, "all.schedule.at: 0.5 was given, a list of numbers from 0 to 1 is expected"),
        (
            {"schedule": {"nam": "x"}},
            "all.schedule: unknown setting 'nam'; did you mean 'name'? allowed are at, factor, ",
        ),
        (
            {"schedule": {"name": "cosine", "at": [0.5]}},
            "unknown setting 'at'; allowed are final, floor, horizon, name",
        ),
        (
            {"schedule": {"name": "stp"}},
            "schedule.name: 'stp' was given, one of constant, step, cosine, poly is expected",
        ),
        ({"schedule": None, "lrr": None}, "all: unknown setting 'lrr'; did you mean 'lr'?"),
        ({1: 2}, "all: unknown setting '1'"),
        ({"optimizer": 1}, "all.optimizer: 1 was given, one of sgd, adam is expected"),
    ):
        with pytest.raises(UserError) as error:
            check_layer(TrainingSettings, layer, "retrain.wrn.all")
        assert words in str(error.value)


def test_every_setting_that_is_missing_is_named_at_once():
    with pytest.raises(
        UserError, match=r"config: retrain\.wrn: batch_size, epochs, lr, schedule missing for me; add to"
    ):
        checked(TrainingSettings, {}, "retrain.wrn", "me")
    with pytest.raises(UserError, match=r"config: retrain\.wrn\.epochs: 0 was given, .* \(me\)"):
        checked(TrainingSettings, {"epochs": 0}, "retrain.wrn", "me")


def test_another_schedule_takes_the_place_of_the_one_before():
    cosine, step = {"name": "cosine", "per_step": True}, {"name": "step", "factor": 0.1, "at": [0.5]}
    assert merge({"schedule": cosine}, {"schedule": step}) == {"schedule": step}
    assert merge({"schedule": cosine}, {"schedule": {"final": 0.1}}) == {"schedule": {**cosine, "final": 0.1}}
    assert merge({"schedule": {"final": 0.1}}, {"schedule": cosine}) == {"schedule": {**cosine, "final": 0.1}}
    config = resolve(retrain={"wrn": {"cifar100": {"schedule": step}}})
    found = configuration.retrain_settings(config, "cifar100", "wrn-default")["schedule"]
    assert found == {**step, "horizon": None}


def test_predictions_are_kept_unless_told_otherwise():
    assert resolve()["keep_predictions"] is True
    assert resolve(keep_predictions="false")["keep_predictions"] is False


def test_resolving_again_changes_nothing():
    config = configuration.resolve({**SHIPPED, "scale": "paper"})
    assert configuration.resolve(config) == config


def test_what_jobs_are_given_is_complete_and_plain():
    """Every field of the declaration is there, and reading it back gives the same."""
    config = configuration.resolve({**SHIPPED, "scale": "paper"})
    for task, name in configuration.experiments(config):
        training = configuration.retrain_settings(config, task, name)
        assert training.keys() == RetrainSettings.model_fields.keys()
        assert RetrainSettings.model_validate(training).params() == training
        assert training["task"] == task_spec(task).switches.model_validate(training["task"]).params()
        space = space_spec(configuration.method(config, name)["space"]).settings
        assert configuration.space_settings(config, task, name).keys() == space.model_fields.keys()


def test_schema_and_tables_are_those_of_the_declarations():
    sys.path.insert(0, str(ROOT / "docs"))
    import generate

    for path, text in generate.from_declarations().items():
        assert path.read_text() == text, f"{path} is out of date: run python docs/generate.py"


@pytest.mark.parametrize(
    "file",
    [
        "config/config.yaml",
        *(f"config/scales/{name}.yaml" for name in ("demo", "paper")),
        *(f"config/studies/{name}.yaml" for name in ("paper", "paper-fast", "random", "recipe")),
        "tests/workflow/small.yaml",
    ],
)
def test_the_schema_for_editors_takes_the_shipped_files_and_no_mistakes(file):
    validator = jsonschema.Draft202012Validator(
        yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text())
    )
    content = yaml.safe_load((ROOT / file).read_text())
    validator.validate(content)
    for wrong in ({"tsks": []}, {"retrain": {"wrn": {"all": {"lrr": 1}}}}, {"spaces": {"wrn": {"al": {}}}}):
        assert not validator.is_valid({**content, **wrong})


def test_null_takes_back_what_a_more_general_layer_sets():
    given = part("search", "gaea", "darts-gaea", all={"mixture": None, "max_samples": None}, cifar100={"clip": None})
    found = configuration.search_settings(resolve(**given), "cifar100", "darts-gaea")["search"]
    fields = configuration.algorithm_spec("gaea").settings.model_fields
    for name in ("mixture", "max_samples", "clip"):
        assert found[name] == fields[name].default
    plain = configuration.search_settings(resolve(methods=["darts-gaea"]), "cifar100", "darts-gaea")["search"]
    assert (plain["max_samples"], plain["clip"]) == (64, 5.0)


def test_the_sampler_of_densenas_random_is_set_in_its_definition():
    """As docs/protocol.md says: the method's own settings win over those of the algorithm."""
    own = {"method_definitions": {"densenas-random": {"settings": {"search": {"all": {"sampler": "uniform"}}}}}}
    general = {"search": {"random": {"all": {"sampler": "uniform"}}}}
    for given, sampler in ((own, "uniform"), (general, "derive")):
        config = configuration.resolve(merge(SHIPPED, given))
        assert configuration.search_settings(config, "ecg", "densenas-random")["search"]["sampler"] == sampler


def test_layers_go_from_general_to_special():
    section = {
        "all": {"a": 1, "b": 1, "c": 1, "d": 1},
        "dense": {"b": 2, "c": 2, "d": 2},
        "2d": {"c": 3, "d": 3},
        "darcy": {"d": 4},
        "point": {"a": 9},
        "ecg": None,
    }
    layers = ("all", "dense", "2d", "darcy", "ecg", "none")
    assert layered(section, layers) == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert layered({"all": {"a": {"x": 1, "y": 1}}, "darcy": {"a": {"y": 2}}}, layers) == {"a": {"x": 1, "y": 2}}


def test_paper_scale_training_of_wrn_default():
    """Facts: 200 epochs, lr 0.1 (dense 0.001), batch 128 / 256 / 8 / 4,096."""
    tasks = list(names("tasks"))
    config = resolve(scale="paper", tasks=tasks)
    found = {task: configuration.retrain_settings(config, task, "wrn-default") for task in tasks}
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
    for cut in (configuration.retrain_settings, configuration.space_settings, configuration.search_settings):
        assert cut(base, "cifar100", "wrn-default") == cut(changed, "cifar100", "wrn-default")
    assert configuration.retrain_settings(changed, "darcy", "wrn-default")["batch_size"] == 4


def test_one_key_sets_the_precision_of_all_that_trains():
    given = {
        "methods": ["wrn-default", "wrn-asha", "darts-gaea"],
        "retrain": {"darts": {"ecg": {"precision": "float32"}}},
    }
    config, plain = (
        configuration.resolve({**given, "tasks": ["ecg"], **more}) for more in ({"precision": "bfloat16"}, {})
    )
    assert configuration.retrain_settings(plain, "ecg", "wrn-default")["precision"] == "float32"
    assert configuration.retrain_settings(config, "ecg", "wrn-default")["precision"] == "bfloat16"
    assert configuration.retrain_settings(config, "ecg", "darts-gaea")["precision"] == "float32"
    assert configuration.search_settings(config, "ecg", "darts-gaea")["search"]["precision"] == "bfloat16"
    asha = configuration.search_settings(config, "ecg", "wrn-asha")
    assert "precision" not in asha["search"]
    assert asha["retrain"]["precision"] == "bfloat16"
    assert configuration.search_settings(config, "ecg", "wrn-default") == configuration.search_settings(
        plain, "ecg", "wrn-default"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "defines no SPEC = AlgorithmSpec(...); add it"),
        ("SPEC = 1\n", "defines no SPEC = AlgorithmSpec(...); add it"),
        ("import nothing_like_it\n", "cannot be imported (ModuleNotFoundError: No module named 'nothing_like_it'); "),
        ("x = (\n", "cannot be imported (SyntaxError: '(' was never closed (spec.py, line 1)); correct it"),
        (
            "from nasperf360.algorithms.shared import algorithm_spec as a\nSPEC = a.AlgorithmSpec(name='halvin')",
            "SPEC has name='halvin', but its folder is 'halving'; make them one",
        ),
    ],
)
def test_a_slip_in_the_spec_of_a_new_method_is_one_sentence(text, words, tmp_path, monkeypatch):
    (path := tmp_path / "halving" / "spec.py").parent.mkdir()
    path.write_text(text)
    monkeypatch.setattr(algorithms, "__path__", [*algorithms.__path__, str(tmp_path)])
    for name in ("nasperf360.algorithms.halving", "nasperf360.algorithms.halving.spec"):  # of the case before
        sys.modules.pop(name, None)
    with pytest.raises(UserError) as error:
        algorithm_spec("halving")
    assert f"algorithms/halving/spec.py: {words}" in str(error.value)
    assert "\n" not in str(error.value)
