"""Pickles of arrays in raw files, read without running what else a pickle may hold.

Nothing that a pickle names is called. In the place of numpy's functions stand ours, which take known types of numbers
and strings and the raw bytes of arrays, and check that they fit together: numpy itself ends the process at some forged
types. They outlive the pickle, so it can call them and set nothing of them.
"""

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from gzip import GzipFile
from pathlib import Path
from typing import IO, Any

import numpy as np

from nasperf360.data.reading import in_words
from nasperf360.errors import DataError

_CODES = re.compile("b1|[iu][1248]|f[248]|[SU][0-9]{1,6}|O8?")
_ORDERS = frozenset("<>|=")
_STRINGS = "SU"
_FREE_OPCODES = 1000  # a pickle may number its objects from anywhere, but not allocate memory by a number


class _Named:
    """What a pickle may call by its name. A plain function would let it set attributes, its defaults among them."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]):
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it sets attributes of a function, which no array needs")


class _Array(np.ndarray):
    """An array that is filled by a pickle, once its parts fit together."""

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        _check_fit(content, _shape(shape), kind)
        filled: Any = super().__setstate__
        filled((1, _shape(shape), kind.dtype, bool(fortran), content))


class _Type:
    """A numpy type as pickles build it: by its code, then by a state with its order of bytes."""

    def __init__(self, code: Any, *_: Any):
        text = code.decode("ascii") if isinstance(code, bytes) else code
        if not isinstance(text, str) or not _CODES.fullmatch(text):
            raise pickle.UnpicklingError(f"it asks for values of type {str(code)[:40]!r}")
        self.dtype: Any = np.dtype(text)

    def __setstate__(self, state: Any) -> None:
        _, order, *fields, size, alignment, flags = state
        order = order.decode("ascii") if isinstance(order, bytes) else order
        plain = (self.dtype.itemsize, self.dtype.alignment) if self.dtype.kind in _STRINGS else (-1, -1)
        known = flags in (0, 63) if self.dtype.hasobject else flags in (0, 8)
        if len(state) != 8 or order not in _ORDERS or fields != [None] * 3 or (size, alignment) != plain or not known:
            raise pickle.UnpicklingError("it describes a type that is none of numbers or strings")
        self.dtype = self.dtype.newbyteorder(order)


@_Named
def _array(*_: Any) -> None:
    """Stands for the class of arrays, which pickles name but never call."""
    raise pickle.UnpicklingError("it makes an array of nothing")


@_Named
def _reconstruct(subtype: Any, shape: Any, code: Any) -> _Array:
    if subtype is not _array:
        raise pickle.UnpicklingError("it asks for an array of an unknown kind")
    return _Array((0,), np.int8)


@_Named
def _frombuffer(content: Any, kind: _Type, shape: Any, order: str) -> np.ndarray:
    _check_fit(content, _shape(shape), kind)
    return np.frombuffer(content, kind.dtype).reshape(_shape(shape), order="F" if order == "F" else "C")


@_Named
def _scalar(kind: _Type, content: Any) -> Any:
    _check_fit(content, (), kind)
    if kind.dtype.hasobject:
        raise pickle.UnpicklingError("it asks for a number that is an object")
    return np.frombuffer(content, kind.dtype)[0]


@_Named
def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for the encoding {str(encoding)[:40]!r}")
    return text.encode("latin-1")


@_Named
def _no_bytes() -> bytes:
    return b""


def _shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or not all(type(side) is int and side >= 0 for side in shape):
        raise pickle.UnpicklingError("it describes an array without a shape")
    return shape


def _check_fit(content: Any, shape: tuple[int, ...], kind: Any) -> None:
    """Refuse a type, a shape and a content that do not belong together."""
    if not isinstance(kind, _Type):
        raise pickle.UnpicklingError("it describes an array without a type")
    wanted = list if kind.dtype.hasobject else bytes | bytearray
    if not isinstance(content, wanted):
        raise pickle.UnpicklingError("it describes an array without values")
    size = math.prod(shape) * (1 if kind.dtype.hasobject else kind.dtype.itemsize)
    if len(content) != size:
        raise pickle.UnpicklingError(f"it has {len(content)} values for an array of {size}")


_ADMITTED: dict[tuple[str, str], _Named] = {
    ("numpy", "ndarray"): _array,
    ("numpy", "dtype"): _Named(_Type),
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    **{
        (f"numpy.{core}.{module}", name): function
        for core in ("core", "_core")
        for module, name, function in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _frombuffer),
        )
    },
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        return _ADMITTED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to objects outside of it")


def load_arrays(stream: IO[bytes] | GzipFile, encoding: str) -> Any:
    """Unpickle containers, numbers, strings and numpy arrays.

    Args:
        stream: at the start of the pickle.
        encoding: of the strings of Python 2; ``bytes`` leaves them as they are.

    Raises:
        Exception: nearly any, for a damaged pickle; ``UnpicklingError`` where it asks for anything else.
    """
    content = stream.read()
    _check_numbers(content)
    return _ArrayUnpickler(io.BytesIO(content), encoding=encoding).load()


def read_pickle(path: str | Path, stream: IO[bytes] | GzipFile, encoding: str) -> Any:
    """:func:`load_arrays` of a raw file.

    Raises:
        DataError: damaged, or it asks for anything else.
    """
    try:
        return load_arrays(stream, encoding)
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise DataError(f"{path}: not a readable pickle of arrays ({in_words(error)})") from error


def fields_of(path: str | Path, record: Any, *keys: str) -> list[Any]:
    """Values of a dictionary from a pickle, whose keys are bytes where Python 2 wrote it.

    Raises:
        DataError: it is none, or lacks a key.
    """
    if not isinstance(record, dict):
        raise DataError(f"{path}: holds a {type(record).__name__}, expected a dict")
    fields = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in record.items()}
    for key in keys:
        if key not in fields:
            raise DataError(f"{path}: no key '{key}', it has {sorted(map(str, fields))}")
    return [fields[key] for key in keys]


def _check_numbers(content: bytes) -> None:
    """Refuse a number of an object for which the unpickler would allocate gigabytes."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > count + _FREE_OPCODES:
            raise pickle.UnpicklingError(f"it numbers an object {argument}")
