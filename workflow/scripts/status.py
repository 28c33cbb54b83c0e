"""How far a run is: experiments without a result, and why; what runs now; the hours done and left.

python workflow/scripts/status.py --run demo
"""

import argparse
import sys
import time
from functools import cache, partial
from pathlib import Path

from nasperf360.command import number, run_command
from nasperf360.files import remembered
from nasperf360.study.hours import study_hours
from nasperf360.study.running import in_words
from nasperf360.study.runs import read_study
from nasperf360.study.status import missing

CLEAR = "\033[2J\033[H"  # a terminal


def main(folder):
    lines, complete = report(folder, cache(partial(estimated, folder)))
    print("\n".join(lines))
    return 0 if complete else 1


def watch(folder, seconds):
    """Until all is complete, or Ctrl-C."""
    hours = cache(partial(estimated, folder))
    while True:
        lines, complete = report(folder, hours)
        print((CLEAR if sys.stdout.isatty() else "") + "\n".join(lines), flush=True)
        if complete:
            return
        time.sleep(seconds)


def report(folder, hours):
    """What there is to say, as lines, and whether all experiments have a result."""
    study, without = read_study(folder), missing(folder)
    count = len(study.experiments)
    lines = [f"{folder}: {count - len(without)} of {count} experiments have a result", *map(str, without)]
    done, left, unknown = study_hours(folder, study, hours)
    now = sum(entry.runs for entry in without)
    lines.append(
        f"{span(done)} of searches and trainings done"
        + (said_left(left, unknown) if without else "")
        + (f"; {now} of the experiments above run now" if now else "")
    )
    return lines, not without


def span(hours):
    return in_words(3600 * hours)


def said_left(left, unknown):
    if not unknown:
        return f", about {span(left)} left"
    more = f"{unknown} of which nothing can be said before others of their kind are done"
    return f", about {span(left)} left and {more}" if left else f"; left are {more}"


def estimated(folder):
    # Torch takes seconds to load, and is only asked for where no seed of some experiment is done.
    from nasperf360.estimate.estimated_hours import estimated_hours

    config = remembered(folder / "settings.json")
    return estimated_hours(folder, config) if config else {}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="demo", help="name of the run: results/<run>/")
    seconds = number(0.1, 1e6)
    parser.add_argument(
        "--watch", nargs="?", type=seconds, const=10.0, metavar="SECONDS", help="again every 10 seconds"
    )
    arguments = parser.parse_args()
    folder = Path("results") / arguments.run
    run_command(partial(watch, folder, arguments.watch) if arguments.watch is not None else partial(main, folder))
