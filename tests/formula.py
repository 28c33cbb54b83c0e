"""Numbers by a formula: exact integers, so every library fills the same weights; and the fixtures in ``golden/``.

Element k (row-major) of tensor i is splitmix64 of k and i as a number in [-1, 1): see ``golden/README.md``.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).parent / "golden"


def uniform(shape: tuple[int, ...], tensor: int) -> np.ndarray:
    """Numbers of tensor ``tensor`` in [-1, 1), float64."""
    z = np.arange(int(np.prod(shape)), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = z + np.array([tensor + 1], np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(11)).astype(np.float64) / 2.0**52 - 1).reshape(shape)


def value(shape: tuple[int, ...], tensor: int, kind: str, fan_in: int | None = None, scale: float = 1.0) -> np.ndarray:
    """A weight, bias, ``beta``, ``mean``, ``gamma`` or ``var`` of a network, float32.

    Args:
        shape: of the tensor.
        tensor: its number.
        kind: one of these.
        fan_in: of a weight; that of torch, whose outputs come first, where it is not given.
        scale: of weights.
    """
    numbers = uniform(shape, tensor)
    if kind == "weight":
        fan_in = int(np.prod(shape[1:])) if fan_in is None else fan_in
        return (numbers * np.sqrt(6 / fan_in)).astype(np.float32) * np.float32(scale)
    numbers = 1 + 0.5 * numbers if kind in ("gamma", "var") else 0.1 * numbers
    return numbers.astype(np.float32)


def golden(name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays of a fixture, and what it holds as JSON."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    texts = {key: arrays.pop(key) for key in list(arrays) if arrays[key].dtype.kind == "U"}
    return arrays, {key: json.loads(str(text)) for key, text in texts.items() if key != "source"}
