"""Raw files of PDNET: features and distance maps of proteins, read without running what a pickle may hold."""

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nasperf360.data.reading import in_words, reading
from nasperf360.errors import DataError
from nasperf360.tasks.shared.arrays import read_objects
from nasperf360.tasks.shared.pickles import read_pickle

KIND = "a pickle of features"
ENCODING = "latin1"  # of the strings of Python 2
PAIRS = ("ccmpred", "freecon", "potential")
CHANNELS = 57  # of two for each of 3 (ss) + 22 (pssm) + 1 (sa) + 1 (entropy) profiles, and the three pair maps
LARGEST_FEATURE, LARGEST_DISTANCE = 100.0, 500.0  # PDNET's own checks


@dataclass(frozen=True)
class Protein:
    """Features and distances of one protein of L residues."""

    profiles: np.ndarray  # (27, L) float32: ss, pssm, sa, entropy
    pairs: np.ndarray  # (3, L, L) float32: ccmpred, freecon, potential
    distances: np.ndarray  # (L, L) float32, Angstrom between C-beta atoms, as stored

    def __len__(self) -> int:
        return self.profiles.shape[1]


def check_whole(path: Path) -> None:
    """Refuse a file of a protein that was cut off, by its last byte: to read all of them takes hours.

    Raises:
        DataError: its pickle does not end.
    """
    with reading(path, KIND), open(path, "rb") as stream:
        stream.seek(-1, os.SEEK_END)
        if stream.read() != pickle.STOP:
            raise DataError(f"{path}: not a readable pickle of arrays (it is truncated)")


def read_protein(features: Path, distance: Path) -> Protein:
    """Read ``features/<id>.pkl`` and ``distance/<id>-cb.npy``.

    Raises:
        DataError: damaged, a key missing, shapes that do not fit the sequence, NaN, or values out of PDNET's range.
    """
    profiles, pairs = read_features(features)
    return Protein(profiles, pairs, read_distances(distance, profiles.shape[1]))


def read_features(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Profiles (27, L) and pair maps (3, L, L), float32; numbers may be stored as strings."""
    with reading(path, KIND), open(path, "rb") as stream:
        content = read_pickle(path, stream, ENCODING)
    if not isinstance(content, Mapping) or not isinstance(content.get("seq"), str):
        raise DataError(f"{path}: no dictionary of features with a sequence 'seq'")
    length = len(content["seq"])

    def array(key: str, *shape: int) -> np.ndarray:
        if key not in content:
            raise DataError(f"{path}: no feature '{key}'")
        values = _numbers(path, f"'{key}'", content[key])
        if values.shape != shape:
            raise DataError(f"{path}: '{key}' has shape {values.shape}, expected {shape}")
        if not (np.abs(values) < LARGEST_FEATURE).all():
            raise DataError(f"{path}: '{key}' holds NaN or values beyond {LARGEST_FEATURE:g}")
        return values

    profiles = np.concatenate(
        [
            array("ss", 3, length),
            array("pssm", length, 22).T,
            array("sa", length)[None],
            array("entropy", length)[None],
        ]
    )
    return profiles, np.stack([array(key, length, length) for key in PAIRS])


def read_distances(path: Path, length: int) -> np.ndarray:
    """The map (L, L) of a saved object array (L, sequence, map)."""
    content = read_objects(path, (3,), "three objects: length, sequence, distances", ENCODING)
    try:
        third = content[2]
    except (TypeError, LookupError) as error:
        raise DataError(f"{path}: holds no three objects: length, sequence, distances") from error
    distances = _numbers(path, "its third object", third)
    if distances.shape != (length, length):
        raise DataError(
            f"{path}: distances of shape {distances.shape}, but the features' sequence has {length} residues"
        )
    if not (distances <= LARGEST_DISTANCE).all():
        raise DataError(f"{path}: NaN or a distance beyond {LARGEST_DISTANCE:g} Angstrom")
    return distances


def _numbers(path: Path, what: str, values: Any) -> np.ndarray:
    """An array of real numbers as float32; they may be stored as strings.

    Raises:
        DataError: they are none.
    """
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "c":
            return array.astype(np.float32)
    except (TypeError, ValueError, OverflowError, RecursionError, UnicodeError) as error:
        raise DataError(f"{path}: {what} does not hold numbers ({in_words(error)})") from error
    raise DataError(f"{path}: {what} holds complex numbers")


def feature_maps(protein: Protein) -> np.ndarray:
    """Network input (57, L, L) float32: each profile along columns, then along rows; then the pair maps."""
    length = len(protein)
    maps = np.empty((CHANNELS, length, length), np.float32)
    profiles = len(protein.profiles)
    maps[0 : 2 * profiles : 2] = protein.profiles[:, None, :]
    maps[1 : 2 * profiles : 2] = protein.profiles[:, :, None]
    maps[2 * profiles :] = protein.pairs
    return maps


def smooth_distances(distances: np.ndarray) -> np.ndarray:
    """Distances of at least 1 A, the diagonal replaced by the mean of its two neighbours in its row."""
    distances = np.maximum(distances, 1)
    size = len(distances)
    middle = np.arange(1, size - 1)
    diagonal = np.empty(size, distances.dtype)
    diagonal[0], diagonal[-1] = distances[0, 1], distances[-1, -2]
    diagonal[1:-1] = (distances[middle, middle - 1] + distances[middle, middle + 1]) / 2
    np.fill_diagonal(distances, diagonal)
    return distances
