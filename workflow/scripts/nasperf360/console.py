"""What a run says in the terminal: a line per job, and every error whole. Snakemake's own log keeps the rest."""

import logging
from collections.abc import Mapping
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

NAME = "DefaultStreamHandler"
"""What Snakemake calls the handler that writes to the terminal."""

QUICK = ("evaluate",)
"""Rules without a line: a study has as many such jobs as trainings, and each takes a second."""

PLANS = ("Select jobs to execute...", "Execute ")
"""How lines begin that are said before each batch of jobs, as no event of their own."""

KNOWN = "Warning: the following output files of rule record_study were not present"
"""How Snakemake says that `onstart` wrote the study down before the rule."""


def be_brief(logger: logging.Logger) -> None:
    """From now on let Snakemake's logger say a line per job in the terminal, in place of a dozen."""
    for handler in [handler for handler in logger.handlers if handler.name == NAME]:
        logger.removeHandler(handler)
        logger.addHandler(Brief(handler))


class Brief(logging.Handler):
    """Leaves all to another handler but what each job says.

    Args:
        whole: that other.
    """

    def __init__(self, whole: logging.Handler):
        super().__init__(whole.level)
        self.whole, self.progress = whole, ""

    def emit(self, record: logging.LogRecord) -> None:
        """Say a record, in one line or in none where it is of a job that does not fail."""
        event, given = getattr(record, "event", None), vars(record)
        if event == LogEvent.JOB_INFO and given["rule_name"] in QUICK:
            return
        if event == LogEvent.JOB_INFO:
            self.whole.handle(logging.makeLogRecord({"levelno": record.levelno, "msg": _job(given) + self.progress}))
        elif event == LogEvent.PROGRESS:
            self.progress = f"  ({given['done']} of {given['total']} done)"
        elif event != LogEvent.JOB_FINISHED and not record.getMessage().startswith((*PLANS, KNOWN)):
            self.whole.handle(record)


def _job(given: Mapping[str, Any]) -> str:
    """A job's rule and wildcards."""
    return " ".join([given["rule_name"], *map(str, dict(given["wildcards"] or {}).values())])
