"""A fork server for the jobs of a local run: libraries are imported once, and each job is a fork of who has them.

Snakemake runs a script as ``<shell> -c "<python> <script>"``. While the server runs, that shell is ``client.py``: it
asks the server for a fork and stands for it, with its output, signals and exit status. Whatever is not such a command,
does not fit the server, or finds no server, goes to the real shell, as without one.
"""

import atexit
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ONE_THREAD = ("OMP", "GOTO", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR")
"""What Snakemake sets ``<name>_THREADS`` or ``<name>_NUM_THREADS`` of, to the threads of a job."""


def start(shell: str, libraries: Mapping[str, Sequence[str]]) -> str:
    """Start a server that lives as long as this process, and return the shell to use; ``shell`` itself where none can.

    Only jobs of one thread are forked: libraries of linear algebra make their threads when they are imported, and a
    process that has threads must not be forked.

    Args:
        shell: absolute path of the shell that jobs run in.
        libraries: modules that a script will import, by its name, as far as that is known.
    """
    if not hasattr(os, "pidfd_open"):  # of Linux alone
        return shell
    try:
        return _started(shell, libraries)
    except OSError:  # such as a full disk of temporary folders
        return shell


def _started(shell: str, libraries: Mapping[str, Sequence[str]]) -> str:
    folder = Path(tempfile.mkdtemp(prefix="nasperf360-"))  # with mode 700
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    here = Path(__file__).parent
    # Named like the shell, so that Snakemake treats it as that one.
    launcher = folder / Path(shell).name
    client = [sys.executable, "-IS", here / "client.py", folder, shell, sys.executable]
    launcher.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, client))} "$@"\n', encoding="utf-8")
    launcher.chmod(0o700)
    if not os.access(launcher, os.X_OK):  # where nothing in temporary folders may be executed
        return shell
    (folder / "libraries.json").write_text(json.dumps(libraries), encoding="utf-8")
    threads = {f"{name}{'' if '_' in name else '_NUM'}_THREADS": "1" for name in ONE_THREAD}
    subprocess.Popen(
        [sys.executable, here / "server.py", folder, str(os.getpid())],
        env={**os.environ, **threads},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # the terminal's Ctrl-C is for the clients, who pass it on
    )
    return str(launcher)
