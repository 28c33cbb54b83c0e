"""The terminal has a line per job and every error; Snakemake's log has all."""

import io
import logging

import pytest
from snakemake.logging import ColorizingTextHandler, DefaultFormatter
from snakemake_interface_logger_plugins.common import LogEvent

from nasperf360.console import NAME, be_brief

JOB = {
    "rule_name": "retrain",
    "wildcards": {"task": "ecg", "method": "wrn-default", "seed": "0"},
    "rule_msg": None,
    "jobid": 3,
    "input": ["a"],
    "output": ["b"],
    "log": [],
    "local": False,
    "is_checkpoint": False,
    "benchmark": None,
    "reason": "Missing output files: b",
    "priority": 0,
    "threads": 1,
    "resources": {},
    "indent": False,
    "conda_env": None,
    "shellcmd": None,
    "aux": {},
}


@pytest.fixture
def said():
    """A logger as Snakemake sets one up, made brief; what the terminal and the log file have."""
    logger, terminal, file = logging.Logger("snakemake"), io.StringIO(), io.StringIO()
    for stream, name in ((terminal, NAME), (file, "DefaultLogFileHandler")):
        handler = ColorizingTextHandler(stream=stream)
        handler.name = name
        handler.setFormatter(DefaultFormatter())
        logger.addHandler(handler)
    be_brief(logger)
    return logger, terminal, file


def start(logger, **given):
    """A job as the scheduler announces it."""
    logger.info("Select jobs to execute...")
    logger.info("Execute 1 jobs...")
    logger.info("", extra={**JOB, **given, "event": LogEvent.JOB_INFO})


def test_a_line_per_job(said):
    logger, terminal, file = said
    for done in (1, 2):
        start(logger)
        logger.info("Finished jobid: 3", extra={"event": LogEvent.JOB_FINISHED, "job_id": 3})
        logger.info("", extra={"event": LogEvent.PROGRESS, "done": done, "total": 393})
    start(logger)
    line = "retrain ecg wrn-default 0"
    assert terminal.getvalue().splitlines() == [line, f"{line}  (1 of 393 done)", f"{line}  (2 of 393 done)"]
    assert file.getvalue().count("reason: Missing output files: b") == 3
    assert "2 of 393 steps" in file.getvalue()


def test_quick_jobs_have_none(said):
    logger, terminal, file = said
    start(logger, rule_name="evaluate")
    assert terminal.getvalue() == ""
    assert "rule evaluate:" in file.getvalue()


def test_errors_and_all_else_are_whole(said):
    logger, terminal, file = said
    logger.error("", extra={**JOB, "event": LogEvent.JOB_ERROR})
    logger.warning("careful")
    logger.info("Job stats: ...", extra={"event": LogEvent.RUN_INFO})
    assert terminal.getvalue() == file.getvalue()
    assert "Error in rule retrain:" in terminal.getvalue()
    assert "careful\n" in terminal.getvalue()


def test_of_early_outputs_only_the_study_s_record_is_no_news(said):
    logger, terminal, _ = said
    for rule in ("record_study", "retrain"):
        logger.warning(f"Warning: the following output files of rule {rule} were not present when the DAG was created:")
    assert terminal.getvalue().count("Warning") == terminal.getvalue().count("retrain") == 1
