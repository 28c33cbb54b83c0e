"""How much of its data a job may hold in memory. It decides where samples are, and never which or in what order."""

import math
import weakref


class DataMemory:
    """Memory for the data of a job, shared by all its splits.

    Args:
        nbytes: how much in all.
    """

    def __init__(self, nbytes: float = math.inf):
        self.free = nbytes

    def take(self, nbytes: int, owner: object) -> bool:
        """Whether so much is free; it is then the owner's, for as long as the owner lives."""
        if nbytes > self.free:
            return False
        self.free -= nbytes
        weakref.finalize(owner, self._give_back, nbytes)
        return True

    def _give_back(self, nbytes: int) -> None:
        self.free += nbytes
