"""Imports in less time: each of hundreds of short jobs starts a process, and torch's import is most of many a job."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

# Only registrations, a quarter of torch's import: of operations on tensors without numbers (its meta device, and what
# traces or compiles networks on it), and of GPU kernels in Triton that replace torch's own.
DEFERRED = ("torch._meta_registrations", "torch._native")
GENERATOR = "torch._prims.rng_prims"  # which they import, and torch.Generator needs
COMPILER = "torch._dynamo"


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import what a job runs, without the parts of torch that none of ours uses, nor walks of the garbage collector.

    A deferred part is executed when something reads an attribute of it, and before torch's compiler is imported. Code
    that makes tensors on the meta device by itself calls :func:`import_deferred` first.
    """
    if _DEFERRAL not in sys.meta_path:
        sys.meta_path.insert(0, _DEFERRAL)
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
        if "torch" in sys.modules:
            import_module(GENERATOR)
    finally:
        gc.freeze()  # what is imported stays to the end
        if collecting:
            gc.enable()


def import_deferred() -> None:
    """Execute what :func:`quick_imports` deferred."""
    if _DEFERRAL in sys.meta_path:
        sys.meta_path.remove(_DEFERRAL)
    for name in DEFERRED:
        if name in sys.modules:
            vars(sys.modules[name])  # read an attribute: the loader then executes the module


class _Deferral(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == COMPILER:
            import_deferred()
        if fullname not in DEFERRED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec and spec.loader:
            spec.loader = LazyLoader(spec.loader)
        return spec


_DEFERRAL = _Deferral()
