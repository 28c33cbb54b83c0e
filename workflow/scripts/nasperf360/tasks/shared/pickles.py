"""Pickles of arrays in raw files, read without running what else a pickle may hold."""

import pickle
from typing import IO, Any

_ADMITTED = frozenset(
    {
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),  # with the next, how Python 3 writes bytes for Python 2
        ("__builtin__", "bytes"),
        *(
            (f"numpy.{core}.{module}", name)
            for core in ("core", "_core")
            for module, name in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
        ),
    }
)


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        return super().find_class(module, name)


def load_arrays(stream: IO[bytes], encoding: str) -> Any:
    """Unpickle containers, numbers, strings and numpy arrays.

    Args:
        stream: at the start of the pickle.
        encoding: of the strings of Python 2; ``bytes`` leaves them as they are.

    Raises:
        Exception: nearly any, for a damaged pickle; ``UnpicklingError`` where it asks for anything else.
    """
    return _ArrayUnpickler(stream, encoding=encoding).load()
