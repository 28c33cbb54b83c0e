"""The sources file: one clear line per fault."""

import numpy as np
import pytest
import yaml

from nasperf360.data.redistribution import check_redistribution
from nasperf360.data.sources import Source, split_zips
from nasperf360.data.sources_file import check_sources, read_sources, read_terms, select
from nasperf360.errors import UserError
from nasperf360.study.configuration import SOURCES
from nasperf360.study.paths import shipped

FILE = {"name": "train.mat", "role": "train", "url": "https://example.org/train.mat", "bytes": 3, "md5": "0" * 32}


def entry(**changes):
    return {"licence": "CC0", "homepage": "https://example.org", "files": [{**FILE, **changes}]}


def test_a_good_entry():
    source = Source.parse("ecg", entry(options={"rows": [0, 5]}))
    assert source.licence == "CC0"
    assert source.files[0].options == {"rows": [0, 5]}
    assert source.files[0].stem == "train.mat"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"homepage": "x", "files": []}, "ecg: key 'licence' is missing"),
        ({**entry(), "licence": " "}, "ecg: licence is empty"),
        ({**entry(), "license": "x"}, "ecg: unknown key 'license'"),
        ("a.zip", "ecg: 'a.zip' was given, a mapping"),
        (entry(name=7), "files[0]: name: 7 was given, str is expected"),
        (entry(bytes=True), "bytes: True was given, int"),
        (entry(bytes=-1), "bytes -1"),
        (entry(name="/etc/passwd"), "'/etc/passwd' leads out of its folder"),
        (entry(name="../x"), "'../x' leads out of its folder"),
        (entry(name="a//b"), "'a//b' is no plain relative path"),
        (entry(name=".fetched"), "'.fetched' is a name that the workflow keeps"),
        (entry(name="x.part"), "'x.part' is reserved"),
        (entry(url="ftp://x"), "url 'ftp://x' was given, http"),
        (entry(md5="xyz"), "md5 'xyz' is not 32"),
        (entry(sha256="0" * 63), "sha256"),
        (entry(unpack="rar"), "unpack 'rar' was given, allowed are zip, tar"),
        (entry(unpack="splitzip"), "part 'train.mat' of a split zip"),
        (entry(name="a.z01", unpack="splitzip"), "split zip 'a' lacks its last part 'a.zip'"),
        ({"licence": "x", "files": [FILE, FILE]}, "'train.mat' is listed twice"),
        ({**entry(), "redistribution": "perhaps"}, "ecg: options.redistribution: 'perhaps' was given"),
        ({**entry(), "citation": 7}, "ecg: options.citation: 7 was given"),
    ],
)
def test_each_fault_is_one_line(tmp_path, content, message):
    path = tmp_path / "sources.yaml"
    path.write_text(yaml.safe_dump({"ecg": content}))
    with pytest.raises(UserError) as caught:
        read_sources(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_faulty_files(tmp_path):
    with pytest.raises(UserError, match=r"no such file; set 'sources'"):
        read_sources(tmp_path / "none.yaml")
    with pytest.raises(UserError, match=r"^config: sources: \S+none\.yaml: no such file; set 'sources'"):
        check_sources(tmp_path / "none.yaml")
    with pytest.raises(UserError, match=r"^config: sources: .+ cannot be read \(Is a directory\)"):
        check_sources(tmp_path)
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(UserError, match="not valid YAML"):
        read_sources(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- a")
    with pytest.raises(UserError, match="expected a mapping"):
        read_sources(tmp_path / "list.yaml")
    (tmp_path / "twice.yaml").write_text("ecg: {licence: x, files: []}\necg: {licence: y, files: []}\n")
    with pytest.raises(UserError, match=r"twice\.yaml: line 2: key 'ecg' is given twice, first in line 1"):
        read_sources(tmp_path / "twice.yaml")


def test_select_names_what_is_missing():
    entries = {"ecg": entry(), "darcy": {"licence": "MIT", "files": []}}
    assert select(entries, ["ecg"], "s.yaml") == {"ecg": entries["ecg"]}
    for task in ("darcy", "satellite"):
        with pytest.raises(UserError, match=rf"s.yaml: no files for task '{task}'.*\(ecg\)"):
            select(entries, [task], "s.yaml")


def test_parts_of_split_zips_come_in_disk_order():
    names = ["a.zip", "a.z10", "a.z02", "b.zip", "a.z101"]
    files = [{"name": name, "role": "audio", "unpack": "splitzip"} for name in names]
    groups = split_zips(Source.parse("fsd50k", {"licence": "x", "files": files}).files)
    assert [part.name for part in groups["a"]] == ["a.z02", "a.z10", "a.z101", "a.zip"]
    assert [part.name for part in groups["b"]] == ["b.zip"]


def test_the_shipped_sources_are_valid():
    from nasperf360.study.configuration import ROOT

    assert "ecg" in read_sources(ROOT / "config" / "sources.yaml")


# -- options of a file, declared by its task

ROWS = {"train": [0, 9], "valid": [9, 10]}


@pytest.mark.parametrize(
    ("task", "role", "options", "message"),
    [
        ("darcy", "solutions", {}, "options.rows is missing"),
        (
            "darcy",
            "solutions",
            {"rows": ROWS, "stride": 0},
            "options.stride: 0 was given, a whole number of at least 1",
        ),
        ("darcy", "solutions", {"rows": ROWS, "stride": -5}, "options.stride: -5 was given"),
        ("darcy", "solutions", {"rows": ROWS, "stride": 5.0}, "options.stride: 5.0 was given"),
        ("darcy", "solutions", {"rows": ROWS, "stride": "5"}, "options.stride: '5' was given"),
        ("darcy", "solutions", {"rows": ROWS, "stride": True}, "options.stride: True was given"),
        ("darcy", "solutions", {"rows": ROWS, "stride": None}, "options.stride: None was given"),
        ("darcy", "solutions", {"rows": ROWS, "nonsense": 1}, "unknown option 'nonsense'"),
        ("darcy", "solutions", {"rows": ROWS, "strid": 5}, "did you mean 'stride'?"),
        ("darcy", "solutions", {"rows": {}}, "options.rows: {} was given"),
        ("darcy", "solutions", {"rows": None}, "options.rows: None was given, a mapping"),
        ("darcy", "solutions", {"rows": [0, 900]}, "options.rows: [0, 900] was given, a mapping"),
        ("darcy", "solutions", {"rows": {"trian": [0, 9]}}, "trian"),
        ("darcy", "solutions", {"rows": {"train": [9, 0]}}, "options.rows.train: [9, 0] was given; the first row"),
        ("darcy", "solutions", {"rows": {"train": [0, 0]}}, "options.rows.train: [0, 0] was given; the first row"),
        ("darcy", "solutions", {"rows": {"train": [0]}}, "options.rows.train: [0] was given, a list of two"),
        ("darcy", "solutions", {"rows": {"train": [0, 9, 10]}}, "options.rows.train: [0, 9, 10] was given"),
        ("darcy", "solutions", {"rows": {"train": [-1, 9]}}, "options.rows.train.0: -1 was given"),
        ("darcy", "solutions", {"rows": {"train": [0, 9.5]}}, "options.rows.train.1: 9.5 was given"),
        ("darcy", "solutions", {"rows": {"train": "0-9"}}, "options.rows.train: '0-9' was given"),
        ("darcy", "solutions", {"rows": {**ROWS, "test": [8, 9]}}, "the rows of train and test overlap"),
        ("deepsea", "bundle", {"keep_negatives": "no"}, "options.keep_negatives: 'no' was given, true or false"),
        ("deepsea", "bundle", {"columns": [1, 2]}, "options.columns"),
        ("deepsea", "bundle", {"columns": [0] * 36}, "the indices must be different"),
        ("deepsea", "bundle", {"train_fraction": 1.5}, "options.train_fraction: 1.5 was given"),
        ("deepsea", "bundle", {"length": 0}, "options.length: 0 was given"),
        ("ecg", "records", {"stride": 1}, "unknown option 'stride'; there are none, remove it"),
        ("darcy", "notes", {"rows": ROWS}, "unknown option 'rows'; there are none, remove it"),
    ],
)
def test_options_are_checked_when_the_sources_are_read(tmp_path, task, role, options, message):
    path = tmp_path / "sources.yaml"
    path.write_text(yaml.safe_dump({task: entry(role=role, options=options)}))
    with pytest.raises(UserError) as caught:
        read_sources(path)
    assert str(caught.value).startswith(f"{path}: {task}: train.mat: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_good_options_are_taken(tmp_path):
    path = tmp_path / "sources.yaml"
    for task, role, options in (
        ("darcy", "solutions", {"rows": {"test": [0, 100]}, "stride": 5}),
        ("deepsea", "bundle", {"keep_negatives": True, "length": 500}),
        ("my_task", "records", {"anything": "goes"}),  # of a task that has no folder yet
    ):
        path.write_text(yaml.safe_dump({task: entry(role=role, options=options)}))
        assert read_sources(path)[task]["files"][0]["options"] == options


def test_random_options_are_taken_or_refused_in_one_sentence(tmp_path):
    rng, path = np.random.default_rng(4), tmp_path / "sources.yaml"
    values = [None, True, 0, -1, 1, 2.5, "5", "", [], [0, 1], [1, 0], {}, ROWS, {"train": [0, 10**30]}, {"train": None}]
    keys = ["rows", "stride", "nonsense", "keep_negatives", "columns", "length", "1"]
    taken = 0
    for _ in range(300):
        options = {
            str(key): values[rng.integers(len(values))] for key in rng.choice(keys, rng.integers(4), replace=False)
        }
        task, role = (("darcy", "solutions"), ("deepsea", "bundle"), ("ecg", "records"))[rng.integers(3)]
        path.write_text(yaml.safe_dump({task: entry(role=role, options=options)}))
        try:
            read_sources(path)
            taken += 1
        except UserError as error:
            sentence = str(error)
            if "\n" in sentence or not sentence.startswith(f"{path}: {task}: train.mat: "):
                pytest.fail(sentence)
    assert 20 < taken < 250


def test_terms_are_no_part_of_what_a_download_rests_on(tmp_path):
    path = tmp_path / "sources.yaml"
    path.write_text(yaml.safe_dump({"ecg": {**entry(), "redistribution": "forbidden", "citation": "A (2000), B"}}))
    assert read_sources(path) == {"ecg": entry()}
    terms = {
        "licence": "CC0",
        "homepage": "https://example.org",
        "redistribution": "forbidden",
        "citation": "A (2000), B",
    }
    assert read_terms(path) == {"ecg": terms}
    path.write_text(yaml.safe_dump({"ecg": entry()}))
    assert read_terms(path)["ecg"]["redistribution"] is None


@pytest.mark.parametrize("name", sorted(SOURCES.values()))
def test_every_source_that_is_shipped_says_its_terms(name):
    for task, terms in read_terms(shipped(name)).items():
        assert terms["redistribution"] == ("forbidden" if task == "ninapro" else "allowed")
        assert terms["citation"]


def test_a_licence_is_an_obstacle_unless_it_is_accepted_or_the_data_are_simulated():
    manifest = {"task": "ninapro", "origin": "original", "licence": "CC BY-ND"}
    check_redistribution(manifest, "allowed", [])
    check_redistribution(manifest, "forbidden", ["GPL", "CC BY-ND"])
    check_redistribution(manifest, None, ["CC BY-ND"])
    check_redistribution({**manifest, "origin": "simulated"}, "forbidden", [])
    mend = r"""; leave it out of 'tasks', or, .*: --config 'publish=\{accept_licences: \["CC BY-ND"\]\}'$"""
    for stated, why in (
        ("forbidden", "its licence, CC BY-ND, forbids passing on what is made from the data"),
        (None, "the sources file does not say 'redistribution: allowed' of its licence, CC BY-ND"),
    ):
        for accepted in ([], ["CC BY"]):
            with pytest.raises(UserError, match=f"^ninapro: {why}{mend}"):
                check_redistribution(manifest, stated, accepted)
        with pytest.raises(UserError):
            check_redistribution({**manifest, "origin": "benchmark"}, stated, [])
