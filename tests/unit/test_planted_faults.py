"""The faults of ``benchmarks/planted_faults.py``: drawn by a seed, one line each, and none in code that only speaks."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))

from planted_faults import LIBRARY, Sites, draw, first_failure, report, sites  # noqa: E402

SOURCE = '''
def step(values, clip=0.5):
    """Doc train."""
    assert values, "train"
    if not values:
        raise ValueError(f"{len(values) + 1}")
    log("train", 1 + 1)
    if clip > 0 and values:
        values.clip(-clip, clip)
    split("train", axis=1)
    return [value * 2 for value in values if value]

@dataclass(frozen=True)
class Held:
    def tell(self):
        take(next(zip(a, b, strict=True)))
        log("done")

def __repr__(self):
    return 1 + 1
'''


def test_kinds_of_faults():
    found = {(fault.kind, fault.before, fault.after) for fault in Sites("file.py", SOURCE.encode()).found}
    assert found >= {
        ("constant", "0.5", "1.0"),
        ("constant", "0.5", "0"),
        ("negate condition", "clip > 0 and values", "(not (clip > 0 and values))"),
        ("negate condition", "value", "(not value)"),
        ("swap and with or", "clip > 0 and values", "(clip > 0 or values)"),
        ("swap comparison", "clip > 0", "clip >= 0"),
        ("swap arithmetic", "value * 2", "(value / 2)"),
        ("swap split", '"train"', '"test"'),
        ("drop call", "values.clip(-clip, clip)", "pass"),
        ("drop keyword", 'split("train", axis=1)', "split('train')"),
    }
    assert not [fault for fault in found if "log" in fault[1] or fault[1] in ("1 + 1", "len(values) + 1")]
    assert not [
        fault for fault in found if fault[1] in ("True", "dataclass(frozen=True)") or fault[0] == "return early"
    ]
    assert sum(before == '"train"' for _, before, _ in found) == 1


def test_looks_are_left_out_of_figures_alone():
    source = b"axes.plot(x, y, lw=2, marker=look)\naxes.grid(False)"
    drawn, other = ({fault.after for fault in Sites(file, source).found} for file in ("figures/a.py", "tables/a.py"))
    assert other - drawn == {"axes.plot(x, y, marker=look)", "3", "0", "True"}


@pytest.fixture(scope="module")
def places():
    return sites(ROOT)


def test_how_much_is_done_at_a_time_is_left_out():
    source = b"BLOCK_BYTES = 1 << 20\nBLOCKS = 3"
    assert {fault.before for fault in Sites("data/a.py", source).found} == {"3"}
    assert {fault.before for fault in Sites("spaces/a.py", source).found} > {"3", "20"}


def test_a_draw_is_never_equal_to_what_it_is_compared_with():
    found = {fault.after for fault in Sites("file.py", b"a = rng.random() < 0.5").found}
    assert "rng.random() > 0.5" in found
    assert "rng.random() <= 0.5" not in found


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("FAILED tests/a.py::test_a[one, two-3] - TypeError: [0] - no", "tests/a.py::test_a[one, two-3]"),
        ("FAILED tests/a.py::test_a - assert 1 == [2]", "tests/a.py::test_a"),
        ("ERROR tests/a.py", "tests/a.py"),
        ("1 passed in 1.0s", ""),
    ],
)
def test_a_failure_is_known_by_its_whole_name(line, named):
    assert first_failure(f"...F\n{line}\nFAILED tests/b.py::test_b\n" if named else line) == named


def test_every_fault_is_another_program_in_one_line(places):
    sources = {fault.file: (ROOT / LIBRARY / fault.file).read_bytes() for fault in places}
    assert len(sources) > 100
    for fault in places[:: max(1, len(places) // 100)]:
        source = sources[fault.file]
        changed = fault.applied(source)
        lines, others = source.splitlines(), changed.splitlines()
        assert len(lines) == len(others)
        differ = [number for number, pair in enumerate(zip(lines, others, strict=True), 1) if pair[0] != pair[1]]
        assert differ == [fault.line], fault
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source)), fault
    assert not [fault for fault in places if fault.file.endswith(("labels.py", "messages.py", "drawing.py"))]


def test_a_draw_is_of_its_seed():
    first = draw(ROOT, 1, 12)
    assert first == draw(ROOT, 1, 12)
    assert first != draw(ROOT, 2, 12)
    assert len({(fault.file, fault.line) for fault in first}) == 12
    assert draw(ROOT, 1, 14)[:12] == first
    assert len({fault.kind for fault in first}) > 3
    assert "".join(report([], 1, True)).startswith("Seed 1: the tests that belong to the file catch 0 of 0 faults.")
