"""Verify a results folder against its own provenance: python workflow/scripts/verify.py results/demo"""

import argparse
from pathlib import Path

from nasperf360.command import run_command
from nasperf360.study.runs import read_study
from nasperf360.study.verification import not_recomputed, verify
from nasperf360.tables.verification import verify_tables


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="results/<run>")
    folder = parser.parse_args().folder
    faults = [*verify(folder), *verify_tables(folder)]
    for fault in faults:
        print(fault)
    if unproved := len(not_recomputed(folder)):
        numbers = f"{unproved} of {len(read_study(folder).experiments)} numbers"
        print(f"{folder}: {numbers} were not recomputed, since their predictions were not kept")
    print(f"{folder}: {len(faults)} faults" if faults else f"{folder}: everything fits")
    return 1 if faults else 0


if __name__ == "__main__":
    run_command(main)
