"""Run a study and, beside it, every corrected choice of the protocol; show which conclusions survive.

python workflow/scripts/corrected.py --cores 8 --resources gpu=1        beside the paper's study, as run paper-<choice>

Options of this script aside, all are given to each snakemake as they are; what a --configfile would say belongs into
the study. A choice that fails does not stop the others; the same command goes on after a stop, and runs again what has
changed.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from nasperf360.command import run_command
from nasperf360.errors import UserError
from nasperf360.settings.messages import unknown_name
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.study.paths import ROOT

STUDIES = ROOT / "config" / "studies"
GIVEN = ("scale", "run", "data_run", "tasks", "methods", "conclusions")
"""Keys that the study's file says, and each choice in its own way."""


def main(path_to_study, only, own, options):
    for entry in own:
        if entry.partition("=")[0] in GIVEN:
            raise UserError(f"--config {entry}: put it into a copy of the study, and give that as --study")
    found = sorted((STUDIES / "corrected").glob("*.yaml"), key=lambda path: (path.stem == "all", path.stem))
    choices = {path.stem: path for path in found}
    for name in only:
        if name not in choices:
            raise UserError(unknown_name(f"--only: unknown choice '{name}'", name, choices))
    study = read_yaml(path_to_study) or {}
    for key in ("scale", "run"):
        if key not in study:
            raise UserError(f"{path_to_study}: lacks the key '{key}', which the corrected choices take from it; add it")
    failed = [study["run"]] if snakemake("evaluations", [path_to_study], {}, own, options) else []
    runs = []
    for name in only or choices:
        given = _beside(study, name, read_yaml(choices[name]))
        if given is None:
            print(f"== {name}: the study has none of its tasks or none of its methods", flush=True)
            continue
        runs.append(given["run"])
        if snakemake("evaluations", [path_to_study, choices[name]], given, own, options):
            failed.append(given["run"])
    if snakemake("conclusions", [path_to_study], {"conclusions": _words(runs)}, own, options):
        failed.append("conclusions")
    if failed:
        print(f"Failed: {', '.join(failed)}; their reasons stand above", file=sys.stderr)
    return int(bool(failed))


def _beside(study, name, choice):
    """What makes a choice one beside the study: its scale and data, and the tasks and methods that both have."""
    given = {"scale": study["scale"], "run": f"{study['run']}-{name}", "data_run": study.get("data_run", study["run"])}
    for key in ("tasks", "methods"):
        lists = [part[key] for part in (choice, study) if key in part]
        both = [entry for entry in lists[0] if all(entry in entries for entries in lists)] if lists else None
        if both == []:
            return None
        given |= {key: _words(both)} if both else {}
    return given


def _words(names):
    return f"[{','.join(names)}]"


def snakemake(target, files, config, own, options):
    """Make a target; the exit status."""
    print(f"== {config.get('run', target)}", flush=True)
    given = [*own, *(f"{key}={value}" for key, value in config.items())]
    command = [target, *options, "--configfile", *map(str, files), *(["--config", *given] if given else [])]
    return subprocess.run([sys.executable, "-m", "snakemake", *command]).returncode


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--study",
        type=Path,
        default=STUDIES / "paper.yaml",
        help="file of the published protocol, with a scale and a run",
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="CHOICE", help="names of config/studies/corrected/")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="for the study and every choice")
    arguments, rest = parser.parse_known_args()
    run_command(lambda: main(arguments.study, arguments.only, arguments.config, rest))
