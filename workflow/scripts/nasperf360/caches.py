"""Where libraries keep what they make once: at home, or, where that cannot be written to, beside Snakemake's records.

Without such a folder numba refuses to be imported by librosa, and matplotlib makes a new one for each job.
"""

import os
from collections.abc import MutableMapping
from pathlib import Path

FOLDER = Path(".snakemake") / "caches"
VARIABLES = {"NUMBA_CACHE_DIR": "numba", "MPLCONFIGDIR": "matplotlib", "XDG_CACHE_HOME": "xdg"}


def provide(environment: MutableMapping[str, str] = os.environ, folder: Path = FOLDER) -> None:
    """Set the variables that nobody set, where the home folder cannot be written to; jobs inherit them.

    Args:
        environment: to look at and change.
        folder: that takes the caches.
    """
    home = Path(environment.get("HOME") or "~").expanduser()
    if home.is_dir() and os.access(home, os.W_OK):
        return
    for variable, name in VARIABLES.items():
        if not environment.get(variable):
            (folder / name).mkdir(parents=True, exist_ok=True)
            environment[variable] = str((folder / name).resolve())
