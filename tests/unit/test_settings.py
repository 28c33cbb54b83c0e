"""The configuration: types, precedence, one clear line for each mistake, and narrow settings."""

import pytest

from nasperf360 import settings
from nasperf360.errors import UserError


def resolve(**given):
    return settings.resolve({"tasks": ["cifar100"], "methods": ["wrn-default"], **given})


def test_text_from_the_command_line_equals_a_file():
    typed = resolve(tasks=["cifar100", "darcy"], seeds=[0, 1], publish={"bucket": "b"}, partial=True)
    text = resolve(tasks="[cifar100,darcy]", seeds="[0,1]", publish="{bucket: b}", partial="true")
    assert typed == text
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


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tsks": ["ecg"]}, ["tsks", "did you mean 'tasks'"]),
        ({"tasks": ["cifar10"]}, ["cifar10", "did you mean 'cifar100'", "deepsea"]),
        ({"tasks": []}, ["tasks", "empty"]),
        ({"tasks": "ecg"}, ["tasks", "'ecg'", "list"]),
        ({"tasks": ["ecg", "ecg"]}, ["tasks", "twice"]),
        ({"methods": ["wrn-defalt"]}, ["wrn-defalt", "did you mean 'wrn-default'"]),
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
    ],
)
def test_a_mistake_gives_one_line_that_names_it(given, words):
    with pytest.raises(UserError) as error:
        resolve(**given)
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message


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
