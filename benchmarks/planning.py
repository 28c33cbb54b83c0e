"""How long Snakemake plans studies of growing size, and in how much memory: python benchmarks/planning.py

Each study has ten tasks, so many methods (wrn-default under other names) and so many seeds; each experiment is a
search, a training and an evaluation. Beside it Snakemake alone: as many jobs of rules that have nothing to say.
With --again also the plan when all is done, for which empty files stand.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
TASKS = 10
BARE = """
E = [f"{{n}}" for n in range({experiments})]
rule all:
    input: [f"c/{{e}}" for e in E]
rule a:
    output: "a/{{e}}"
    shell: "touch {{output}}"
rule b:
    input: "a/{{e}}"
    output: "b/{{e}}"
    shell: "touch {{output}}"
rule c:
    input: "b/{{e}}"
    output: "c/{{e}}"
    shell: "touch {{output}}"
"""
PLANS = ("first", "all is done")
OUTPUT = re.compile(r"^    output: (.+)$", re.MULTILINE)


def snakemake(*options: str, cwd: Path) -> tuple[str, float, int]:
    """What it says, its CPU seconds and its peak memory in MB, in a process that waits for no other."""
    code = f"import runpy, sys; sys.argv = ['snakemake', *{options!r}, '--cores', '1']\n"
    code += "try:\n    runpy.run_module('snakemake', run_name='__main__')\nexcept SystemExit as end:\n"
    code += "    import resource\n    used = resource.getrusage(resource.RUSAGE_SELF)\n"
    code += "    print(used.ru_utime + used.ru_stime, used.ru_maxrss // 1024)\n    raise end"
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"planning failed:\n{done.stderr[-2000:]}")
    *_, seconds, memory = done.stdout.split()
    return done.stdout + done.stderr, float(seconds), int(memory)


def plan(*options: str, cwd: Path, again: bool) -> list[tuple[float, int]]:
    """CPU seconds and memory of a plan, and with ``again`` of another when everything is there."""
    found = [snakemake(*options, "-n", "--quiet", cwd=cwd)[1:]]
    if again:
        said, *_ = snakemake(*options, "-n", cwd=cwd)
        for name in ", ".join(OUTPUT.findall(said)).split(", "):
            (cwd / name).parent.mkdir(parents=True, exist_ok=True)
            (cwd / name).write_text("{}", encoding="utf-8")
        snakemake(*options, "--touch", "--forceall", "--quiet", cwd=cwd)
        said, *used = snakemake(*options, "-n", cwd=cwd)
        assert "Nothing to be done" in said, said
        found.append(tuple(used))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", nargs="+", default=["2x5", "7x20", "20x50"], help="methods x seeds")
    parser.add_argument("--target", default="evaluations", help="tables and figures too: all")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="of which version")
    parser.add_argument("--again", action="store_true", help="and once more when all is done")
    given = parser.parse_args()
    print(
        "| tasks x methods x seeds | jobs | plan | CPU s | Snakemake alone | MB | Snakemake alone |",
        "|---|---:|---|---:|---:|---:|---:|",
        sep="\n",
    )
    for study in given.studies:
        methods, seeds = map(int, study.split("x"))
        names = ["wrn-default", *(f"wrn-default{number}" for number in range(1, methods))]
        definitions = {name: {"space": "wrn", "algorithm": "default"} for name in names[1:]}
        config = {"run": "planned", "methods": names, "method_definitions": definitions, "seeds": list(range(seeds))}
        experiments = TASKS * methods * seeds
        with tempfile.TemporaryDirectory(prefix="nasperf360-planning-") as folder:
            study_file, ours, bare = Path(folder) / "study.yaml", Path(folder) / "ours", Path(folder) / "bare"
            study_file.write_text(yaml.safe_dump(config), encoding="utf-8")
            ours.mkdir()
            bare.mkdir()
            (bare / "Snakefile").write_text(BARE.format(experiments=experiments), encoding="utf-8")
            options = (given.target, "--snakefile", str(given.checkout / "Snakefile"), "--configfile", str(study_file))
            ours, alone = plan(*options, cwd=ours, again=given.again), plan(cwd=bare, again=given.again)
        for what, (seconds, memory), (least, least_memory) in zip(PLANS, ours, alone, strict=False):
            row = f"{3 * experiments:,} | {what} | {seconds:.1f} | {least:.1f} | {memory:,} | {least_memory:,} |"
            print(f"| {TASKS} x {methods} x {seeds} | {row}", flush=True)


if __name__ == "__main__":
    main()
