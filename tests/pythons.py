"""Interpreters of the Pythons that the project supports, where this machine has them."""

import shutil
import subprocess
from pathlib import Path

VERSIONS = ("3.11", "3.12", "3.13")


def installed() -> dict[str, str]:
    """An interpreter by version."""
    found = {}
    for version in VERSIONS:
        candidates = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))
        path = shutil.which(f"python{version}")
        for candidate in [*([path] if path else []), *map(str, candidates)]:
            done = subprocess.run(
                [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True
            )
            if done.stdout.strip() == version:  # a shim of pyenv may stand for a version that is not chosen
                found[version] = candidate
    return found
