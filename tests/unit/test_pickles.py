"""Arrays in pickles as numpy of Python 2 and of today writes them: every type, order of bytes and order of axes."""

import io
import pickle

import numpy as np
import pytest

from nasperf360.tasks.shared.pickles import load_arrays

TYPES = ["?", "b1", "i1", "<i2", ">i2", "<u4", ">u4", "<i8", ">f4", "<f8", ">f8", "<f2", "S5", "<U3", ">U3", "O"]
VALUES = np.arange(6).reshape(2, 3)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("kind", TYPES)
def test_what_was_written_is_read(kind, protocol):
    values = VALUES.astype(np.dtype(kind))
    for written in (values, np.asfortranarray(values), values[:0], values[0, 0]):
        if kind == "O" and not isinstance(written, np.ndarray):
            continue
        found = load_arrays(io.BytesIO(pickle.dumps({"x": written}, protocol)), "latin-1")["x"]
        assert np.asarray(found).dtype.newbyteorder("=") == np.asarray(written).dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, written)


def test_a_number_that_is_an_object_is_refused():
    content = pickle.dumps(np.float64(1.0), 2).replace(b"f8", b"O8")
    with pytest.raises(pickle.UnpicklingError):
        load_arrays(io.BytesIO(content), "latin-1")
