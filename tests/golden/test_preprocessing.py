"""What tasks make of raw data against what the reference code makes of them."""

import numpy as np
import pytest
from reference import load

from formula import uniform
from nasperf360.tasks.ecg.data import window_table
from nasperf360.tasks.fsd50k.log_mel import log_mel
from nasperf360.tasks.psicov.data import CLIP, FAR, window
from nasperf360.tasks.psicov.proteins import Protein, feature_maps, smooth_distances
from nasperf360.tasks.satellite.data import standardise
from nasperf360.tasks.spherical.projection import SphereSampler, driscoll_healy_grid, image_coordinates


def test_ecg_windows():
    fixture = load("task_ecg_windows")
    lengths, labels = fixture["lengths"], fixture["labels"]
    records = [(200 * uniform((length,), 20 + i)).astype(np.int16) for i, length in enumerate(lengths)]
    record, start = window_table(lengths, labels, np.arange(len(lengths)), window=1000, stride=500)
    assert (record == fixture["window_pid"]).all()
    assert (labels[record] == fixture["window_label"]).all()
    windows = np.stack([records[i][first : first + 1000] for i, first in zip(record, start, strict=True)])
    mean, deviation = (np.array([getattr(each, name)() for each in records]) for name in ("mean", "std"))
    assert mean == pytest.approx(fixture["mean"], rel=1e-5)
    assert deviation == pytest.approx(fixture["std"], rel=1e-5)
    windows = (windows - mean[record, None]) / deviation[record, None]
    for name, part in (("first", windows[:, 0]), ("last", windows[:, -1]), ("middle", windows[:, ::100])):
        assert part == pytest.approx(fixture[name], rel=1e-5, abs=1e-6)


def test_satellite():
    fixture = load("task_satellite")
    assert standardise(fixture["raw"].astype(np.float64)) == pytest.approx(fixture["z"], rel=1e-5, abs=1e-5)


def test_psicov_features():
    fixture, length = load("task_psicov_features"), 30
    sequence = [uniform((3, length), 60), 5 * uniform((length, 22), 61).T]
    sequence += [uniform((length,), number)[None] for number in (62, 63)]
    pairs = np.stack([uniform((length, length), number) for number in (64, 65, 66)])
    distances = 12 + 12.5 * uniform((length, length), 67)
    distances = (distances + distances.T) / 2
    protein = Protein(*(each.astype(np.float32) for each in (np.concatenate(sequence), pairs, distances)))
    x = window(feature_maps(protein), 48, (0, 0), 0.0)
    assert x[:, 3:12, 4:20] == pytest.approx(fixture["x_part"], rel=1e-5, abs=1e-6)
    sums = x.sum((1, 2), dtype=np.float64)
    assert sums == pytest.approx(fixture["x_sums"], abs=1e-5 * float(np.abs(fixture["x_sums"]).max()))
    smooth = smooth_distances(protein.distances.copy())[None]
    assert window(np.minimum(smooth, CLIP), 48, (0, 0), CLIP) == pytest.approx(fixture["y16"], rel=1e-5)
    assert window(smooth, 48, (0, 0), FAR) == pytest.approx(fixture["y"], rel=1e-5)


def test_log_mel():
    """In decibels; torchaudio's bands by a formula, librosa's decibels for real."""
    fixture, time = load("pre_logmel"), np.arange(22050)
    signal = 0.3 * uniform((22050,), 80) * np.linspace(0, 1, 22050) + 0.2 * np.sin(0.11 * time)
    patch = log_mel(signal.astype(np.float32)[None], 22050, n_mels=96, hop=220)[0]
    assert np.abs(patch[::3, ::4] - fixture["y"]).max() < 1e-5 * np.abs(fixture["y"]).max()
    assert patch.std() == pytest.approx(fixture["y_std"], rel=1e-5)


def test_sphere():
    """Rays hit the image where they do in the reference, given the transposed rotation."""
    fixture, side = load("pre_spherical"), 32
    grid = driscoll_healy_grid(30)
    turned = np.einsum("ij,jab->iab", fixture["rotation"].astype(np.float64), grid)
    row, column = image_coordinates(turned, side) / side
    for ours, theirs in ((row, fixture["rx"]), (column, fixture["ry"])):
        inside = np.abs(theirs) < 2  # far from the image both go to infinity
        assert inside.sum() > 500
        assert ours[inside] == pytest.approx(theirs[inside], rel=1e-5, abs=1e-5)
    image = np.zeros((1, 1, side, side))
    image[0, 0] = np.arange(side)[:, None] + 1  # a sphere of it shows the row that a ray hits
    shown = SphereSampler(fixture["rotation"].T.astype(np.float64), grid, side)(image)[0, 0]
    inside = (row > 0) & (row < 1 - 1 / side) & (column > 0) & (column < 1 - 1 / side)
    assert inside.sum() > 200
    assert shown[inside] == pytest.approx(row[inside] * side + 1, rel=1e-4)
