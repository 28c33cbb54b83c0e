"""Our reader of MATLAB's version 5 beside scipy's writer: every class of numbers, packed or not, empty arrays too."""

import struct

import numpy as np
import pytest
import scipy.io

from nasperf360.errors import DataError
from nasperf360.tasks.shared.matlab_v5 import HEADER, matrices

TYPES = ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
SHAPES = [(3, 4), (1, 1), (1, 2), (2, 3, 5), (0, 0), (0, 7)]


@pytest.mark.parametrize("packed", [False, True])
def test_arrays_of_all_types_and_shapes_are_read_as_written(tmp_path, packed):
    rng, path = np.random.default_rng(0), tmp_path / "all.mat"
    written = {
        f"a{kind}_{number}": rng.integers(0, 100, shape).astype(kind)
        for kind in TYPES
        for number, shape in enumerate(SHAPES)
    }
    scipy.io.savemat(path, written, do_compression=packed)
    found = {matrix.name: matrix.read() for matrix in matrices(path)}
    assert found.keys() == written.keys()
    for name, array in written.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("order", ["<", ">"])
def test_either_order_of_bytes(tmp_path, order):
    path = tmp_path / "one.mat"
    flags = struct.pack(order + "IIII", 6, 8, 6, 0)  # class 6: double
    shape, name = struct.pack(order + "IIii", 5, 8, 2, 1), struct.pack(order + "I4s", 1 | 1 << 16, b"x\0\0\0")
    values = struct.pack(order + "IIdd", 9, 16, 1.5, -2.0)
    body = flags + shape + name + values
    start = b" " * 124 + struct.pack(order + "HH", 0x0100, 0x4D49)
    path.write_bytes(start + struct.pack(order + "II", 14, len(body)) + body)
    assert len(start) == HEADER
    (found,) = [(matrix.name, matrix.shape, matrix.read().tolist()) for matrix in matrices(path)]
    assert found == ("x", (2, 1), [[1.5], [-2.0]])


def test_a_negative_side_is_damage(tmp_path):
    path = tmp_path / "negative.mat"
    scipy.io.savemat(path, {"x": np.zeros((3, 4))})
    raw = bytearray(path.read_bytes())
    at = raw.index(struct.pack("<ii", 3, 4), HEADER)
    raw[at : at + 4] = struct.pack("<i", -3)
    path.write_bytes(bytes(raw))
    with pytest.raises(DataError, match=r"negative\.mat: 'x' has the shape \(-3, 4\); it is damaged"):
        list(matrices(path))
