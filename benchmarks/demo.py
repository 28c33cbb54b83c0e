"""Time the demo, or a part of it, as of two commits or more, alternately: python benchmarks/demo.py 13ea461 HEAD

Each gets a clone without results, with its sources compiled. CPU seconds are those of all processes of a run. The
second table is "snakemake -n" after the demo, when nothing is left to do.
"""

import argparse
import contextlib
import ctypes
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PR_SET_CHILD_SUBREAPER = 36


class Time(NamedTuple):
    """Of a command, in seconds."""

    wall: float
    cpu: float


@contextlib.contextmanager
def clone(revision: str, folder: Path) -> Iterator[Path]:
    """A clone at ``revision``, whose sources are compiled."""
    place = folder / revision
    subprocess.run(["git", "clone", "--quiet", "--shared", ROOT, place], check=True)
    commit = subprocess.check_output(["git", "rev-parse", revision], cwd=ROOT, text=True).strip()
    subprocess.run(["git", "checkout", "--quiet", "--detach", commit], cwd=place, check=True)
    subprocess.run([sys.executable, "-m", "compileall", "-q", "workflow/scripts"], cwd=place, check=True)
    yield place
    shutil.rmtree(place)


def measure(command: list[str], place: Path) -> Time:
    """Run a command to its end and that of every process that it leaves behind."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    log = place / "demo.log"
    with log.open("w") as output:
        done = subprocess.run(command, cwd=place, stdout=output, stderr=subprocess.STDOUT)
    wall = time.monotonic() - started
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed in {place}:\n{log.read_text()[-4000:]}")
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Time(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def show(title: str, times: dict[str, list[Time]]) -> None:
    """One table, of medians; ratios to the first row."""
    print(f"| {title} | wall s | ratio | CPU s | ratio |")
    print("|---|---:|---:|---:|---:|")
    medians = {name: Time(*map(statistics.median, zip(*found, strict=True))) for name, found in times.items()}
    first = next(iter(medians.values()))
    for name, found in medians.items():
        wall, cpu = found.wall / first.wall, found.cpu / first.cpu
        print(f"| {name} | {found.wall:.1f} | {wall:.2f} | {found.cpu:.1f} | {cpu:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revisions", nargs="+", help="commits of this repository, the one to compare with first")
    parser.add_argument("--config", nargs="*", default=[], help="a part of the demo, e.g. 'tasks=[ecg,darcy]'")
    parser.add_argument("--cores", default="1")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--plans", type=int, default=5, help="how often 'snakemake -n' runs, per repeat")
    parser.add_argument("--targets", nargs="*", default=[], help="of Snakemake; all if not given")
    options = parser.parse_args()
    # A run's processes that outlive their parents become children of this one, which counts their time.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    command = [sys.executable, "-m", "snakemake", *options.targets, "--cores", options.cores]
    command += ["--resources", "gpu=1"]
    command += ["--config", *options.config] if options.config else []
    runs: dict[str, list[Time]] = {revision: [] for revision in options.revisions}
    plans: dict[str, list[Time]] = {revision: [] for revision in options.revisions}
    with tempfile.TemporaryDirectory(prefix="nasperf360-demo-") as folder:
        for _ in range(options.repeats):
            with contextlib.ExitStack() as clones:
                places = {revision: clones.enter_context(clone(revision, Path(folder))) for revision in runs}
                for revision, place in places.items():
                    runs[revision].append(measure(command, place))
                for _ in range(options.plans):
                    for revision, place in places.items():
                        plans[revision].append(measure([*command, "-n"], place))
    show(f"demo, {options.cores} core(s)", runs)
    print()
    show("snakemake -n", plans)


if __name__ == "__main__":
    main()
