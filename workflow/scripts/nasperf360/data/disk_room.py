"""Room on the disk for what HDF5 is going to write, taken before it does.

HDF5 keeps data back in its caches, and when it cannot write them later it ends the process with a segmentation fault.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path

import h5py

SLACK = 1 << 18  # bytes for the file's own tables


def check_room(path: Path) -> None:
    """Make a file as large as HDF5 needs to open and to close it: by then nothing may fail any more.

    Raises:
        OSError: there is no room.
    """
    with open(path, "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, SLACK)


class DiskRoom:
    """The room of one file that is being written.

    Args:
        file: opened for writing, new.
    """

    def __init__(self, file: h5py.File):
        self._file = file
        self._cache_bytes = int(file.id.get_access_plist().get_cache()[2])
        self._taken: dict[h5py.h5d.DatasetID, int] = {}
        self.take({})

    def take(self, batch: Mapping[h5py.Dataset, int], more: int = 0) -> None:
        """Take the room for rows that are to be appended to data sets, and for other bytes.

        Raises:
            OSError: there is none, by its number; what was written so far can still be closed.
        """
        needed = SLACK + more
        for dataset, rows in batch.items():
            chunk = dataset.chunks[0]
            size = -(-rows // chunk) * chunk * math.prod(dataset.shape[1:]) * int(dataset.dtype.itemsize)
            self._taken[dataset.id] = self._taken.get(dataset.id, 0) + size
            needed += size + size // 64
        kept_back = sum(min(taken, self._cache_bytes) for taken in self._taken.values())
        os.posix_fallocate(self._descriptor, self._file.id.get_filesize(), needed + kept_back)

    def give_back(self) -> None:
        """Write everything, and give back what was not needed; afterwards the file can be closed."""
        self._file.flush()
        os.ftruncate(self._descriptor, self._file.id.get_filesize())

    @property
    def _descriptor(self) -> int:
        return int(self._file.id.get_vfd_handle())
