"""Scripts of rules: for each job that it plans, Snakemake looks for the copy of one that it made, and reads it."""

import io
from functools import cache
from typing import Any


def read_once(sources: Any) -> None:
    """Keep what the source cache of a workflow says of a file: its copy is made once per run, and stays as it is.

    To open it anew takes as long as all functions of a rule for a job.

    Args:
        sources: ``workflow.sourcecache``, whose methods are replaced.
    """
    opened = sources.open

    @cache
    def content(file: Any, mode: str) -> str | bytes:
        with opened(file, mode) as stream:
            return stream.read()

    def reopened(file: Any, mode: str = "r") -> io.StringIO | io.BytesIO:
        found = content(file, mode)
        return io.StringIO(found) if isinstance(found, str) else io.BytesIO(found)

    sources.open, sources.exists, sources.get_path = reopened, cache(sources.exists), cache(sources.get_path)
