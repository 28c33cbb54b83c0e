"""What readers see of a run in which everything happens, and of the paper: as it was read and checked by a person.

``write_expected.py`` writes ``expected/`` anew.
"""

import pytest

from .expected_texts import EXPECTED, texts

NAMES = sorted(path.name for path in EXPECTED.iterdir())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return dict(texts(tmp_path_factory.mktemp("expected")))


@pytest.mark.parametrize("name", NAMES)
def test_tables_and_figures_say_what_was_checked(made, name):
    assert made[name] == (EXPECTED / name).read_text(encoding="utf-8")


def test_all_of_them_were_checked(made):
    assert sorted(made) == NAMES
