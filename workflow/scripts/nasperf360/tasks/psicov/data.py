"""PSICOV from PDNET's tree: feature maps and C-beta distances.

Stored: ``x`` (57, s, s) and ``y`` (1, s, s), both float32, s = ``crop`` for training and validation and ``test_size``
for the test, and there ``length``, the residues of the protein; of test maps, most of which are padding, the file holds
the protein alone. Raw: role ``proteins``, ``{deepcov,psicov}.lst``,
``<set>/features/<id>.pkl``, ``<set>/distance/<id>-cb.npy``. Reference code, backbone/data_utils/protein_io.py and
protein_gen.py.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFile, RawFiles
from nasperf360.data.reading import each
from nasperf360.data.true_size import store_true_size
from nasperf360.errors import DataError, UserError
from nasperf360.seeds import generator
from nasperf360.tasks.psicov.contacts import CONTACT, LONG_RANGE, long_range_contacts
from nasperf360.tasks.psicov.proteins import CHANNELS, check_whole, feature_maps, read_protein, smooth_distances
from nasperf360.tasks.psicov.spec import PAD, PreprocessSettings

FAR = 100.0  # Angstrom, outside of a map
CLIP = 16.0  # Angstrom, largest training target


def preprocess(raw: RawFiles, writer: DatasetWriter, options: PreprocessSettings) -> None:
    """The first ``valid`` proteins of deepcov.lst validate, its rest train, psicov.lst tests; one at a time.

    Each training protein gives one crop, of ``crop`` residues a side, drawn by its name, as the latest reference code
    does.
    """
    crop, test_size, valid = options.crop, options.test_size, options.valid
    files = {"/".join(file.relative.split("/")[-3:]): file for file in raw.all("proteins")}
    train = listed_ids(raw, "deepcov.lst")
    splits = {"train": train[valid:], "valid": train[:valid], "test": listed_ids(raw, "psicov.lst")}
    names = [
        f"{folder}/{name}"
        for folder, ids in (("deepcov", train), ("psicov", splits["test"]))
        for protein_id in ids
        for name in (f"features/{protein_id}.pkl", f"distance/{protein_id}-cb.npy")
    ]
    each(names, lambda name: check_whole(find(raw, files, name).path))  # of all, before hours of work
    for name, ids in splits.items():
        test = name == "test"
        size, folder = (test_size, "psicov") if test else (crop, "deepcov")
        fields: dict[str, Any] = {"x": ((CHANNELS, size, size), "float32"), "y": ((1, size, size), "float32")}
        if test:
            fields["length"] = ((), "int32")
        split = writer.split(name, source=raw.one("proteins", f"{folder}.lst").path, **fields)
        if test:
            store_true_size(split, x=0.0, y=FAR)
        contacts = 0
        for protein_id in ids:
            features = find(raw, files, f"{folder}/features/{protein_id}.pkl")
            protein = read_protein(features.path, find(raw, files, f"{folder}/distance/{protein_id}-cb.npy").path)
            y = smooth_distances(protein.distances)
            if test:
                if len(protein) + 2 * PAD > size:
                    raise UserError(
                        f"{features.path}: {len(protein)} residues do not fit test_size {size}; "
                        f"raise preprocess.psicov.test_size"
                    )
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
    if not splits["train"]:  # said once all proteins of the list were read: it is the list, and no page in its place
        raise UserError(
            f"{raw.one('proteins', 'deepcov.lst').path}: {len(train)} proteins, and preprocess.psicov.valid takes "
            f"{valid} to validate, so none is left to train on; lower it"
        )


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
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    ids = [line.split()[0] for line in text.splitlines() if line.strip()]
    if not ids or len(set(ids)) < len(ids):
        raise DataError(f"{path}: {'no protein' if not ids else 'a protein is listed twice'}")
    return ids


def find(raw: RawFiles, files: Mapping[str, RawFile], name: str) -> RawFile:
    """The raw file whose path ends in ``name``."""
    if name not in files:
        listed = raw.one("proteins", f"{name.split('/')[0]}.lst").path
        raise DataError(f"{listed}: names a protein without a file {name}")
    return files[name]
