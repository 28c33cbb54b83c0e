"""A given architecture: what its file says is a setting, and a file that does not fit is refused at once."""

import json

import numpy as np
import pytest
from study import study
from test_bad_input import Jobs

from nasperf360.errors import UserError
from nasperf360.estimate import estimate
from nasperf360.files import read_json
from nasperf360.labels import method_label
from nasperf360.spaces.shared.counts import count_multiply_adds, count_parameters
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.stages.experiment import checksummed
from nasperf360.study import configuration
from nasperf360.tasks.shared.task_spec import Signature

SPACES = {"wrn": "satellite", "densenas": "satellite", "darts": "satellite", "autodl": "darcy", "amber": "satellite"}
SHAPES = {"satellite": Signature(1, False, (1, 46), 24), "darcy": Signature(2, True, (3, 16, 16), 1)}


def given(path, name, task="satellite", **more):
    """The configuration of a method with a given architecture."""
    return study(tasks=[task], methods=[name], search={"given": {"all": {"architecture": str(path)}}}, **more)


def write(path, space="wrn", like="satellite", seed=0, **changes):
    """An ``architecture.json`` of an architecture drawn from a space."""
    settings = configuration.space_settings(study(tasks=[like], methods=[f"{space}-random"]), like, f"{space}-random")
    built = search_space(space, signature := SHAPES[like], settings)
    architecture = built.sample(np.random.default_rng(seed))
    network = built.build(architecture)
    content = {
        "task": like,
        "method": f"{space}-random",
        "seed": seed,
        "parameters": count_parameters(network),
        "multiply_adds": count_multiply_adds(network, signature.input_shape),
        "architecture": architecture,
        **changes,
    }
    path.write_text(json.dumps(checksummed(content)))
    return architecture


def read(config, name, task="satellite"):
    return configuration.search_settings(config, task, name)["search"]["architecture"]


@pytest.mark.parametrize("space", SPACES)
def test_what_a_file_says_is_a_setting(space, tmp_path):
    path, task = tmp_path / "architecture.json", SPACES[space]
    architecture = write(path, space, task)
    found = read(given(path, f"{space}-given", task), f"{space}-given", task)
    assert found["architecture"] == json.loads(json.dumps(architecture))
    assert found["sha256"] == read_json(path)["sha256"]
    assert str(path) not in json.dumps(found)


def test_a_moved_file_changes_no_setting_and_another_content_does(tmp_path, monkeypatch):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    write(first)
    second.write_text(json.dumps(read_json(first), indent=7))
    assert read(given(first, "wrn-given"), "wrn-given") == read(given(second, "wrn-given"), "wrn-given")
    write(second, seed=1)
    assert read(given(first, "wrn-given"), "wrn-given") != read(given(second, "wrn-given"), "wrn-given")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read(given("~/a.json", "wrn-given"), "wrn-given") == read(given("$HOME/a.json", "wrn-given"), "wrn-given")


def test_a_search_result_is_trained_as_it_was_found(tmp_path):
    found = Jobs(tmp_path / "found", "satellite", "wrn-random", search={"random": {"all": {"trials": 1}}})
    found.search()
    path = tmp_path / "found/out/architecture"
    settings = {"given": {"all": {"architecture": str(path)}}}
    jobs = Jobs(tmp_path / "again", "satellite", "wrn-given", search=settings)
    jobs.search()
    written, source = read_json(jobs.folder / "out/architecture"), read_json(path)
    for key in ("architecture", "parameters", "multiply_adds"):
        assert written[key] == source[key]
    assert written["provenance"]["settings"]["search"]["architecture"]["sha256"] == source["sha256"]
    assert (jobs.folder / "out/history").read_text().strip() == ""


def test_methods_of_their_own_names_have_architectures_of_their_own(tmp_path):
    names = {"wrn-given_first": tmp_path / "a.json", "wrn-given_second": tmp_path / "b.json"}
    for seed, path in enumerate(names.values()):
        write(path, seed=seed)
    definitions = {
        name: {"algorithm": "given", "settings": {"search": {"all": {"architecture": str(path)}}}}
        for name, path in names.items()
    }
    config = study(tasks=["satellite"], methods=list(names), method_definitions=definitions)
    for name, path in names.items():
        assert read(config, name)["sha256"] == read_json(path)["sha256"]
    assert method_label("wrn-given") == "WRN given architecture"


def test_the_estimate_counts_the_given_network(tmp_path):
    write(tmp_path / "a.json")
    stages = estimate.stages(given(tmp_path / "a.json", "wrn-given"), "satellite", "wrn-given")
    assert stages["search"].phases == ()
    assert stages["retrain"].phases[0].one.multiply_adds > 0


def refused(path, name="wrn-given", task="satellite"):
    with pytest.raises(UserError) as error:
        given(path, name, task)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(f"config: search.given: {path}: ")
    assert f"(method '{name}' on task '{task}')" in text
    return text


def test_a_file_that_does_not_fit_is_refused_at_once(tmp_path):
    path = tmp_path / "architecture.json"
    assert "No such file or directory; give the path of an architecture.json" in refused(path)
    write(path)
    assert (
        "an architecture of space 'wrn', which space 'darts' cannot build; train it by the method wrn-given"
        in refused(path, "darts-given")
    )
    assert (
        "drawn for task 'satellite' (1-D, point, 24 outputs), and 'darcy' has another shape (2-D, dense, 1"
        in refused(path, task="darcy")
    )
    whole = path.read_text()
    path.write_text(whole[:-9])
    assert "damaged, it is not JSON" in refused(path)
    path.write_text(whole.replace('"seed": 0', '"seed": 1'))
    assert "damaged or edited, its content has not its checksum; get it again" in refused(path)
    path.write_text(json.dumps(checksummed({"value": 3.0})))
    assert "no architecture.json as a search writes it" in refused(path)
    write(path, architecture=[])
    assert "its 'architecture' is not what a search writes" in refused(path)
    write(path, parameters="many")
    assert "its 'parameters' is not what a search writes" in refused(path)
    path.write_bytes(b"\xff\xfe\x00")
    assert "damaged, it is not JSON" in refused(path)
    assert "Is a directory" in refused(tmp_path)


def test_an_architecture_without_a_path_is_missed_by_name():
    with pytest.raises(UserError, match=r"search.given: architecture missing for method 'wrn-given' on task 'ecg'"):
        study(tasks=["ecg"], methods=["wrn-given"])


def test_inputs_of_another_shape_are_found_by_the_network(tmp_path):
    """Tasks that differ in nothing else: cosmic has one channel, psicov 57."""
    path = tmp_path / "architecture.json"
    write(path, "wrn", "darcy", task="cosmic")
    settings = {"given": {"all": {"architecture": str(path)}}}
    jobs = Jobs(tmp_path / "jobs", "darcy", "wrn-given", samples=8, search=settings)
    with pytest.raises(
        UserError, match=r"drawn for task 'cosmic', whose inputs have another shape: its network has"
    ) as e:
        jobs.search()
    assert "\n" not in str(e.value)


def test_a_token_out_of_range_is_refused_by_its_space(tmp_path):
    path = tmp_path / "architecture.json"
    write(path, architecture={"space": "wrn", "lr": 7})
    jobs = Jobs(tmp_path / "jobs", "satellite", "wrn-given", search={"given": {"all": {"architecture": str(path)}}})
    with pytest.raises(UserError, match=r"architecture of space 'wrn': 'lr: 7'.*or give another"):
        jobs.search()
