"""Scripts that people start: no traceback where an argument is wrong or the reader of the output has enough."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nasperf360.command import number

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e300", "ten", ""])
def test_a_number_out_of_bounds_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"^'{text}' is no number from 0.1 to 1e"):
        number(0.1, 1e6)(text)
    assert number(0.1, 1e6)("0.5") == 0.5


@pytest.mark.parametrize("arguments", [("status.py", "--watch"), ("estimate.py", "--limit")], ids=" ".join)
def test_seconds_and_hours_are_such_numbers(arguments):
    command = [sys.executable, SCRIPTS / arguments[0], arguments[1], "nan"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.endswith(f"error: argument {arguments[1]}: 'nan' is no number from 0.1 to 1e+06\n")


def test_a_reader_that_has_enough_ends_it():
    text = "from nasperf360.command import run_command\nrun_command(lambda: print('a line'))"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", text], stdout=write, stderr=subprocess.PIPE, cwd=SCRIPTS, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
