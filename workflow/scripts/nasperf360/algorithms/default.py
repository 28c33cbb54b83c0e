"""``default``: no search. The space's default architecture, trained once (paper section 4.1, the fixed WRN)."""

from nasperf360.algorithms.base import Problem, SearchAlgorithm, SearchResult
from nasperf360.setting_names import SettingNames
from nasperf360.spaces.base import SearchSpace


class Default(SearchAlgorithm):
    """Returns the default architecture of the space."""

    name = "default"
    setting_names = SettingNames()
    trains = False

    def refuse(self, space: type[SearchSpace]) -> str | None:
        return "it has no default architecture" if space.default is SearchSpace.default else None

    def search(self, space: SearchSpace, problem: Problem) -> SearchResult:
        return SearchResult(space.default())


ALGORITHM = Default
