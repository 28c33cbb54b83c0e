"""Ours: sample spheres of the task Spherical, whole, in Mollweide projection, drawn by healpy."""

import healpy
import numpy as np
from healpy.pixelfunc import vec2pix
from healpy.projector import MollweideProj
from matplotlib.figure import Figure

NSIDE = 64  # of the HEALPix map that each sphere is resampled onto: pixels of 0.9 degrees, grid steps of 3
COLUMNS = 4
PIXELS = 400  # width of a drawn sphere


def healpix_map(sphere: np.ndarray, nside: int = NSIDE) -> np.ndarray:
    """A sphere on its Driscoll-Healy grid (C, 2b, 2b), resampled onto a HEALPix map (C, 12 nside^2), ring order.

    Bilinear in colatitude and longitude; longitude wraps around, and below the last row its values continue.
    """
    size = sphere.shape[-1]
    colatitude, longitude = healpy.pix2ang(nside, np.arange(healpy.nside2npix(nside)))
    row = np.minimum(colatitude * size / np.pi, size - 1)
    column = longitude * size / (2 * np.pi)
    top, left = np.minimum(row.astype(int), size - 2), column.astype(int)
    down, right = row - top, column - left
    left, next_left = left % size, (left + 1) % size
    upper = sphere[:, top, left] * (1 - right) + sphere[:, top, next_left] * right
    lower = sphere[:, top + 1, left] * (1 - right) + sphere[:, top + 1, next_left] * right
    return upper * (1 - down) + lower * down


def draw(images_uint8: np.ndarray, labels: np.ndarray) -> Figure:
    """Spheres (N, 3, 2b, 2b) uint8 with their labels (N,), four in a row, on a transparent ground."""
    projection = MollweideProj(xsize=PIXELS)
    rows = -(-len(images_uint8) // COLUMNS)
    figure = Figure(figsize=(1.75 * COLUMNS, 1.15 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False)
    for panel in panels.flat:
        panel.set_axis_off()
    for panel, image, label in zip(panels.flat, images_uint8, labels, strict=False):
        colours = np.stack(
            [
                np.asarray(projection.projmap(channel, lambda x, y, z: vec2pix(NSIDE, x, y, z)))
                for channel in healpix_map(image)
            ],
            axis=-1,
        )
        inside = np.isfinite(colours).all(axis=-1)  # outside the oval healpy gives minus infinity
        picture = np.zeros((*inside.shape, 4))
        picture[inside, :3] = colours[inside] / 255
        picture[inside, 3] = 1.0
        panel.imshow(picture, origin="lower", interpolation="nearest")
        panel.set_title(f"class {int(label)}", fontsize=8)
    return figure
