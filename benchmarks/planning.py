"""How long Snakemake plans studies of growing size, and in how much memory: python benchmarks/planning.py

Each study has ten tasks, so many methods (wrn-default under other names) and so many seeds; each experiment is a
search, a training and an evaluation. Beside it Snakemake alone: as many jobs of rules that have nothing to say.
"""

import argparse
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


def plan(*options: str, cwd: Path) -> tuple[float, int]:
    """CPU seconds and peak memory in MB of a plan, by a process that waits for no other."""
    code = f"import runpy, sys; sys.argv = ['snakemake', '-n', '--quiet', '--cores', '1', *{options!r}]\n"
    code += "try:\n    runpy.run_module('snakemake', run_name='__main__')\nexcept SystemExit as end:\n"
    code += "    import resource\n    used = resource.getrusage(resource.RUSAGE_SELF)\n"
    code += "    print(used.ru_utime + used.ru_stime, used.ru_maxrss // 1024)\n    raise end"
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"planning failed:\n{done.stderr[-2000:]}")
    seconds, memory = done.stdout.split()[-2:]
    return float(seconds), int(memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", nargs="+", default=["2x5", "7x20", "20x50"], help="methods x seeds")
    print(
        "| tasks x methods x seeds | jobs | CPU s | Snakemake alone | MB | Snakemake alone |",
        "|---|---:|---:|---:|---:|---:|",
        sep="\n",
    )
    for study in parser.parse_args().studies:
        methods, seeds = map(int, study.split("x"))
        names = ["wrn-default", *(f"wrn-default{number}" for number in range(1, methods))]
        definitions = {name: {"space": "wrn", "algorithm": "default"} for name in names[1:]}
        config = {"run": "planned", "methods": names, "method_definitions": definitions, "seeds": list(range(seeds))}
        experiments = TASKS * methods * seeds
        with tempfile.TemporaryDirectory(prefix="nasperf360-planning-") as folder:
            file, bare = Path(folder) / "study.yaml", Path(folder) / "Snakefile"
            file.write_text(yaml.safe_dump(config), encoding="utf-8")
            bare.write_text(BARE.format(experiments=experiments), encoding="utf-8")
            ours = plan(
                "evaluations", "--snakefile", str(ROOT / "Snakefile"), "--configfile", str(file), cwd=Path(folder)
            )
            least = plan(cwd=Path(folder))
        row = f"{3 * experiments:,} | {ours[0]:.1f} | {least[0]:.1f} | {ours[1]:,} | {least[1]:,} |"
        print(f"| {TASKS} x {methods} x {seeds} | {row}", flush=True)


if __name__ == "__main__":
    main()
