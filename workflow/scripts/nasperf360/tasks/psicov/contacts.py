"""Which pairs of residues PSICOV's metric looks at."""

import numpy as np

CONTACT = 8.0  # Angstrom
LONG_RANGE = 24  # residues apart along the chain


def long_range_contacts(distances: np.ndarray) -> np.ndarray:
    """Which pairs (row, column) of a map count: column - row >= 24 and at most 8 A apart."""
    return np.triu(distances <= CONTACT, LONG_RANGE)
