"""PSICOV: distances between the residues of a protein, from features of its sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nasperf360.errors import DataError
from nasperf360.readers.proteins import CHANNELS, feature_maps, read_protein, smooth_distances
from nasperf360.seeds import generator
from nasperf360.tasks.base import Metric, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nasperf360.data.datasets import DatasetWriter, Split
    from nasperf360.data.raw import RawFile, RawFiles
    from nasperf360.tasks.base import Batch

PAD = 5  # cells around a map
FAR = 100.0  # Angstrom, outside of it
CLIP = 16.0  # Angstrom, largest training target
CONTACT = 8.0  # Angstrom
LONG_RANGE = 24  # residues apart along the chain
FLOOR = 0.01  # Angstrom, smallest prediction

OPTIONS = {"crop": 128, "test_size": 512, "valid": 100}


class Psicov(Task):
    """Feature maps to C-beta distances; mean absolute error of long-range contacts (MAE8) on the PSICOV proteins.

    Stored: ``x`` (57, s, s) and ``y`` (1, s, s), both float32, s = ``crop`` for training and validation and
    ``test_size`` for the test, and there ``length``, the residues of the protein. Raw: role ``proteins``, PDNET's tree
    of ``{deepcov,psicov}.lst``, ``<set>/features/<id>.pkl``, ``<set>/distance/<id>-cb.npy``. Reference code,
    backbone/data_utils/protein_io.py, protein_gen.py.
    """

    name = "psicov"
    title = "PSICOV"
    objective = "Predict distances between the residues of a protein"
    published_size = "3.6K"
    dimensions = 2
    kind = "dense"
    outputs = 1
    metric = Metric("MAE8", higher_is_better=False)
    raw = "psicov"

    def prepare(self, raw: RawFiles, writer: DatasetWriter, options: Mapping[str, Any]) -> None:
        """The first ``valid`` proteins of deepcov.lst validate, its rest train, psicov.lst tests; one at a time.

        Each training protein gives one crop of ``crop`` cells, drawn by its name, as the latest reference code does.
        """
        options = {**OPTIONS, **options}
        crop, test_size, valid = options["crop"], options["test_size"], options["valid"]
        files = {"/".join(file.relative.split("/")[-3:]): file for file in raw.all("proteins")}
        train = listed_ids(raw, "deepcov.lst")
        splits = {"train": train[valid:], "valid": train[:valid], "test": listed_ids(raw, "psicov.lst")}
        for name, ids in splits.items():
            test = name == "test"
            size, folder = (test_size, "psicov") if test else (crop, "deepcov")
            fields: dict[str, Any] = {"x": ((CHANNELS, size, size), "float32"), "y": ((1, size, size), "float32")}
            if test:
                fields["length"] = ((), "int32")
            split = writer.split(name, source=raw.one("proteins", f"{folder}.lst").path, **fields)
            contacts = 0
            for protein_id in ids:
                features = find(raw, files, f"{folder}/features/{protein_id}.pkl")
                protein = read_protein(features.path, find(raw, files, f"{folder}/distance/{protein_id}-cb.npy").path)
                y = smooth_distances(protein.distances)
                if test:
                    if len(protein) + 2 * PAD > size:
                        raise DataError(f"{features.path}: {len(protein)} residues do not fit test_size {size}")
                    contacts += int(long_range_contacts(y).sum())
                    corner = (0, 0)
                else:
                    spare = max(0, len(protein) + 2 * PAD - size)
                    corner = tuple(generator("psicov", "crop", protein_id).integers(0, spare + 1, 2))
                    y = np.minimum(y, CLIP)
                sample: dict[str, Any] = {
                    "x": window(feature_maps(protein), size, corner, 0.0),
                    "y": window(y[None], size, corner, FAR if test else CLIP),
                }
                if test:
                    sample["length"] = np.int32(len(protein))
                split.append(source=features.path, **{field: values[None] for field, values in sample.items()})
            if test and ids and not contacts:
                raise DataError(f"{split.source}: no protein has two residues {LONG_RANGE} apart within {CONTACT:g} A")

    def fit(self, train: Split) -> None:
        """Learns only the size of the tiles in which test maps are predicted: that of the training crops."""
        self._tile = train.shape("x")[-1]

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Mean squared error over the whole crop, in square Angstrom."""
        from torch.nn.functional import mse_loss

        return mse_loss(output, batch["y"])

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        """Distances (B, 1, s, s); test maps tile by tile, where a tile beyond every protein of the batch is left 0."""
        x = self.inputs(batch)
        size, tile = x.shape[-1], self._tile
        if size == tile:
            output: Tensor = model(x)
            return output
        output = x.new_zeros((len(x), self.outputs, size, size))
        end = int(batch["length"].max()) + PAD
        for row in range(0, end, tile):
            for column in range(0, end, tile):
                here = (..., slice(row, row + tile), slice(column, column + tile))
                output[here] = model(x[here])
        return output

    def score(self, outputs: np.ndarray, extras: Mapping[str, np.ndarray]) -> dict[str, float]:
        """MAE8 on test proteins (which have a length), in Angstrom; the mean absolute error of crops else.

        MAE8: absolute error over pairs of residues at least 24 apart whose true distance is at most 8 A, averaged per
        protein and then over the proteins that have such a pair. Both triangles of a prediction are averaged first.
        """
        if "length" not in extras:
            return {"value": float(np.abs(outputs - extras["y"]).mean(dtype=np.float64))}
        errors = []
        for output, truth, length in zip(outputs, extras["y"], extras["length"], strict=True):
            inside = slice(PAD, PAD + int(length))
            predicted, distances = output[0, inside, inside].astype(np.float64), truth[0, inside, inside]
            predicted = np.maximum((predicted + predicted.T) / 2, FLOOR)
            chosen = long_range_contacts(distances)
            if chosen.any():
                errors.append(np.abs(predicted - distances)[chosen].mean())
        if not errors:
            raise DataError("psicov: no long-range contact in the split; simulate longer proteins")
        return {"value": float(np.mean(errors)), "proteins": float(len(errors))}


def long_range_contacts(distances: np.ndarray) -> np.ndarray:
    """Which pairs (row, column) of a map count: column - row >= 24 and at most 8 A apart."""
    return np.triu(distances <= CONTACT, LONG_RANGE)


def window(maps: np.ndarray, size: int, corner: tuple[int, ...], fill: float) -> np.ndarray:
    """(channels, size, size) cut at ``corner`` out of maps (channels, L, L) with a border of ``fill``, filled up so."""
    after = max(PAD, size - PAD - maps.shape[-1])
    padded = np.pad(maps, ((0, 0), (PAD, after), (PAD, after)), constant_values=fill)
    return padded[:, corner[0] : corner[0] + size, corner[1] : corner[1] + size]


def listed_ids(raw: RawFiles, name: str) -> list[str]:
    """Protein ids of a list: the first word of each line.

    Raises:
        DataError: no id, or one twice.
    """
    path = raw.one("proteins", name).path
    ids = [line.split()[0] for line in path.read_text(errors="replace").splitlines() if line.strip()]
    if not ids or len(set(ids)) < len(ids):
        raise DataError(f"{path}: {'no protein' if not ids else 'a protein is listed twice'}; fetch it again")
    return ids


def find(raw: RawFiles, files: Mapping[str, RawFile], name: str) -> RawFile:
    """The raw file whose path ends in ``name``."""
    if name not in files:
        raise DataError(f"{raw.manifest}: no file {name}, though its list names it; fetch the archive again")
    return files[name]


TASK = Psicov
