"""List the experiments of a run without a result, and why: python workflow/scripts/status.py --run demo"""

import argparse
from pathlib import Path

from nasperf360.command import run_command
from nasperf360.study.runs import read_study
from nasperf360.study.status import missing


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", default="demo", help="name of the run: results/<run>/")
    folder = Path("results") / parser.parse_args().run
    without, experiments = missing(folder), read_study(folder).experiments
    print(f"{folder}: {len(experiments) - len(without)} of {len(experiments)} experiments have a result")
    for entry in without:
        print(entry)
    return 1 if without else 0


if __name__ == "__main__":
    run_command(main)
