"""Say how many jobs a study has and about how many GPU-hours it takes; trains nothing and needs no data.

python workflow/scripts/estimate.py --config scale=paper
"""

import argparse

from nasperf360.command import run_command
from nasperf360.settings.layers import merge
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.study import configuration
from nasperf360.study.estimate import PEAKS, UTILISATION, UTILISATION_OF, data_jobs, estimate, table


def main(given, files, device, utilisation):
    files = [configuration.ROOT / "config" / "config.yaml", *files]
    config = configuration.resolve(merge(*(read_yaml(file) or {} for file in files), given))
    rows = estimate(config, device, utilisation)
    reached = f"{UTILISATION:.0%} ({_exceptions()})" if utilisation is None else f"{100 * utilisation:.3g}%"
    print(f"scale {config['scale']}, {len(config['tasks'])} tasks, {len(config['seeds'])} seeds")
    print(f"on one {device}, taken to train at {reached} of its {PEAKS[device] / 1e12:g} TFLOP/s in float32\n")
    print(table(rows))
    print(f"\n{data_jobs(config)} jobs make the data; tables and figures take seconds.")
    if sum(row.hours for row in rows) < 1:
        print("In a study as small as this, starting a job takes longer than its training: seconds each.")


def _exceptions():
    return ", ".join(f"{space} {fraction:.0%}" for space, fraction in UTILISATION_OF.items())


def _pair(text):
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"'{text}' is not KEY=VALUE")
    return key, value


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", nargs="*", type=_pair, default=[], metavar="KEY=VALUE", help="as for snakemake")
    parser.add_argument("--configfile", nargs="*", default=[], metavar="FILE", help="as for snakemake")
    parser.add_argument("--device", choices=PEAKS, default="v100", help="the paper's, by default")
    parser.add_argument(
        "--utilisation", type=float, help="fraction of the device's peak that training reaches, in (0, 1]"
    )
    arguments = parser.parse_args()
    run_command(lambda: main(dict(arguments.config), arguments.configfile, arguments.device, arguments.utilisation))
