"""Seeds derived by name, so that adding a task, a method or a seed never shifts another's random stream."""

import hashlib

import numpy as np


def derive_seed(*names: str | int) -> int:
    """A 63-bit seed for the given names, e.g. ``derive_seed("ecg", "wrn-default", 0, "retrain")``."""
    text = "/".join(str(name) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*names: str | int) -> np.random.Generator:
    """A numpy generator seeded by :func:`derive_seed`."""
    return np.random.default_rng(derive_seed(*names))
