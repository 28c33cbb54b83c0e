"""A small study, run once in a copy of the checkout."""

import json
from collections.abc import Iterator

import pytest
from checkout import Checkout

# Beside the run, each job writes which files of the library it loaded, and which its code digest names.
RECORDER = """
import atexit, json, os, sys, uuid

@atexit.register
def record():
    job = getattr(sys.modules["__main__"], "snakemake", None)
    if job is None:
        return
    modules = [module for name, module in sys.modules.items() if name not in ("__main__", "__mp_main__")]
    modules = [module for module in modules if type(module).__name__ != "_LazyModule"]  # to ask it would be to load it
    loaded = [getattr(module, "__file__", None) for module in modules]
    from nasperf360.stages.code_digest import OUTSIDE, SCRIPTS, code_of
    loaded = [os.path.relpath(file, SCRIPTS) for file in loaded if file and file not in map(str, OUTSIDE)]
    entry = {
        "job": " ".join([job.rule, *job.wildcards]),
        "loaded": sorted(name for name in loaded if not name.startswith("..")),
        "named": sorted(code_of(job.params.items())),
    }
    with open(os.path.join(os.path.dirname(__file__), f"{uuid.uuid4()}.json"), "w") as stream:
        json.dump(entry, stream)
"""


@pytest.fixture(scope="session")
def small_study(tmp_path_factory) -> Checkout:
    """The checkout after a full run. ``recorded`` beside it: what each job loaded."""
    folder = tmp_path_factory.mktemp("study")
    checkout = Checkout(folder / "checkout")
    recorded = folder / "recorded"
    recorded.mkdir()
    (recorded / "sitecustomize.py").write_text(RECORDER)
    checkout.snakemake("--cores", "2", path=str(recorded))
    return checkout


@pytest.fixture(scope="module")
def checkout(small_study) -> Iterator[Checkout]:
    """The checkout after a full run; tests leave it as they found it, since those of other files use it after them."""
    yield small_study
    assert small_study.git("status", "--short", "--untracked-files=no") == ""
    assert small_study.plan() == {}
    records = (small_study.folder / "results/small/records.tsv").read_text().splitlines()
    ended = {path: json.loads(record)["endtime"] for path, record in (line.split("\t") for line in records)}
    of_others = [path for path, time in ended.items() if abs((small_study.folder / path).stat().st_mtime - time) > 1]
    assert not of_others, "Snakemake's records are not those of these files"
