"""Cosmic from tiles in deepCR's layout.

Stored: ``x`` image in electrons (1, c, c) float32, ``y`` mask and ``ignore`` (bad pixels), both (1, c, c) uint8, and
``sky``, the level of the exposure in electrons (0 where unknown). Raw files:
``npy_{train,test}/<filter>/<proposal>/<visit>/<exposure>_<tile>.npy``, roles ``train`` and ``test``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFile, RawFiles
from nasperf360.data.reading import each
from nasperf360.errors import DataError, UserError
from nasperf360.tasks.cosmic.spec import FILTER, GALAXIES, PreprocessSettings
from nasperf360.tasks.shared.arrays import read_npy


def preprocess(raw: RawFiles, writer: DatasetWriter, options: PreprocessSettings) -> None:
    """Central ``crop`` x ``crop`` pixels of each galaxy tile; the first 90 % by path train, the rest validate."""
    crop = options.crop
    tiles = galaxy_tiles(raw, "train")
    tests = galaxy_tiles(raw, "test")
    # All headers, before the work; a map kept of each would be an open file of each.
    each([file.path for file in tiles + tests], lambda path: open_tile(path).shape)
    cut = len(tiles) * 9 // 10
    skies = {file.relative: file for role in ("train", "test") for file in raw.all(role) if is_sky(file)}
    for name, files in (("train", tiles[:cut]), ("valid", tiles[cut:]), ("test", tests)):
        shape = (1, crop, crop)
        split = writer.split(
            name,
            x=(shape, "float32"),
            y=(shape, "uint8"),
            ignore=(shape, "uint8"),
            sky=((), "float32"),
            classes=2,
            source=raw.manifest,
        )
        hits = 0
        for file in files:
            tile = {**read_tile(file.path, crop), "sky": sky_level(file, skies)}
            hits += int(tile["y"].sum())
            split.append(source=file.path, **{field: values[None] for field, values in tile.items()})
        if files and not hits:
            raise DataError(f"{files[0].path.parent}: no cosmic ray in any tile of the split '{name}'")


def is_sky(file: RawFile) -> bool:
    """Whether it holds the sky levels of a visit."""
    return file.path.name == "sky.npy"


def galaxy_tiles(raw: RawFiles, role: str) -> list[RawFile]:
    """Tiles of resolved galaxies in the filter used, sorted by path.

    Raises:
        DataError: there is none.
    """

    def chosen(file: RawFile) -> bool:
        parts = file.relative.split("/")
        return len(parts) > 3 and parts[-4] == FILTER and "_".join(parts[-3:-1]) in GALAXIES and not is_sky(file)

    arrays = raw.all(role, "*.npy")
    tiles = [file for file in arrays if chosen(file)]
    if not tiles:
        raise DataError(
            f"{arrays[0].path}: neither this nor another file of role '{role}' is a galaxy tile "
            f"{FILTER}/<proposal>/<visit>/<k>_<n>.npy"
        )
    return tiles


def open_tile(path: Path) -> np.ndarray:
    """Planes (2 or 3, H, W) of a tile, mapped rather than read.

    Raises:
        DataError: truncated, or no tile.
    """
    planes = read_npy(path)
    if planes.ndim != 3 or planes.shape[0] not in (2, 3):
        raise DataError(f"{path}: shape {planes.shape}, expected (3, H, W)")
    return planes


def read_tile(path: Path, crop: int) -> dict[str, Any]:
    """Image, mask and ignore mask of a tile (2 or 3, H, W), cropped at its centre; two planes: nothing is ignored."""
    planes = open_tile(path)
    if min(planes.shape[1:]) < crop:
        raise UserError(f"{path}: shape {planes.shape} is smaller than preprocess.cosmic.crop, {crop}; lower it")
    row, column = ((side - crop) // 2 for side in planes.shape[1:])
    planes = np.array(planes[:, row : row + crop, column : column + crop])
    for kind, plane in zip(("mask", "ignore mask"), planes[1:], strict=False):
        if not np.isin(plane, (0, 1)).all():
            raise DataError(f"{path}: its {kind} holds values other than 0 and 1")
    masks = planes[1:].astype(np.uint8)
    ignore = masks[1:2] if len(masks) == 2 else np.zeros_like(masks[:1])
    return {"x": planes[:1].astype(np.float32), "y": masks[:1], "ignore": ignore}


def sky_level(tile: RawFile, skies: Mapping[str, RawFile]) -> np.float32:
    """Sky of a tile's exposure: entry k - 1 of the visit's ``sky.npy``, or 0 where there is no such file."""
    folder, _, name = tile.relative.rpartition("/")
    file = skies.get(f"{folder}/sky.npy")
    if file is None:
        return np.float32(0)
    levels, exposure = read_npy(file.path), name.split("_")[0]
    if levels.ndim != 1 or not exposure.isdigit() or not 1 <= int(exposure) <= len(levels):
        raise DataError(
            f"{file.path}: shape {levels.shape} holds no sky level for exposure '{exposure}' of {tile.path}"
        )
    return np.float32(levels[int(exposure) - 1])
