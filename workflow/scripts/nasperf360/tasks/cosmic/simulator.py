"""Hubble-like images of galaxies with stars and cosmic rays, in deepCR's layout."""

from pathlib import Path
from typing import Any

import numpy as np

from nasperf360.tasks.cosmic.spec import FILTER, GALAXIES, SimulateSettings

TEST_VISITS = 9  # the last of the table
EXPOSURES = 4  # per visit
READ_NOISE = 5.0  # electrons
RAYS = 0.01  # tracks per pixel: denser than on orbit, so that few small tiles hold enough of them
STARS, DISKS = 0.002, 0.0006  # per pixel
BAD_PIXELS = 0.002


def simulate(
    folder: Path, options: SimulateSettings, rng: np.random.Generator
) -> list[tuple[Path, str, dict[str, Any]]]:
    """Write ``npy_{train,test}/f435w/<proposal>/<visit>/<exposure>_<tile>.npy`` and a ``sky.npy`` per visit."""
    written: list[tuple[Path, str, dict[str, Any]]] = []
    visits = {"train": (options.train, GALAXIES[:-TEST_VISITS]), "test": (options.test, GALAXIES[-TEST_VISITS:])}
    for role, (count, keys) in visits.items():
        # Visits in turn: contiguous blocks of tiles, nearly equal in number.
        for key, numbers in zip(keys, np.array_split(np.arange(count), len(keys)), strict=True):
            if not len(numbers):
                continue
            visit = folder / f"npy_{role}" / FILTER / Path(*key.split("_"))
            visit.mkdir(parents=True)
            sky = rng.uniform(10, 60, EXPOSURES).astype(np.float32)
            np.save(visit / "sky.npy", sky)
            written.append((visit / "sky.npy", role, {}))
            for index in range(len(numbers)):
                exposure, tile = index % EXPOSURES, index // EXPOSURES
                path = visit / f"{exposure + 1}_{tile}.npy"
                np.save(path, draw_tile(options.tile, float(sky[exposure]), rng, options.ray_width))
                written.append((path, role, {}))
    return written


def draw_tile(side: int, sky: float, rng: np.random.Generator, ray_width: int = 1) -> np.ndarray:
    """Image (electrons), cosmic-ray mask and ignore mask: (3, side, side) float32.

    Stars and galaxies went through the telescope's optics, cosmic rays did not: they are as bright but sharper, and
    thin. Brightness alone does not tell them apart.
    """
    light = sky + stars(side, rng) + disks(side, rng)
    rays = thickened(tracks(side, rng), ray_width)
    noise = np.sqrt(light + READ_NOISE**2)
    image = light + rays + noise * rng.standard_normal((side, side))
    mask = rays > 2 * noise
    bad = rng.random((side, side)) < BAD_PIXELS
    image[bad] = rng.choice([0.0, 1000.0], int(bad.sum()))
    return np.stack([image, mask, bad]).astype(np.float32)


def stars(side: int, rng: np.random.Generator) -> np.ndarray:
    """Point sources seen with a Gaussian point spread function of 1.2 pixels."""
    count = rng.poisson(STARS * side**2)
    y, x = rng.uniform(0, side, (2, count, 1))
    flux = np.exp(rng.normal(7.5, 1, count))
    pixels = np.arange(side)
    rows, columns = (np.exp(-((pixels - centre) ** 2) / (2 * 1.2**2)) for centre in (y, x))
    return np.einsum("n,ni,nj->ij", flux / (2 * np.pi * 1.2**2), rows, columns)


def disks(side: int, rng: np.random.Generator) -> np.ndarray:
    """Galaxies: inclined exponential disks."""
    count = rng.poisson(DISKS * side**2)
    centre = rng.uniform(0, side, (2, count, 1, 1))
    low, high = np.array([[0, 0.2, 2], [np.pi, 1, 8]])  # angle, axis ratio, scale length in pixels
    angle, axis_ratio, scale = np.moveaxis(rng.uniform(low, high, (count, 1, 1, 3)), -1, 0)
    peak = np.exp(rng.normal(4, 1, (count, 1, 1)))
    dy, dx = np.arange(side)[:, None] - centre[0], np.arange(side) - centre[1]
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    return (peak * np.exp(-np.hypot(along, across / axis_ratio) / scale)).sum(axis=0)


def tracks(side: int, rng: np.random.Generator) -> np.ndarray:
    """Electrons left by cosmic rays: straight tracks one pixel wide, most of them short."""
    count = rng.poisson(RAYS * side**2)
    start = rng.uniform(0, side, (2, count, 1))
    angle = rng.uniform(0, 2 * np.pi, (count, 1))
    length = 1 + rng.exponential(5, (count, 1))
    per_pixel = np.exp(rng.normal(6, 0.7, (count, 1)))
    step = np.arange(0, 40, 0.25)
    points = start + step * np.stack([np.sin(angle), np.cos(angle)])
    row, column = np.floor(points).astype(int)
    inside = (step <= length) & (row >= 0) & (row < side) & (column >= 0) & (column < side)
    deposit = np.broadcast_to(per_pixel * 0.25, inside.shape)
    image = np.zeros((side, side))
    np.add.at(image, (row[inside], column[inside]), deposit[inside])
    return image


def thickened(rays: np.ndarray, width: int) -> np.ndarray:
    """Tracks one pixel wide (side, side) made ``width`` pixels wide, down and to the right, as bright as before."""
    side, wide = len(rays), rays.copy()
    for down, right in np.ndindex(width, width):
        part = wide[down:, right:]
        np.maximum(part, rays[: side - down, : side - right], out=part)
    return wide
