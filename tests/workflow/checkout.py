"""A copy of the checkout that tests may change, with the workflow run in it as a user runs it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from compileall import compile_dir
from contextlib import contextmanager
from pathlib import Path
from py_compile import PycInvalidationMode

ROOT = Path(__file__).resolve().parents[2]
SMALL = Path(__file__).with_name("small.yaml")
SCRIPTS = "workflow/scripts"
LIBRARY = "workflow/scripts/nasperf360"

JOB = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):\n((?: {4}.*\n)+)", re.MULTILINE)
TARGETS = ("all", "evaluations", "tables", "figures")
TOTAL = re.compile(r"^total +(\d+)$", re.MULTILINE)


class Checkout:
    """A git repository with the project's files of now, committed or not, and no results."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        listed = _git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
        for name in filter(None, listed):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        shutil.copy2(SMALL, folder / "small.yaml")
        # A process writes none (see environment), and compiles no module that is as it was here.
        compile_dir(folder / SCRIPTS, quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        _git(folder, "init", "--quiet", "--initial-branch", "main")
        self.commit("the project")

    def commit(self, message: str) -> None:
        _git(self.folder, "add", "--all")
        _git(self.folder, "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-qm", message)

    def git(self, *arguments: str) -> str:
        return _git(self.folder, *arguments)

    def command(
        self, *arguments: str, config: tuple[str, ...] = (), file: str = "small.yaml", gpus: int = 1
    ) -> list[str]:
        """The command line of a run of the small study."""
        return [
            *(sys.executable, "-m", "snakemake", *arguments, "--resources", f"gpu={gpus}", "--configfile", file),
            *(["--config", *config] if config else []),
        ]

    def snakemake(
        self,
        *arguments: str,
        config: tuple[str, ...] = (),
        file: str = "small.yaml",
        status: int = 0,
        path: str = "",
        gpus: int = 1,
    ) -> str:
        """Run it, assert the exit status, return all that it printed."""
        command = self.command(*arguments, config=config, file=file, gpus=gpus)
        return said(command, self.folder, environment(path), status)

    def plan(self, *targets: str, config: tuple[str, ...] = (), file: str = "small.yaml") -> dict[str, str]:
        """The reason of each job that ``snakemake -n`` plans, by rule and wildcards: ``retrain ecg wrn-default 0``."""
        text = self.snakemake("-n", "--cores", "1", *targets, config=config, file=file)
        jobs = {}
        for rule, body in JOB.findall(text):
            fields = dict(line.strip().split(": ", 1) for line in body.splitlines() if ": " in line)
            wildcards = [part.split("=", 1)[1] for part in fields.get("wildcards", "").split(", ") if part]
            jobs[" ".join([rule, *wildcards])] = fields.get("reason", "")
        total = TOTAL.search(text)
        if total is None:
            assert "Nothing to be done" in text, text
        assert len(jobs) == (int(total[1]) if total else 0), f"unread jobs in:\n{text}"
        return {job: reason for job, reason in jobs.items() if job not in TARGETS}

    @contextmanager
    def edited(self, name: str, old: str, new: str) -> Iterator[None]:
        """A file of the library with ``old`` replaced; restored, times and all, at the end."""
        path = self.folder / name
        content, status = path.read_text(), path.stat()
        assert old in content, f"{name} has no {old!r}"
        path.write_text(content.replace(old, new, 1))
        try:
            yield
        finally:
            path.write_text(content)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def changed(self, name: str):
        """A file with one more statement."""
        first = (self.folder / name).read_text()
        return self.edited(name, first, first + "\n\nADDED = 1\n")


def said(command: list[str], folder: Path, env: dict[str, str], status: int = 0, timeout: float = 600) -> str:
    """Run a command in a folder, assert its exit status, return all that it printed."""
    done = subprocess.run(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout
    )
    assert done.returncode == status, f"{command}\n{done.stdout[-6000:]}"
    return done.stdout


def environment(path: str = "") -> dict[str, str]:
    """One thread, and ``path`` where Python looks first."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": path}


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
