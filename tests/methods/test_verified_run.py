"""A run of two methods, computed by the jobs themselves: verification names each change of it, and nothing else."""

import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from study import study
from true_shapes import write

from nasperf360.data.raw import write_manifest
from nasperf360.errors import UserError
from nasperf360.files import digest_file, read_json
from nasperf360.stages.code_digest import code_digest
from nasperf360.stages.evaluate import evaluate
from nasperf360.stages.experiment import Experiment, Machine
from nasperf360.stages.modules import stage_modules
from nasperf360.stages.retrain import retrain
from nasperf360.stages.search import search
from nasperf360.study import configuration, expected, runs
from nasperf360.study.paths import made_path, predictions_path
from nasperf360.study.verification import not_recomputed, verify
from tampering import append, edited, forged, put

TASK, METHODS, SEEDS = "satellite", ("wrn-default", "wrn-random"), (0, 1)
LIMITED = {"wrn-random": {"size_limit": {"method": "wrn-default", "slack": 10}}}
GIVEN = {
    "run": "mine",
    "tasks": [TASK],
    "methods": list(METHODS),
    "seeds": list(SEEDS),
    "method_definitions": LIMITED,
    "retrain": {"wrn": {"satellite": {"epochs": 1}}},
}
LONGER = {"retrain": {"wrn": {"satellite": {"epochs": 99}}}}
RUN = Path("results/mine")


