"""The files of an experiment to publish, as a run has them."""

from pathlib import Path

from nasperf360.files import digest_file, write_json
from nasperf360.stages.experiment import Experiment, checksummed

EXPERIMENT = Experiment("evaluate", "ecg", "wrn-default", 0)


def make_experiment(folder: Path, experiment: Experiment = EXPERIMENT, weights: bytes = b"weights") -> dict[str, str]:
    """The paths of its files by name."""
    folder.mkdir(parents=True)
    for name, content in (("model.pt", weights), ("predictions.h5", b"predictions")):
        (folder / name).write_bytes(content)
    network = {"parameters": 10, "multiply_adds": 20, "simulated": True}
    architecture = {"space": "wrn"}
    found = {**experiment.names(), **network, "architecture": architecture}
    result = {
        **experiment.names(),
        **network,
        "metric": {"name": "F1", "higher_is_better": True},
        "value": 0.625,
        "files": {name: digest_file(folder / name) for name in ("model.pt", "predictions.h5")},
        "provenance": {"data_sha256": "d" * 64, "settings": {"architecture": architecture}},
    }
    write_json(folder / "architecture.json", checksummed(found))
    write_json(folder / "result.json", checksummed(result))
    return {path.name: str(path) for path in folder.iterdir()}
