"""The library's folders import each other in one direction only, inside functions too."""

from collections import defaultdict
from graphlib import TopologicalSorter

from nasperf360.jobs.code_digest import PACKAGE, local_imports


def test_no_two_folders_import_each_other():
    below: dict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        folder, *rest = path.relative_to(PACKAGE).parts
        if rest:
            below[folder] |= {found.relative_to(PACKAGE).parts[0] for found in local_imports(path)}
    for folder, others in below.items():
        others -= {folder, "__init__.py"}
    order = list(TopologicalSorter(below).static_order())
    assert order.index("training") < order.index("algorithms") < order.index("study") < order.index("tables")
