"""What is common to all simulators: by name, repeatable, listed as simulated, clean after a kill."""

import sys
from types import ModuleType

import pytest

from nasperf360.data.raw import RawFiles
from nasperf360.data.simulate import simulate
from nasperf360.errors import UserError
from nasperf360.settings.declaration import Count, Settings
from nasperf360.tasks.shared.task_spec import Metric, TaskSpec


class ToySettings(Settings):
    bytes: Count = 10


@pytest.fixture
def toy(monkeypatch):
    """A task that has a spec and a simulator only."""
    spec, simulator = (ModuleType(f"nasperf360.tasks.toy.{room}") for room in ("spec", "simulator"))

    def write(folder, options, rng):
        (folder / "data.bin").write_bytes(rng.bytes(options.bytes))
        return [(folder / "data.bin", "records", {"stride": 2})]

    metric = Metric("0-1 error %", higher_is_better=False)
    spec.SPEC = TaskSpec(
        name="toy", dimensions=1, kind="point", outputs=2, metric=metric, raw="toy", simulate=ToySettings
    )
    simulator.simulate = write
    for module in (spec, simulator):
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.usefixtures("toy")
def test_files_are_listed_as_simulated_and_repeat(tmp_path):
    first = RawFiles.open(simulate("toy", tmp_path / "a", {"bytes": 10}))
    second = RawFiles.open(simulate("toy", tmp_path / "b", {}))
    assert first.simulated
    assert "no licence needed" in first.licence
    assert first.one("records").options == {"stride": 2}
    assert first.manifest.read_bytes() == second.manifest.read_bytes()


@pytest.mark.usefixtures("toy")
def test_leftovers_go_but_downloads_stay(tmp_path):
    (tmp_path / "raw/sub").mkdir(parents=True)
    (tmp_path / "raw/sub/half.bin").write_bytes(b"x")
    (tmp_path / "raw/.files.json.part").write_text("{")  # a kill while the manifest was written
    simulate("toy", tmp_path / "raw", {"bytes": 10})
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == ["data.bin", "files.json"]
    (tmp_path / "raw/big.zip.part").write_bytes(b"x")
    with pytest.raises(UserError, match="holds downloaded raw files; choose another 'data_run'"):
        simulate("toy", tmp_path / "raw", {"bytes": 10})


def test_a_task_that_reads_the_files_of_another_has_no_simulator(tmp_path):
    with pytest.raises(UserError, match="spherical: it has no simulator"):
        simulate("spherical", tmp_path / "raw", {})
    assert not (tmp_path / "raw").exists()