def make_experiment(config, method, seed):
    """Search, training and evaluation of one experiment, as the rules start them."""
    machine = Machine(1, "cpu", 0, "checkpoints", 0.0, 64)
    definition = configuration.search_definition(config, method)
    of_search = configuration.search_settings(config, TASK, method)
    space = configuration.space_settings(config, TASK, method)
    key, data = (TASK, method, seed), str(RUN / "data" / f"{TASK}.h5")
    architecture = made_path(RUN, "search", key)
    limit = definition.get("size_limit")
    code = {
        stage: code_digest(f"{stage}.py", *stage_modules(stage, TASK, definition, of_search["search"]))
        for stage in ("search", "retrain", "evaluate")
    }
    search(
        Experiment("search", *key),
        definition,
        space,
        of_search,
        code["search"],
        machine,
        data=data,
        limiting=str(made_path(RUN, "search", (TASK, limit["method"], seed))) if limit else None,
        outputs={
            "architecture": str(architecture),
            "history": str(architecture.with_name("history.csv")),
            "cost": str(architecture.with_name("cost.json")),
        },
    )
    folder = made_path(RUN, "retrain", key).parent
    names = {"model": "model.pt", "history": "history.csv", "cost": "cost.json", "predictions": "predictions.h5"}
    retrain(
        Experiment("retrain", *key),
        definition["space"],
        space,
        configuration.retrain_settings(config, TASK, method),
        code["retrain"],
        machine,
        data=data,
        architecture=str(architecture),
        outputs={kind: str(folder / name) for kind, name in names.items()},
    )
    evaluate(
        Experiment("evaluate", *key),
        code["evaluate"],
        data=data,
        predictions=str(predictions_path(RUN, key)),
        cost=str(folder / "cost.json"),
        output=str(made_path(RUN, "evaluate", key)),
        verified=Path("verified"),
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The working directory of the run, and its configuration."""
    before, folder = os.getcwd(), tmp_path_factory.mktemp("verified")
    os.chdir(folder)
    try:
        config = study(**GIVEN)
        write(RUN / "data" / f"{TASK}.h5", TASK, {"train": 64, "valid": 48, "test": 56})
        raw = RUN / "raw" / TASK
        raw.mkdir(parents=True)
        (raw / "train.csv").write_text("1,2\n")
        write_manifest(raw / "files.json", TASK, "simulated", "none", [(raw / "train.csv", "train", {})])
        put("sources", value={"train.csv": digest_file(raw / "train.csv")})(RUN / "data" / f"{TASK}.json")
        runs.record(config)
        for method in METHODS:
            for seed in SEEDS:
                make_experiment(config, method, seed)
    finally:
        os.chdir(before)
        torch.set_deterministic_debug_mode("default")
    return folder, config


@pytest.fixture
def run(made, monkeypatch):
    """The run, which a test may change."""
    folder, config = made
    shutil.copytree(folder / "results", folder / "backup")
    monkeypatch.chdir(folder)
    yield config
    shutil.rmtree(folder / "results")
    (folder / "backup").rename(folder / "results")


def test_nothing_is_said_of_a_run_as_it_was_made(run):
    assert list(verify(RUN)) == []
    assert not_recomputed(RUN) == []
    assert read_json(RUN / RESULT)["samples"] == {"train": 64 + 48, "test": 56}


DATA, RAW = f"data/{TASK}", f"raw/{TASK}"
OF = f"{TASK}/wrn-random/1"
ARCHITECTURE, COST, RESULT = f"search/{OF}/architecture.json", f"retrain/{OF}/cost.json", f"evaluate/{OF}/result.json"
EVERY = len(METHODS) * len(SEEDS)
STALE = f"no result of {TASK} wrn-random seed 1: stale: the result is of an earlier search or training"


def remove(file):
    file.unlink()


def flip(file):
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


CHANGES = {
    "data": (
        f"{DATA}.h5",
        flip,
        [rf"{DATA}.h5: its content is not that which \S+/{DATA}.json names"],
    ),
    "raw": (f"{RAW}/train.csv", append, [r"train\.csv"]),
    "raw gone": (f"{RAW}/train.csv", remove, []),
    "sources": (f"{DATA}.json", put("sources", value={}), [rf"{DATA}.json: made from other raw .*: train\.csv$"]),
    "manifest": (f"{DATA}.json", lambda file: file.write_text("[]"), None),
    "value": (RESULT, put("value", value=1.25), [r"value 1\.25 is not that of its scores, \d"]),
    "edited": (RESULT, edited, [r"its own sha256 says", r"value is 1\.25, but its predictions give \d"]),
    "forged": (RESULT, forged, [r"result\.json: value is 1\.25, but its predictions give \d"]),
    "further score": (RESULT, put("scores", "luck", value=1), [r"luck is 1, but its predictions give None"]),
    "record": (RESULT, put("parameters", value=3), [r"records of the training: parameters$"]),
    "predictions": (f"retrain/{OF}/predictions.h5", append, [r"predictions\.h5: not the file that \S+result\.json"]),
    "no predictions": (f"retrain/{OF}/predictions.h5", remove, []),
    "model": (f"retrain/{OF}/model.pt", append, [r"model\.pt: not the file that \S+result\.json names; make it anew"]),
    "no model": (f"retrain/{OF}/model.pt", remove, [r"model\.pt: missing; make it anew: .*retrain/\S+/model\.pt"]),
    "history": (f"search/{OF}/history.csv", append, [r"search/\S+history\.csv: not the file that \S+architecture"]),
    "training": (COST, put("files", "model.pt", value="0"), [STALE]),
    "seed": (
        RESULT,
        put("provenance", "seed", value=1),
        [rf"seed 1 is not that of retrain {TASK} wrn-random seed 1", "records of the training: provenance$"],
    ),
    "code": (
        RESULT,
        put("provenance", "code_sha256", value="0"),
        [r"result\.json: made by other code", "records of the training: provenance$"],
    ),
    "code of the search": (
        ARCHITECTURE,
        put("provenance", "code_sha256", value="0"),
        [r"architecture\.json: made by o"],
    ),
    "other data": (ARCHITECTURE, put("provenance", "data_sha256", value="0"), [rf"made from other data than {DATA}"]),
    "experiment": (RESULT, put("seed", value=0), [r"holds another experiment: satellite wrn-random seed 0"]),
    "origin": (ARCHITECTURE, put("simulated", value=False), [r"simulated: False, which its data set contradicts"]),
    "key": (RESULT, put("provenance", value={}), [r"result\.json: (not what|lacks the key 'data_sha256')"]),
    "broken": (ARCHITECTURE, lambda file: file.write_text("{"), None),
    "architecture": (
        ARCHITECTURE,
        put("architecture", value={"space": "wrn"}),
        ["trained another architecture than that of", STALE],
    ),
    "search seed": (
        RESULT,
        put("search_seed", value=0),
        [r"names search seed 0, but \S+ is of seed 1$", "records of the training: search_seed$"],
    ),
    "space": (
        ARCHITECTURE,
        put("provenance", "settings", "space", "depth", value=22),
        [
            r"architecture\.json: settings differ from those of seed 0: space$",
            r"architecture\.json: settings differ from those that the run was last started with: space; make it anew",
            r"result\.json: settings of the space differ from those of \S+: depth$",
        ],
    ),
    "limit": (
        f"search/{TASK}/wrn-default/1/architecture.json",
        put("parameters", value=3),
        [rf"{ARCHITECTURE}: its size limit is not that of wrn-default$"],
    ),
    "no result": (RESULT, remove, [rf"no result of {TASK} wrn-random seed 1: "]),
    "folder": (
        ARCHITECTURE,
        lambda file: shutil.copytree(file.parent, file.parents[1] / "copy"),
        [r"'copy' is no seed"],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named_and_nothing_else(run, name):
    path, change, wanted = CHANGES[name]
    change(RUN / path)
    found = list(verify(RUN))
    if wanted is None:  # nothing that rests on the file can be compared
        assert any(str(RUN / path) in fault for fault in found)
        return
    assert len(found) == len(wanted), found
    for pattern, fault in zip(wanted, found, strict=True):
        assert re.search(pattern, fault), fault
        assert str(RUN) in fault


def test_files_of_a_training_without_a_result_are_compared_with_what_it_names(run):
    (RUN / RESULT).unlink()
    append(RUN / f"retrain/{OF}/history.csv")
    first, second = verify(RUN)
    assert re.search(r"history\.csv: not the file that \S+cost\.json names; make it anew", first)
    assert "no result of" in second


def test_numbers_without_predictions_are_not_recomputed(run):
    (RUN / f"retrain/{OF}/predictions.h5").unlink()
    assert not_recomputed(RUN) == [(TASK, "wrn-random", 1)]
    (RUN / RESULT).unlink()
    assert not_recomputed(RUN) == []


def test_settings_other_than_those_of_the_study(run):
    """A study that asks for more epochs: of trainings, and of searches whose trials train as these do."""
    runs.record(study(**GIVEN | LONGER))
    found = list(verify(RUN))
    assert len(found) == len(SEEDS) + EVERY
    said = "settings differ from those that the run was last started with: retrain;"
    assert all(re.search(rf"(wrn-random\S+architecture|result)\.json: {said}", fault) for fault in found)


# What Snakemake would take for up to date, since it has no record of it (here of none).

TRAINED = [  # what rests on the settings of trainings: searches by trials, and trainings
    str(made_path(RUN, stage, (TASK, method, seed)))
    for stage, methods in (("search", METHODS[1:]), ("retrain", METHODS))
    for method in methods
    for seed in SEEDS
]


def test_results_without_a_record_are_as_configured(run):
    expected.check_unrecorded(run, [])


def refused(config, *arguments):
    with pytest.raises(UserError) as error:
        expected.check_unrecorded(config, arguments)
    return str(error.value)


def test_results_of_other_settings_without_a_record_are_refused(run):
    other = study(**GIVEN | LONGER)
    said = refused(other)
    assert said.startswith(f"{TRAINED[0]}: made with other settings (retrain) than configured")
    assert f"as of {len(TRAINED) - 1} more files" in said
    assert said.endswith(f"--forcerun {' '.join(TRAINED)}")
    for accepted in (["--touch"], ["-t"], ["--forceall"], ["-F"], ["--forcerun", *TRAINED], ["-R", *TRAINED]):
        expected.check_unrecorded(other, accepted)
    assert refused(other, "--forcerun", *TRAINED[1:]).endswith(f"--forcerun {TRAINED[0]}")
    assert "more files" not in refused(other, "--forcerun", *TRAINED[1:])
    assert refused(other, *TRAINED).endswith(f"--forcerun {' '.join(TRAINED)}")  # targets, which make nothing anew


def test_results_of_other_code_or_of_an_earlier_version_are_refused(run):
    put("provenance", "code_sha256", value="0")(RUN / ARCHITECTURE)
    assert refused(run).startswith(f"{RUN / ARCHITECTURE}: made with other code than configured")
    put("provenance", value={})(RUN / ARCHITECTURE)
    assert refused(run).startswith(f"{RUN / ARCHITECTURE}: made with other settings, or by an earlier version, than")


def test_a_search_that_seeds_share_is_one_file(run):
    shared = study(**GIVEN | LONGER, searches=1)
    put("provenance", "code_sha256", value="0")(RUN / ARCHITECTURE)  # of seed 1, whose search nobody asks for
    assert refused(shared).endswith(f"--forcerun {' '.join([TRAINED[0], *TRAINED[2:]])}")
