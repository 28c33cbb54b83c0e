"""The page of a study, or of the paper's printed results: one file that opens without a network."""

from pathlib import Path

import yaml

from nasperf360.job import run_job
from nasperf360.report import page, study
from nasperf360.study.status import missing


def main(
    folder, path_to_citation, tables, pictures, samples, architectures, curves, costs, experiments, searches, output
):
    """``curves``, ``costs``: None for the paper's printed results, which have no experiments either."""
    contents = study.contents(
        folder,
        tables={path.stem: path for path in map(Path, tables)},
        experiments=[(task, method, int(seed)) for task, method, seed in experiments],
        searches=searches,
        pictures={path.stem: path for path in map(Path, pictures)},
        samples={path.stem: path for path in map(Path, samples)},
        architectures=by_method(map(Path, architectures)),
        curves=curves and Path(curves),
        costs=costs and Path(costs),
        citation=yaml.safe_load(Path(path_to_citation).read_text(encoding="utf-8")),
        missing=missing(folder) if experiments else [],
    )
    page.write(output, "study.html.j2", **contents)


def by_method(paths):
    """``architectures/<method>/<seed>.png`` by method and seed."""
    found = {}
    for path in paths:
        found.setdefault(path.parent.name, {})[path.stem] = path
    return found


if __name__ == "__main__":
    run_job(
        lambda: main(
            folder=Path(snakemake.output[0]).parents[1],  # results/<run>
            path_to_citation=snakemake.input.citation,
            tables=snakemake.input.tables,
            pictures=snakemake.input.pictures,
            samples=snakemake.input.get("samples", []),
            architectures=snakemake.input.get("architectures", []),
            curves=snakemake.input.get("curves"),
            costs=snakemake.input.get("costs"),
            experiments=snakemake.params.experiments,
            searches=snakemake.params.searches,
            output=snakemake.output[0],
        ),
        snakemake,
    )
