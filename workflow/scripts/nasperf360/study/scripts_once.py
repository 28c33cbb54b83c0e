"""Snakemake reads the script of a rule anew for each job that it plans: half a millisecond, as much as all the rest.

What it reads is the copy that it made when it first saw the script, so nothing is lost by reading that once.
"""

from functools import cache
from typing import Any

from snakemake import script
from snakemake.sourcecache import SourceCache


def read_scripts_once() -> None:
    """From now on, in this process."""
    read, exists = script.get_source, SourceCache.exists
    found: dict[tuple[str, str], Any] = {}

    def get_source(
        path: Any, sourcecache: SourceCache, basedir: Any = None, wildcards: Any = None, params: Any = None
    ) -> Any:
        key = (str(path), str(basedir))
        if "{" in key[0]:  # it names another for other wildcards
            return read(path, sourcecache, basedir, wildcards, params)
        if key not in found:
            found[key] = read(path, sourcecache, basedir, wildcards, params)
        return found[key]

    script.get_source, SourceCache.exists = get_source, cache(exists)
