"""Jobs run in the image that the configuration names, where Snakemake is asked to."""

import os
import shlex

import pytest
from checkout import Checkout, environment, said

pytestmark = pytest.mark.slow

# Apptainer as Snakemake calls it; what would run in the image runs outside.
APPTAINER = """#!/bin/bash
[ "$1" = --version ] && { echo apptainer version 1.4.0; exit; }
echo "$*" >>CALLS
until [ "$1" = study.sif ]; do shift; done
exec "${@:2}"
"""


def test_jobs_run_in_the_image_that_the_configuration_names(tmp_path):
    checkout, calls = Checkout(tmp_path / "checkout"), tmp_path / "calls"
    program = tmp_path / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text(APPTAINER.replace("CALLS", shlex.quote(str(calls))))
    program.chmod(0o755)
    (checkout.folder / "study.sif").touch()
    target, config = "results/small/tables/tasks.csv", ("tasks=[satellite]", "methods=[wrn-default]")
    env = {**environment(), "PATH": os.pathsep.join([str(program.parent), os.environ["PATH"]])}
    named = (*config, "container=study.sif")
    checkout.snakemake("--cores", "1", target, config=config)
    assert checkout.plan(target, config=named) == {}  # who does not ask for it makes nothing anew
    assert not calls.exists()
    said(checkout.command("--cores", "1", target, "--sdm", "apptainer", config=named), checkout.folder, env)
    assert calls.read_text().count("study.sif bash -c") == 3  # raw files, data set, table
