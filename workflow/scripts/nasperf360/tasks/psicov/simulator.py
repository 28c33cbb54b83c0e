"""Proteins as confined walks in space, with features that tell of their contacts, in PDNET's layout."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from nasperf360.tasks.psicov.spec import SimulateSettings

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
HYDROPHOBIC = np.array([residue in "AFILMVWY" for residue in RESIDUES])
BOND = 5.5  # Angstrom between C-beta atoms of neighbours, as the real maps have it
NEAREST = 4.0  # Angstrom, between others
CANDIDATES = 24  # directions tried at each step


def simulate(
    folder: Path, options: SimulateSettings, rng: np.random.Generator
) -> list[tuple[Path, str, dict[str, Any]]]:
    """Write ``{deepcov,psicov}.lst``, ``<set>/features/<id>.pkl`` and ``<set>/distance/<id>-cb.npy``."""
    shortest, longest = options.length
    written: list[tuple[Path, str, dict[str, Any]]] = []
    start = 0
    for group, count in (("deepcov", options.deepcov), ("psicov", options.psicov)):
        for kind in ("features", "distance"):
            (folder / group / kind).mkdir(parents=True)
        ids = [protein_id(number) for number in range(start, start + count)]
        start += count
        (folder / f"{group}.lst").write_text("".join(f"{name}\n" for name in ids), encoding="utf-8")
        written.append((folder / f"{group}.lst", "proteins", {}))
        for name in ids:
            places = fold(int(rng.integers(shortest, longest + 1)), rng)
            features, content = describe(places, rng)
            path = folder / group / "features" / f"{name}.pkl"
            path.write_bytes(pickle.dumps(features, protocol=2))
            target = folder / group / "distance" / f"{name}-cb.npy"
            np.save(target, content, allow_pickle=True)
            written += [(path, "proteins", {}), (target, "proteins", {})]
    return written


def protein_id(number: int) -> str:
    """An id such as ``1abcA``: a PDB code and a chain, different for each number below 158,184."""
    letters = "".join(chr(ord("a") + number // 26**power % 26) for power in (2, 1, 0))
    return f"{1 + number // 26**3}{letters}A"


def fold(length: int, rng: np.random.Generator) -> np.ndarray:
    """A compact chain (length, 3) in Angstrom: each step takes the best of random directions.

    Better is straighter, inside the radius of a globule of that many residues, and away from earlier residues.
    """
    radius = 2.2 * length**0.38 * 1.3
    places = np.zeros((length, 3))
    direction = np.array([1.0, 0.0, 0.0])
    places[0] = rng.normal(0, radius / 3, 3)
    for index in range(1, length):
        steps = direction + rng.normal(0, 0.8, (CANDIDATES, 3))
        steps /= np.linalg.norm(steps, axis=1, keepdims=True)
        tried = places[index - 1] + BOND * steps
        gaps = np.linalg.norm(tried[:, None] - places[:index], axis=2)
        overlap = np.maximum(0, NEAREST + 1 - gaps).sum(axis=1)
        outside = np.maximum(0, np.linalg.norm(tried, axis=1) - radius)
        best = np.argmin(overlap + outside - 0.3 * steps @ direction)
        places[index], direction = tried[best], steps[best]
    return places


def describe(places: np.ndarray, rng: np.random.Generator) -> tuple[dict[str, Any], np.ndarray]:
    """Features of a chain, and the object array (length, sequence, distance map) that PDNET saves; arrays float16."""
    length = len(places)
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    burial = (distances < 10).sum(axis=1) / 10
    exposure = np.clip(1.2 - burial / burial.max() + rng.normal(0, 0.1, length), 0, 1)

    preference = rng.normal(0, 1, (length, 20)) + 2.5 * np.where(HYDROPHOBIC, 0.5 - exposure[:, None], 0)
    frequencies = np.exp(2 * preference)
    frequencies /= frequencies.sum(axis=1, keepdims=True)
    letters = frequencies.argmax(axis=1)
    entropy = -(frequencies * np.log(frequencies)).sum(axis=1) / np.log(20)
    pssm = np.column_stack([frequencies, rng.uniform(0, 0.2, length), 3 * (1 - entropy)])

    turns = np.pad(np.diagonal(distances, 3), (1, 2), mode="edge")  # from one residue to the third after it
    kinds = np.stack([turns < 9, turns > 13, (turns >= 9) & (turns <= 13)]).astype(float)

    separated = np.abs(np.subtract.outer(np.arange(length), np.arange(length))) >= 3
    contact = np.exp(-((distances / 8) ** 2)) * separated

    def noise(scale: float) -> np.ndarray:
        half = np.triu(rng.normal(0, scale, (length, length)), 1)
        return half + half.T

    hydrophobic = HYDROPHOBIC[letters].astype(float)
    maps = {
        "ccmpred": np.abs(0.35 + 2.5 * contact * rng.uniform(0.3, 1) + noise(0.15)) * (1 - np.eye(length)),
        "freecon": 3 * contact * rng.uniform(0.3, 1) + noise(0.5),
        "potential": 0.3 - 0.6 * np.outer(hydrophobic, hydrophobic) + noise(0.1),
    }
    sequence = "".join(RESIDUES[letter] for letter in letters)
    features = {
        "seq": sequence,
        **{
            key: values.astype(np.float16)
            for key, values in {"ss": kinds, "pssm": pssm, "sa": exposure, "entropy": entropy, **maps}.items()
        },
    }
    content = np.empty(3, object)
    content[:] = length, sequence, distances.astype(np.float16)
    return features, content
