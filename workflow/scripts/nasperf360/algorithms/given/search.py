"""``given``: no search. An architecture that somebody published, as ``files.py`` read it."""

from nasperf360.algorithms.given.spec import ReadSettings
from nasperf360.algorithms.shared.problem import Problem, SearchResult
from nasperf360.errors import UserError
from nasperf360.spaces.shared.counts import count_multiply_adds, count_parameters
from nasperf360.spaces.shared.search_space import SearchSpace


def search(space: SearchSpace, problem: Problem) -> SearchResult:
    """The given architecture.

    Raises:
        UserError: its network on this task is not the one that it was drawn as, since inputs have another shape.
    """
    given = problem.settings.architecture
    assert isinstance(given, ReadSettings), "the workflow reads the file"
    space.check(given.architecture)
    # On its own task other widths are the user's choice; on another one only the same network is known to fit.
    if given.task != problem.task.spec.name:
        _check_network(space, given, problem)
    return SearchResult(given.architecture)


def _check_network(space: SearchSpace, given: ReadSettings, problem: Problem) -> None:
    network = space.build(given.architecture)
    found = count_parameters(network), count_multiply_adds(network, space.signature.input_shape)
    if found != (given.parameters, given.multiply_adds):
        raise UserError(
            f"{problem.label}: the given architecture was drawn for task '{given.task}', whose inputs have another "
            f"shape: its network has {given.parameters} parameters and {given.multiply_adds} multiply-adds there, "
            f"{found[0]} and {found[1]} here; give one that was drawn for '{problem.task.spec.name}'"
        )
