"""How long searches and trainings may take on a cluster: what ``estimate.py --runtimes`` wrote, else two days."""

import re
from collections.abc import Mapping

from nasperf360.errors import UserError
from nasperf360.files import read_json

DEFAULT = 2880
"""Minutes of a search or training of which nothing is known."""


def read_runtimes(path: str | None) -> dict[str, int]:
    """Minutes by ``<stage>/<task>/<method>``; none without a file.

    Raises:
        UserError: no such file, or other contents.
    """
    if path is None:
        return {}
    content = read_json(path)
    if not isinstance(content, dict) or not all(type(value) is int and value > 0 for value in content.values()):
        raise UserError(
            f"runtimes: {path}: not minutes by <stage>/<task>/<method>; make it anew: "
            f"python workflow/scripts/estimate.py --runtimes {path}"
        )
    for key in content:
        if not re.fullmatch(r"(search|retrain)/[a-z0-9_]+/[a-z0-9_]+-[a-z0-9_]+", key):
            raise UserError(
                f"runtimes: {path}: key '{key}' is no <stage>/<task>/<method>, as search/ecg/wrn-asha is; correct it"
            )
    return content


def minutes(runtimes: Mapping[str, int], stage: str, task: str, method: str) -> int:
    """To ask a queue for, at each attempt: one that goes on from a checkpoint needs no more."""
    return runtimes.get(f"{stage}/{task}/{method}", DEFAULT)
