"""Say how many jobs a study has and about how many GPU-hours it takes; trains nothing and needs no data.

python workflow/scripts/estimate.py --config scale=paper
"""

import argparse
import gc
import sys
from functools import partial
from pathlib import Path

from tqdm import tqdm

from nasperf360.command import number, run_command
from nasperf360.estimate.cards import CARDS, DEFAULT, card_of
from nasperf360.estimate.checked_cells import CheckedCells, read_checked
from nasperf360.estimate.estimate import Networks, counted_before, data_jobs, estimate, runtimes, table, warnings
from nasperf360.estimate.makespan import GPUS, chains, makespans
from nasperf360.estimate.makespan import table as schedule
from nasperf360.estimate.work import SHARE
from nasperf360.figures import style
from nasperf360.figures.makespan import draw
from nasperf360.files import write_json
from nasperf360.settings.layers import merge
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.study import configuration

LIMIT = 48  # hours, as profiles/slurm asks for where nothing is estimated


def main(given, files, device, share, check, limit, path_to_runtimes, gpus, pictures):
    gc.disable()  # networks hold no cycles to speak of; to look for some takes a tenth of the time
    files = [configuration.ROOT / "config" / "config.yaml", *files]
    config = configuration.resolve(merge(*(read_yaml(file) or {} for file in files), given))
    card, checked = card_of(device), read_checked(check) if check else CheckedCells()
    progress = partial(tqdm, desc="networks", unit="", leave=False, file=sys.stderr, disable=None)
    cells = estimate(config, device, share, checked, progress, Networks(counted_before()))
    precision, peak = config["precision"], card.peak(config["precision"]) / 1e12
    print(f"scale {config['scale']}, {len(config['tasks'])} tasks, {len(config['seeds'])} seeds, {precision}")
    print(f"on one {card.title}: {peak:g} TFLOP/s, {card.bandwidth / 1e12:g} TB/s, {card.memory:g} GiB")
    print(_reached(share))
    if measured := sum(cell.measured for cell in cells):
        print(f"{measured} of {len(cells)} cells by steps that were measured on {checked.device}")
    print(f"\n{table(cells)}")
    print(f"\n{data_jobs(config)} jobs make the data; tables and figures take seconds.")
    if sum(cell.jobs * (cell.hours or 0) for cell in cells) < 1:
        print("In a study as small as this, starting a job takes longer than its training: seconds each.")
    for line in warnings(config, cells, card, limit):
        print(line)
    numbers = makespans(chains(cells), sorted(set(gpus)))
    print(f"\nFrom start to end, one job on a GPU at a time, if no queue makes it wait:\n{schedule(numbers)}")
    if pictures:
        title = f"{config['scale']} scale, {len(config['seeds'])} seeds, on {card.title}: estimated"
        style.save(draw(numbers, title), pictures, simulated=False, numbers=numbers)
    if path_to_runtimes:
        write_json(path_to_runtimes, runtimes(cells, limit))
        print(f"{path_to_runtimes}: minutes of each search and training; for a cluster: runtimes={path_to_runtimes}")


def _reached(share):
    if share is not None:
        return f"training reaches {100 * share:.3g}% of its roofline"
    return f"where nothing was measured, training is taken to reach {SHARE:.0%} of its roofline"


def _pair(text):
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"'{text}' is not KEY=VALUE")
    return key, value


def _count(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of GPUs")
    return int(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", nargs="*", type=_pair, default=[], metavar="KEY=VALUE", help="as for snakemake")
    parser.add_argument("--configfile", nargs="*", default=[], metavar="FILE", help="as for snakemake")
    parser.add_argument("--device", choices=CARDS, default=DEFAULT, help=f"{DEFAULT} by default; the paper's is v100")
    parser.add_argument(
        "--utilisation", type=float, help="fraction of the device's roofline that training reaches, in (0, 1]"
    )
    parser.add_argument("--check", type=Path, metavar="FILE", help="what benchmarks/gpu_check.py measured")
    hours = number(0.1, 1e6)
    parser.add_argument("--limit", type=hours, default=LIMIT, metavar="HOURS", help=f"of the queue, {LIMIT} by default")
    parser.add_argument("--runtimes", type=Path, metavar="FILE", help="write what to ask a queue for (docs/cluster.md)")
    parser.add_argument("--gpus", nargs="+", type=_count, default=GPUS, metavar="N", help="how long on so many GPUs")
    parser.add_argument(
        "--figure", nargs="+", default=[], metavar="FILE", help="the same drawn: .pdf, .svg, .png, .csv"
    )
    arguments = parser.parse_args()
    run_command(
        lambda: main(
            dict(arguments.config),
            arguments.configfile,
            arguments.device,
            arguments.utilisation,
            arguments.check,
            arguments.limit,
            arguments.runtimes,
            arguments.gpus,
            arguments.figure,
        )
    )
