"""The script of a rule is read once for all jobs, as Snakemake itself reads it for each."""

import sys
from pathlib import Path
from subprocess import run

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
PROGRAM = """
from pathlib import Path
from snakemake import script
from snakemake.iocontainers import Params, Wildcards
from snakemake.sourcecache import SourceCache, infer_source_file
from nasperf360.study.scripts_once import read_scripts_once

folder = Path("rules")
folder.mkdir()
for name in ("a", "b"):
    Path(f"{name}.py").write_text(f"# {name}")
opened = []

class Cache(SourceCache):
    def open(self, source_file, mode="r"):
        opened.append(str(source_file))
        return super().open(source_file, mode)

sources, rules = Cache(Path("cache").absolute()), infer_source_file(str(folder.absolute()))

def read(path, task):
    found = script.get_source(path, sources, rules, Wildcards(fromdict={"task": task}), Params())
    assert sources.exists(found[0])
    return found

before = [read("../a.py", "a"), read("../b.py", "b"), read("../{wildcards.task}.py", "b")]
opened.clear()
read_scripts_once()
for _ in range(2):
    assert [read("../a.py", "a"), read("../b.py", "b"), read("../{wildcards.task}.py", "b")] == before
assert [source for _, source, *_ in before] == ["# a", "# b", "# b"]
assert [Path(path).name for path in opened] == ["a.py", "b.py", "b.py", "b.py"], opened
"""


def test_a_script_is_read_once_and_one_named_by_wildcards_for_each(tmp_path):
    done = run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env={"PYTHONPATH": str(SCRIPTS)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
