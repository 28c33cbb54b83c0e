"""``default``: no search. The space's default architecture, trained once (paper section 4.1, the fixed WRN)."""

from nasperf360.algorithms.shared.problem import Problem, SearchResult
from nasperf360.spaces.shared.search_space import HasDefault


def search(space: HasDefault, problem: Problem) -> SearchResult:
    """The default architecture of the space."""
    return SearchResult(space.default())
