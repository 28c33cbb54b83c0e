"""The workflow from outside: another folder, a module of other workflows, a module from GitHub."""

import re
import shutil
import sys

import pytest
from checkout import JOB, ROOT, SMALL, _git, environment, said

pytestmark = pytest.mark.slow

# What the page on reuse says to write, with this study's configuration.
MODULE = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "reuse.md").read_text(encoding="utf-8"), re.M | re.S)[0]
SNAKEFILE = re.compile(r"^    snakefile: .*$", re.MULTILINE)
REPOSITORY = "researchers/nas-perf-360"
GITHUB = f'github("{REPOSITORY}", path="workflow/Snakefile", tag="v1")'
TARGETS = ("all", "study", "evaluations", "tables", "figures")


class Elsewhere:
    """A folder without anything but a configuration file, and how the workflow is called there."""

    def __init__(self, folder, *arguments, env, snakefile="", called_in=None):
        folder.mkdir()
        shutil.copy2(SMALL, folder / "small.yaml")
        if snakefile:
            text = SNAKEFILE.sub(f"    snakefile: {snakefile}", MODULE.replace("config/config.yaml", "small.yaml"))
            (folder / "Snakefile").write_text(text)
        self.folder, self.arguments, self.env, self.called_in = folder, arguments, env, called_in or folder

    def snakemake(self, *arguments, status=0):
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments, *self.arguments]
        return said(command, self.called_in, self.env, status)


@pytest.fixture(params=["snakefile", "directory", "module", "github"])
def elsewhere(request, checkout, tmp_path):
    """Four ways; a bare clone stands for the one on GitHub, and an empty cache for a machine that never saw it."""
    env = {**environment(), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    folder, there = tmp_path / "elsewhere", checkout.folder / "workflow/Snakefile"
    if request.param == "snakefile":
        return Elsewhere(folder, "-s", str(there), "--configfile", "small.yaml", env=env)
    if request.param == "directory":
        arguments = "--directory", str(folder), "--configfile", str(folder / "small.yaml")
        return Elsewhere(folder, *arguments, env=env, called_in=checkout.folder)
    if request.param == "module":
        return Elsewhere(folder, env=env, snakefile=f'"{there}"')
    bare = tmp_path / "bare.git"
    _git(checkout.folder, "tag", "--force", "v1")
    _git(checkout.folder, "clone", "--quiet", "--bare", ".", str(bare))
    instead = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{bare}.insteadOf"}
    env |= {**instead, "GIT_CONFIG_VALUE_0": f"https://github.com/{REPOSITORY}"}
    return Elsewhere(folder, env=env, snakefile=GITHUB)


def jobs(text):
    """Rules and wildcards of a dry run."""
    found = []
    for rule, body in JOB.findall(text):
        wildcards = [line.strip() for line in body.splitlines() if line.strip().startswith("wildcards:")]
        found.append(" ".join([rule, *wildcards]))
    return sorted(job for job in found if job not in TARGETS)


def test_by_default_the_whole_study_is_planned(elsewhere, checkout):
    at_home = checkout.snakemake("-n", "--cores", "1", "--forceall")
    assert jobs(elsewhere.snakemake("-n")) == jobs(at_home)
    assert {"search wildcards: task=satellite, method=densenas-random, seed=0", "record_study"} <= {*jobs(at_home)}


def test_jobs_run_there_and_give_the_same_bytes(elsewhere, checkout):
    made = "results/small/evaluate/satellite/wrn-default/0/result.json"
    tables = "results/small/tables/licences.csv", "results/reference/tables/performance.csv"
    recorded = "results/small/run.json", "results/small/study.json"
    elsewhere.snakemake(made, *tables, *recorded)
    for name in (made, *tables, *recorded):
        assert (elsewhere.folder / name).read_bytes() == (checkout.folder / name).read_bytes()
    assert "Nothing to be done" in elsewhere.snakemake("-n", made, *tables, *recorded)
    (elsewhere.folder / "small.yaml").write_text("scale: paper\n" + SMALL.read_text(encoding="utf-8"))
    refused = elsewhere.snakemake("-n", made, status=1)
    assert "Error: run: results/small was made with scale: demo, now scale: paper is given" in refused
