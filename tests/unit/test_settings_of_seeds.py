"""Verification compares the settings of all seeds, but for what each seed's own search decides."""

from nasperf360.study.expected import _of_every_seed, differing

SETTINGS = {
    "space": {"depth": 10},
    "retrain": {"lr": 0.1, "epochs": 3},
    "limit": 1000,
    "architecture": {"space": "wrn", "lr": 0.1},
}


def test_what_a_search_decides_may_differ_between_seeds():
    other = {**SETTINGS, "retrain": {"lr": 0.7, "epochs": 3}, "limit": 7, "architecture": {"space": "wrn", "lr": 0.7}}
    own = {"space", "lr"}
    assert _of_every_seed(SETTINGS, own) == {"space": {"depth": 10}, "retrain": {"epochs": 3}}
    assert differing(_of_every_seed(SETTINGS, own), _of_every_seed(other, own)) == ""


def test_what_the_study_sets_may_not():
    other = {**SETTINGS, "space": {"depth": 16}, "retrain": {"lr": 0.1, "epochs": 4}}
    assert differing(_of_every_seed(SETTINGS, {"lr"}), _of_every_seed(other, {"lr"})) == "retrain, space"
    assert differing({"a": 1}, {}) == "a"
