"""YAML files: a key given twice is refused, wherever it stands; anchors and merge keys are none."""

import pytest

from nasperf360.errors import UserError
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.study import configuration


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a"),
        ("retrain: {wrn: {all: {epochs: 7}}}\nspaces: {}\nretrain: {wrn: {ecg: {lr: 1}}}\n", 3, "retrain"),
        ("a:\n  b:\n    - c: 1\n      d: 2\n      c: 3\n", 5, "c"),
        ("a: {b: 1, c: 2, b: 1}\n", 1, "b"),
        ("1: x\n0x1: y\n", 2, "0x1"),
        ("a: x\n'a': y\n", 2, "a"),
        ("x: &x {a: 1, a: 2}\ny: *x\n", 1, "a"),
        ('{"a": 1,\n "a": 2}', 2, "a"),
    ],
)
def test_a_key_given_twice_is_refused(text, line, key, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_yaml(path)
    assert str(error.value).startswith(f"{path}: line {line}: key '{key}' is given twice, first in line ")
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=f"'{key}' is given twice"):
        configuration.check_files([path])


def test_anchors_merge_keys_and_equal_keys_elsewhere_are_good(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: [*a, *a]\nd: {1: one, '1': text, x: {x: 0}}\n")
    assert read_yaml(path) == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 3, "y": 2},
        "c": [{"x": 1, "y": 2}] * 2,
        "d": {1: "one", "1": "text", "x": {"x": 0}},
    }
    path.write_text("a: &a {self: *a}\n")
    with pytest.raises(UserError, match="line 1: by an alias this value holds itself"):
        read_yaml(path)
    path.write_text("")
    assert read_yaml(path) is None


@pytest.mark.parametrize("content", [b"a: [", b"a: \xff", b"a: 2024-13-01", b"? [a]\n: b", b"a: 1\n---\nb: 2"])
def test_what_is_no_yaml_is_one_sentence(content, tmp_path):
    (tmp_path / "bad.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.yaml: not valid YAML: ") as error:
        read_yaml(tmp_path / "bad.yaml")
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="no such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\); correct that"):
        read_yaml(tmp_path)


def test_every_yaml_file_that_is_shipped_is_good():
    files = [*configuration.ROOT.glob("config/**/*.yaml"), *configuration.ROOT.glob("tests/**/*.yaml")]
    assert len(files) > 4
    configuration.check_files(files)
