"""Spherical: the projection, checked point by point and by healpy, and the data set made with it."""

from pathlib import Path

import healpy
import numpy as np
import pytest
import torch
from task_rooms import listed, simulate
from task_rooms import simulated as simulated_files
from test_cifar100 import final_error, linear, network, preprocessed

from nasperf360.data.raw import RawFiles
from nasperf360.figures.gallery_spherical import draw, healpix_map
from nasperf360.tasks.shared.task_training import task_training
from nasperf360.tasks.spherical.projection import (
    SphereSampler,
    driscoll_healy_grid,
    image_coordinates,
    project,
    random_rotations,
)

SIDE = 32
IDENTITY = np.eye(3)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> RawFiles:
    folder = tmp_path_factory.mktemp("spherical")
    return simulate("cifar100", folder, {"train": 1500, "test": 300})


def smooth_images(count: int, seed: int = 0) -> np.ndarray:
    """Images of a few waves, for which sampling twice hardly blurs."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:SIDE, :SIDE] / SIDE
    frequency, phase = rng.uniform(-1, 1, (2, count, 3, 1, 1)), rng.uniform(0, 6, (count, 3, 1, 1))
    waves = np.cos(2 * np.pi * (frequency[0] * row + frequency[1] * column) + phase)
    return (127 + 120 * waves).astype(np.uint8)


# -- geometry --------------------------------------------------------------------------------------------------------


def test_grid() -> None:
    grid = driscoll_healy_grid(30)
    assert grid.shape == (3, 60, 60)
    np.testing.assert_allclose(np.linalg.norm(grid, axis=0), 1)
    np.testing.assert_allclose(grid[:, 0].T, [[0, 0, 1]] * 60, atol=1e-12)
    np.testing.assert_allclose(grid[:, 30, 0], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(grid[:, 30, 15], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(grid[:, 30, 30], [-1, 0, 0], atol=1e-12)


def test_south_pole_is_the_centre_and_the_equator_radius_two() -> None:
    np.testing.assert_allclose(image_coordinates(np.array([0.0, 0.0, -1.0]), SIDE), [16, 16])
    row, column = image_coordinates(np.array([1.0, 0.0, 0.0]), SIDE)
    assert (row - 16) * 3 / SIDE == pytest.approx(2.001 / 1.001)
    assert column == pytest.approx(16)


def reference_sphere(image: np.ndarray, rotation: np.ndarray, bandwidth: int) -> np.ndarray:
    """One channel, point by point, with rays as vectors: an independent form of the projection."""
    sphere = np.zeros((2 * bandwidth, 2 * bandwidth))
    origin = np.array([0, 0, 2.001])
    framed = np.pad(image.astype(float), 1)
    for j in range(2 * bandwidth):
        for k in range(2 * bandwidth):
            point = healpy.ang2vec(np.pi * j / (2 * bandwidth), np.pi * k / bandwidth)
            point = np.linalg.inv(rotation) @ point + [0, 0, 1]
            ray = point - origin
            hit = origin + ray * (-origin[2] / ray[2])
            x, y = (hit[:2] + 1.5) / 3 * len(image)
            if -1 <= x < len(image) and -1 <= y < len(image):
                i, m = int(np.floor(x)) + 1, int(np.floor(y)) + 1
                u, v = x + 1 - i, y + 1 - m
                sphere[j, k] = (
                    framed[i, m] * (1 - u) * (1 - v)
                    + framed[i + 1, m] * u * (1 - v)
                    + framed[i, m + 1] * (1 - u) * v
                    + framed[i + 1, m + 1] * u * v
                )
    return sphere


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_point_by_point_projection(seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (2, 3, SIDE, SIDE), np.uint8)
    rotation = random_rotations(1, rng)[0]
    sampler = SphereSampler(rotation, driscoll_healy_grid(15), SIDE)
    expected = np.array([[reference_sphere(channel, rotation, 15) for channel in image] for image in images])
    np.testing.assert_allclose(sampler(images), expected, atol=1e-3)
    scaled = expected / expected.max(axis=(2, 3), keepdims=True) * 255  # the minimum is 0
    assert expected.min(axis=(2, 3)).max() == 0
    result = sampler.uint8(images)
    assert result.dtype == np.uint8
    assert np.abs(result - np.floor(scaled)).max() <= 1
    assert (result == np.floor(scaled)).mean() > 0.999
    assert (result.max(axis=(2, 3)) == 255).all()


def test_sampling_of_linear_ramps_is_exact() -> None:
    """Bilinear interpolation reproduces a plane inside the image; skipping or mixing pixels does not."""
    row, column = np.mgrid[:SIDE, :SIDE]
    ramp = (3 * row + 2 * column + 10).astype(np.uint8)[None, None]
    grid = driscoll_healy_grid(30)
    where = image_coordinates(grid, SIDE)
    inside = ((where >= 0) & (where <= SIDE - 1)).all(axis=0)
    assert inside.sum() > 700
    sphere = SphereSampler(IDENTITY, grid, SIDE)(ramp)[0, 0]
    np.testing.assert_allclose(sphere[inside], (3 * where[0] + 2 * where[1] + 10)[inside], rtol=1e-5)
    assert (sphere[1:25] == 0).all()  # the north but for the pole


def test_blacmand_constant_channels() -> None:
    images = np.zeros((1, 3, SIDE, SIDE), np.uint8)
    images[0, 1] = 7
    sphere = SphereSampler(IDENTITY, driscoll_healy_grid(30), SIDE).uint8(images)[0]
    assert sphere[0].max() == sphere[2].max() == 0
    assert sphere[1].max() == 255


# -- rotations, checked by healpy ------------------------------------------------------------------------------------


def test_rotations_are_uniform_rotations() -> None:
    rotations = random_rotations(20_000, np.random.default_rng(0))
    np.testing.assert_allclose(
        rotations @ rotations.transpose(0, 2, 1), np.broadcast_to(IDENTITY, rotations.shape), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(rotations), 1)
    # Every axis lands uniformly on the sphere: equal areas of HEALPix get equal counts (chi-squared, 47 degrees).
    for axis in range(3):
        pixels = healpy.vec2pix(2, *rotations[:, :, axis].T)
        counts, expected = np.bincount(pixels, minlength=48), len(rotations) / 48
        assert ((counts - expected) ** 2 / expected).sum() < 90
    # The angle of a uniform rotation has density (1 - cos) / pi, and mean pi / 2 + 2 / pi.
    angles = np.arccos(np.clip((np.trace(rotations, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert angles.mean() == pytest.approx(np.pi / 2 + 2 / np.pi, abs=0.02)


@pytest.mark.parametrize("angles", [(30, 0, 0), (0, 40, 0), (25, 70, -130), (200, 120, 45)])
def test_spheres_turn_as_healpy_turns_them(angles: tuple[float, float, float]) -> None:
    rotator = healpy.Rotator(rot=angles, eulertype="ZYZ")
    images, grid = smooth_images(2), driscoll_healy_grid(60)
    plain = SphereSampler(IDENTITY, grid, SIDE)(images)
    turned = SphereSampler(rotator.mat, grid, SIDE)(images)
    for before, after in zip(plain, turned, strict=True):
        expected = np.array([rotator.rotate_map_pixel(channel) for channel in healpix_map(before, 32)])
        assert np.corrcoef(expected.ravel(), healpix_map(after, 32).ravel())[0, 1] > 0.985


def test_a_map_of_a_sphere_is_bilinear_wraps_around_and_goes_on_below_the_last_row() -> None:
    size = 12
    row, column = np.mgrid[:size, :size].astype(float)
    by_row, by_column = healpix_map(np.stack([row, column]), 16)
    colatitude, longitude = healpy.pix2ang(16, np.arange(healpy.nside2npix(16)))
    np.testing.assert_allclose(by_row, np.minimum(colatitude * size / np.pi, size - 1), atol=1e-12)
    at = longitude * size / (2 * np.pi)
    np.testing.assert_allclose(by_column, np.where(at <= size - 1, at, (size - at) * (size - 1)), atol=1e-12)


def test_a_bright_spot_goes_where_the_rotation_sends_it() -> None:
    images = np.zeros((1, 1, SIDE, SIDE), np.uint8)
    images[0, 0, 22:25, 9:12] = 255  # centre: pixel (23, 10)
    height, width = np.array([23, 10]) / SIDE * 3 - 1.5
    rotations = random_rotations(20, np.random.default_rng(5))
    origin = np.array([0, 0, 2.001])
    # The ray to that point of the plane meets the sphere around (0, 0, 1) first when it enters near its top.
    ray = np.array([height, width, 0]) - origin
    a, b, c = ray @ ray, 2 * ray @ (origin - [0, 0, 1]), (origin - [0, 0, 1]) @ (origin - [0, 0, 1]) - 1
    start = origin + ray * (-b + np.sqrt(b * b - 4 * a * c)) / (2 * a) - [0, 0, 1]
    for rotation in rotations:
        sphere = SphereSampler(rotation, driscoll_healy_grid(60), SIDE)(images)[0]
        pixels = healpix_map(sphere, 32)[0]
        centre = np.array(healpy.pix2vec(32, np.arange(len(pixels)))) @ pixels
        assert np.rad2deg(healpy.rotator.angdist(centre / np.linalg.norm(centre), rotation @ start)) < 1.5


# -- the data set ----------------------------------------------------------------------------------------------------


def test_round_trip_at_true_shape(simulated: RawFiles, tmp_path: Path) -> None:
    options = {"train": 40, "test": 10}
    raw = listed("cifar100", tmp_path, simulated_files("cifar100", tmp_path, options, np.random.default_rng(0)))
    data = preprocessed(raw, tmp_path / "spherical.h5", "spherical")
    assert [len(data.split(name)) for name in ("train", "valid", "test")] == [32, 8, 10]
    x = data.split("train").load("x")
    assert (x.shape[1:], x.dtype) == ((3, 60, 60), np.uint8)
    planar = preprocessed(raw, tmp_path / "cifar100.h5")
    np.testing.assert_array_equal(data.split("valid").load("y"), planar.split("valid").load("y"))
    # One rotation for all at the published setting: the same points are outside the image.
    everywhere_black = (x == 0).all(axis=(0, 1))
    assert 0.5 < everywhere_black.mean() < 0.8
    inputs = task_training("spherical").inputs({"x": torch.from_numpy(x)})
    assert inputs.dtype == torch.float32
    assert inputs.max() == 255
    singly = preprocessed(raw, tmp_path / "singly.h5", "spherical", images_per_rotation=1)
    assert (singly.split("train").load("x") == 0).all(axis=(0, 1)).mean() < 0.1


def test_rotation_depends_on_the_index_in_the_raw_file_alone() -> None:
    images, rotations = smooth_images(50), random_rotations(8, np.random.default_rng(0))
    whole = project(images, rotations, 7, 8, 0, 50)
    parts = [project(images, rotations, 7, 8, low, high) for low, high in ((0, 3), (3, 21), (21, 22), (22, 50))]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    grid = driscoll_healy_grid(8)
    np.testing.assert_array_equal(whole[20:21], SphereSampler(rotations[2], grid, SIDE).uint8(images[20:21]))
    np.testing.assert_array_equal(whole[21:22], SphereSampler(rotations[3], grid, SIDE).uint8(images[21:22]))


def test_real_images(samples: Path, tmp_path: Path) -> None:
    name = "cifar-100-python.tar.gz"
    (tmp_path / name).write_bytes((samples / "cifar100" / name).read_bytes())
    data = preprocessed(
        listed("cifar100", tmp_path, [(tmp_path / name, "archive", {})]), tmp_path / "spherical.h5", "spherical"
    )
    assert [len(data.split(split)) for split in ("train", "valid", "test")] == [84, 21, 105]
    assert (data.split("test").load("x").max(axis=(2, 3)) == 255).all()


@pytest.mark.slow
def test_a_small_network_learns_and_a_linear_one_does_not(simulated: RawFiles, tmp_path: Path) -> None:
    data = preprocessed(simulated, tmp_path / "spherical.h5", "spherical", bandwidth=16, images_per_rotation=1)
    torch.manual_seed(0)
    error = final_error(data, network(12))
    assert 15 < error < 92  # chance is 99
    assert final_error(data, linear(3 * 32 * 32)) > max(92, error)


def test_gallery_draws_the_spheres() -> None:
    rotations = random_rotations(5, np.random.default_rng(0))
    figure = draw(project(smooth_images(5), rotations, 1, 30, 0, 5), np.arange(5))
    pictures = [panel.get_images()[0].get_array() for panel in figure.axes if panel.get_images()]
    assert len(pictures) == 5
    oval = pictures[0][..., 3].mean()
    assert oval == pytest.approx(np.pi / 4, abs=0.02)
    # Areas are kept: the projected image covers about the cap's share of the sphere.
    lit = (pictures[0][..., :3].max(axis=-1) > 0).mean() / oval
    assert 0.3 < lit < 0.5
