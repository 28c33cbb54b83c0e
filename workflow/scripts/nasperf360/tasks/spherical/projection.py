"""Planar images seen on a sphere: stereographic projection onto a Driscoll-Healy grid.

The unit sphere rests on the image plane with its south pole. A ray from just above the north pole through a point of
the sphere hits the plane where that point's colour lies; points whose ray misses the image are black. Parameters as in
the MNIST generator of Cohen et al. (2018) that the reference data were made with (facts of its code; sampling is
corrected to bilinear).
"""

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial.transform import Rotation

HALF_SIDE = 1.5  # the image covers [-1.5, 1.5]^2 of the plane; the equator falls on radius 2
RAY_ORIGIN = 2.0 + 1e-3  # height above the plane


def driscoll_healy_grid(bandwidth: int) -> np.ndarray:
    """Unit vectors (3, 2b, 2b) at colatitudes pi j / 2b (rows) and longitudes pi k / b (columns)."""
    steps = np.arange(2 * bandwidth)
    colatitude, longitude = np.meshgrid(np.pi * steps / (2 * bandwidth), np.pi * steps / bandwidth, indexing="ij")
    return np.stack(
        [np.sin(colatitude) * np.cos(longitude), np.sin(colatitude) * np.sin(longitude), np.cos(colatitude)]
    )


def random_rotations(count: int, rng: np.random.Generator) -> np.ndarray:
    """Rotation matrices (count, 3, 3), uniform on SO(3): directions of normal 4-vectors are uniform quaternions."""
    return Rotation.from_quat(rng.standard_normal((count, 4))).as_matrix()


def image_coordinates(points: np.ndarray, side: int) -> np.ndarray:
    """Where the rays through points (3, ...) of the sphere hit the image: row and column (2, ...), in pixels.

    The first coordinate of the plane runs along the rows. Pixel i is at coordinate i. Rays within 0.001 radians of
    the north pole pass it and hit the image too, as published; hardly a point of a rotated grid is so near.
    """
    height = points[2] + 1.0
    plane = points[:2] * (RAY_ORIGIN / (RAY_ORIGIN - height))
    return (plane / HALF_SIDE + 1.0) * (side / 2.0)


class SphereSampler:
    """Samples square images on the grid of one rotation; the coordinates are computed once for all of them.

    Args:
        rotation: matrix (3, 3); it turns the pattern on the sphere: the direction v of the unrotated sphere goes to
            ``rotation @ v``.
        grid: unit vectors (3, 2b, 2b), see :func:`driscoll_healy_grid`.
        side: pixels along a side of the images.
    """

    def __init__(self, rotation: np.ndarray, grid: np.ndarray, side: int):
        self.shape, self.side = grid.shape[1:], side
        # The transposed matrix tells where each point of the grid was before the rotation.
        row, column = image_coordinates(rotation.T @ grid.reshape(3, -1), side)
        # Beyond the border all is black, and values fall off to it over one pixel: images get a black frame.
        self.seen = np.flatnonzero((row >= -1) & (row < side) & (column >= -1) & (column < side))
        row, column = row[self.seen] + 1.0, column[self.seen] + 1.0
        top, left = row.astype(np.int32), column.astype(np.int32)
        down, right = row - top, column - left
        framed = side + 2
        first = top * framed + left
        corners = np.stack([first, first + 1, first + framed, first + framed + 1], axis=1)
        up = 1.0 - down
        weights = np.stack([up - up * right, up * right, down - down * right, down * right], axis=1)
        ends = np.arange(0, 4 * len(self.seen) + 1, 4, dtype=np.int32)
        self.weights = csr_matrix(
            (weights.ravel().astype(np.float32), corners.ravel(), ends), shape=(len(self.seen), framed * framed)
        )

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Spheres of images (N, C, side, side) with values >= 0: float32 (N, C, 2b, 2b), unscaled."""
        spheres = np.zeros((len(images) * images.shape[1], self.shape[0] * self.shape[1]), np.float32)
        spheres[:, self.seen] = self._sample(images).T
        return spheres.reshape(*images.shape[:2], *self.shape)

    def uint8(self, images: np.ndarray) -> np.ndarray:
        """The same, each channel of each image brought to 0 ... 255 by its minimum and maximum, and truncated.

        Nearly all of the northern half misses the image, so the minimum is zero. A black channel stays so.
        """
        values = self._sample(images)
        highest = values.max(axis=0, initial=0.0)
        values /= np.where(highest > 0, highest, 1.0)
        values *= 255.0
        spheres = np.zeros((values.shape[1], self.shape[0] * self.shape[1]), np.uint8)
        spheres[:, self.seen] = values.astype(np.uint8).T
        return spheres.reshape(*images.shape[:2], *self.shape)

    def _sample(self, images: np.ndarray) -> np.ndarray:
        """Values (points inside the image, N * C)."""
        count, framed = len(images) * images.shape[1], self.side + 2
        pixels = np.zeros((framed, framed, count), np.float32)
        pixels[1:-1, 1:-1] = images.reshape(count, self.side, self.side).transpose(1, 2, 0)
        return self.weights @ pixels.reshape(-1, count)


def project(
    images: np.ndarray, rotations: np.ndarray, images_per_rotation: int, bandwidth: int, first: int, stop: int
) -> np.ndarray:
    """Spheres of ``images[first:stop]``, where image i is turned by ``rotations[i // images_per_rotation]``.

    Returns:
        uint8 (stop - first, C, 2b, 2b).
    """
    grid = driscoll_healy_grid(bandwidth)
    spheres = np.empty((stop - first, images.shape[1], *grid.shape[1:]), np.uint8)
    for turn in range(first // images_per_rotation, -(-stop // images_per_rotation)):
        low = max(first, turn * images_per_rotation)
        high = min(stop, (turn + 1) * images_per_rotation)
        spheres[low - first : high - first] = SphereSampler(rotations[turn], grid, images.shape[-1]).uint8(
            images[low:high]
        )
    return spheres
