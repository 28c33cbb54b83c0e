"""Ask all addresses of raw files whether they still serve them: python workflow/scripts/sources.py --tasks ecg darcy

Nothing is downloaded. With --lock, what a run has downloaded is written to the lock file beside the sources file.
"""

import argparse
from pathlib import Path

from nasperf360.command import run_command
from nasperf360.data.addresses import ask, unserved
from nasperf360.data.lock_file import Lock, lock_path
from nasperf360.data.sources import Source
from nasperf360.data.sources_file import read_sources, select
from nasperf360.errors import UserError
from nasperf360.study.paths import shipped

COLUMNS = ("task", "file", "address", "answer", "bytes", "resumable", "checksum")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", default=shipped("config/sources.yaml"), help="the file that lists them")
    parser.add_argument("--tasks", nargs="+", help="of these alone; all by default")
    parser.add_argument("--lock", action="store_true", help="lock what was downloaded, and ask no address")
    parser.add_argument("--run", default="paper", help="with --lock, whose downloads: results/<run>/raw/")
    options = parser.parse_args()
    entries = read_sources(options.sources)
    entries = select(entries, options.tasks, options.sources) if options.tasks else entries
    sources = [Source.parse(task, entry) for task, entry in entries.items()]
    lock = Lock.read(lock_path(options.sources))
    return write_lock(lock, sources, Path("results") / options.run / "raw") if options.lock else show(lock, sources)


def write_lock(lock, sources, raw):
    before = lock.entries
    for source in sources:
        lock = lock.with_fetched(source, raw / source.task)
    if not lock.entries:
        raise UserError(
            f"{raw}: nothing came there that needs to be locked; download with 'source: original' or 'benchmark' first"
        )
    if lock.entries == before:
        print(f"{lock.path}: nothing new to lock")
        return 0
    lock.write()
    print(f"{lock.path}: {sum(map(len, lock.entries.values()))} files are locked; commit it")
    return 0


def show(lock, sources):
    answers = ask(sources)
    rows = [COLUMNS, *(row(lock, answer) for answer in answers)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    by_hand = {answer.task for answer in answers if not answer.address}
    for source in sources:
        if source.task in by_hand:
            print(f"{source.task}: {source.by_hand or 'get the files by hand'}; see {source.homepage}")
    gone = [key for key in unserved(answers) if key[0] not in by_hand]
    for task, name in gone:
        print(f"{task}: no address serves {name}; get it elsewhere and set 'mirror', or try again later")
    return 1 if gone else 0


def row(lock, answer):
    file = answer.file
    locked = lock.expected(answer.task, file) is not file
    return (
        answer.task,
        file.name.rsplit("/", 1)[-1],
        answer.address or "-",
        answer.fault or "ok",
        "?" if answer.bytes is None else str(answer.bytes),
        "yes" if answer.resumable else "no",
        "published" if file.checked else "locked" if locked else "none",
    )


if __name__ == "__main__":
    run_command(main)
