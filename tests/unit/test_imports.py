"""Quick imports: nothing that a job uses is missing, and what was deferred comes when it is needed."""

import subprocess
import sys

import pytest

from nasperf360.stages.code_digest import SCRIPTS

START = """
import gc, sys
from nasperf360.imports import DEFERRED, import_deferred, quick_imports
with quick_imports():
    import torch
lazy = [name for name in DEFERRED if type(sys.modules[name]).__name__ == "_LazyModule"]
assert gc.isenabled() and gc.get_freeze_count() > 1000
"""


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", START + code], cwd=SCRIPTS, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


def test_the_registrations_are_deferred_and_what_they_import_is_not_loaded():
    run("""
assert lazy == list(DEFERRED)
assert not {"torch._refs", "torch._decomp"} & sys.modules.keys()
""")


def test_without_them_training_gives_the_same_bits():
    run("""
from torch import nn
def trained():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(144, 2)
    )
    x = torch.randn(8, 3, 8, 8, generator=generator)
    loss = nn.functional.cross_entropy(model(x), torch.zeros(8, dtype=torch.long))
    loss.backward()
    return [loss.detach(), *(parameter.grad for parameter in model.parameters())]
before = trained()
import_deferred()
assert all(torch.equal(*pair) for pair in zip(before, trained(), strict=True))
""")


@pytest.mark.parametrize("need", ["import_deferred()", "import torch._dynamo", "torch._meta_registrations.__doc__"])
def test_they_come_when_needed(need):
    run(f"""
assert lazy == list(DEFERRED)
{need}
assert "torch._refs" in sys.modules
with torch.device("meta"):
    assert torch.nn.Conv2d(3, 4, 3)(torch.empty(1, 3, 8, 8)).shape == (1, 4, 6, 6)
""")
