"""Search algorithms, one file each, found by name."""

from importlib import import_module

from nasperf360.algorithms.base import SearchAlgorithm


def get_algorithm(name: str) -> SearchAlgorithm:
    """The search algorithm of that name; only its own module is imported."""
    algorithm: SearchAlgorithm = import_module(f"nasperf360.algorithms.{name}").ALGORITHM()
    return algorithm
