"""Snakemake's records of how each file was made, kept with the results too: who loses ``.snakemake`` loses none.

A file without a record counts as up to date, whatever its settings or code were. ``results/<run>/records.tsv`` holds a
line for each file of the run: its path, and the record as Snakemake wrote it.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from nasperf360.errors import UserError
from nasperf360.files import write_text
from nasperf360.job import log

METADATA = Path(".snakemake/metadata")
SLACK = 1.0  # seconds: some copies of a file keep its time in whole ones


def keep(runs: Iterable[str]) -> None:
    """Copy the records of the files of these runs that Snakemake has now, those of files that are gone left out."""
    there = dict(_there())
    for run in set(runs):
        kept, prefix = _kept(run), f"results/{run}/"
        since = _path(run).stat().st_mtime_ns if kept else 0
        found = {
            path: text
            for path, (file, changed) in there.items()
            if path.startswith(prefix) and (changed >= since or path not in kept) and (text := _sound(file))
        }
        merged = {path: text for path, text in sorted({**kept, **found}.items()) if Path(path).exists()}
        if merged != kept:
            try:
                write_text(_path(run), "".join(f"{path}\t{text}\n" for path, text in merged.items()))
            except (UserError, OSError) as error:
                log(f"{_path(run)}: Snakemake's records are not kept there ({error})")


def restore(runs: Iterable[str]) -> None:
    """Give Snakemake the records back that it has lost: absent, emptied or cut short, as by a loss of power.

    Not those of files that were written since.
    """
    for run in set(runs):
        restored = {
            path: text for path, text in _lines(run) if not _ends_well(_record(path)) and _is_of(text, Path(path))
        }
        # Without its sibling Snakemake takes the folder for one of a version of years ago.
        for folder in (METADATA, METADATA.with_name("incomplete")) if restored else ():
            folder.mkdir(parents=True, exist_ok=True)
        for path, text in restored.items():
            write_text(_record(path), text)
        if restored:
            log(f"results/{run}: Snakemake had lost its records of {len(restored)} files; taken from {_path(run)}")


def recorded(path: Path) -> bool:
    """Whether Snakemake has a record of a file."""
    return _ends_well(_record(str(path)))


def _record(path: str) -> Path:
    """Where Snakemake has the record of a file."""
    return METADATA / urlsafe_b64encode(path.encode()).decode()


def _path(run: str) -> Path:
    return Path("results") / run / "records.tsv"


def _kept(run: str) -> dict[str, str]:
    """The records of a run by path, as text: to parse them all would take longer than the rest of a start."""
    return dict(_lines(run))


def _lines(run: str) -> Iterator[tuple[str, str]]:
    """The same one by one: those of a large study take more memory together than its plan."""
    with suppress(OSError, UnicodeDecodeError), open(_path(run), encoding="utf-8") as stream:
        for line in stream:
            path, tab, text = line.rstrip("\n").partition("\t")
            if tab:
                yield path, text


def _there() -> Iterator[tuple[str, tuple[Path, int]]]:
    """The records that Snakemake has, sound or not: by the path that each is of, its file and when that changed."""
    for file in METADATA.iterdir() if METADATA.is_dir() else ():
        with suppress(OSError, ValueError):  # folders, of paths that are longer than a name may be
            yield urlsafe_b64decode(file.name).decode(), (file, file.stat().st_mtime_ns)


def _ends_well(file: Path) -> bool:
    """Whether a record is there and not empty, cut short or full of zeros."""
    try:
        with open(file, "rb") as stream:
            stream.seek(-1, 2)
            return stream.read(1) == b"}"
    except OSError:
        return False


def _sound(file: Path) -> str | None:
    """A record as one line of text, if it is one."""
    try:
        return json.dumps(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _is_of(text: str, path: Path) -> bool:
    """Whether a record is of the file that is there now: Snakemake notes a file's time as that of the end."""
    try:
        ended = float(json.loads(text)["endtime"])
        return abs(path.stat().st_mtime - ended) <= SLACK
    except (OSError, ValueError, KeyError, TypeError):
        return False
