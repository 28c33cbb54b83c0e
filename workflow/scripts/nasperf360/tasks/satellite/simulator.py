"""Raw Satellite files: ``SITS1M_fold1_{TRAIN,TEST}.csv`` without header, a class 1 to 24 and 46 NDVI values per row.

A class is a shape of the growing season: its length, how fast it rises and falls, and whether it is cut in the middle.
The season begins anywhere in the year, which hides the class from a linear model.
"""

from pathlib import Path
from typing import Any

import numpy as np

from nasperf360.tasks.satellite.spec import CLASSES, DATES, SimulateSettings

ROWS = 20_000  # written at a time

LENGTHS = np.array([4.0, 8.0, 13.0, 19.0])  # dates between the half heights
SLOPES = np.array([[0.4, 2.2], [1.0, 1.0], [2.2, 0.4]])  # rise and fall, in dates
CUTS = np.array([0.0, 0.75])  # share of the crop that a harvest in mid-season takes


def simulate(
    folder: Path, options: SimulateSettings, rng: np.random.Generator
) -> list[tuple[Path, str, dict[str, Any]]]:
    """Write a training and a test file below ``SITS_2006_NDVI_C/SITS1M_fold1/``."""
    written: list[tuple[Path, str, dict[str, Any]]] = []
    for role, count in (("train", options.train), ("test", options.test)):
        path = folder / "SITS_2006_NDVI_C" / "SITS1M_fold1" / f"SITS1M_fold1_{role.upper()}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            for start in range(0, count, ROWS):
                labels = rng.choice(CLASSES, min(ROWS, count - start), p=_frequencies())
                rows = np.column_stack([labels + 1, _series(labels, rng)])
                np.savetxt(stream, rows, fmt=["%d"] + ["%.3f"] * DATES, delimiter=",")
        written.append((path, role, {}))
    return written


def _frequencies() -> np.ndarray:
    """Unbalanced classes, the rarest five times rarer than the commonest."""
    weights = 1.0 / np.sqrt(np.arange(1, CLASSES + 1))
    return weights / weights.sum()


def _series(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """NDVI (n, 46) of the classes (n,)."""
    count, dates = len(labels), np.arange(DATES)
    length = LENGTHS[labels % 4] * rng.uniform(0.88, 1.12, count)
    rise, fall = (SLOPES[labels // 4 % 3] * rng.uniform(0.8, 1.25, (count, 2))).T
    begin = rng.uniform(3.0, DATES - 3.0 - length)
    since, until = dates - begin[:, None], (begin + length)[:, None] - dates
    season = 1.0 / ((1.0 + np.exp(-since / rise[:, None])) * (1.0 + np.exp(-until / fall[:, None])))
    middle = (dates - (begin + length / 2)[:, None]) / (0.12 * length[:, None] + 0.3)
    season *= 1.0 - CUTS[labels // 12][:, None] * np.exp(-0.5 * middle**2)
    bare, height = rng.uniform(0.05, 0.25, (count, 1)), rng.uniform(0.3, 0.7, (count, 1))
    return np.clip(bare + height * season + rng.normal(0.0, 0.04, (count, DATES)), -1.0, 1.0)
