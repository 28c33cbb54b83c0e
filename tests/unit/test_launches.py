"""How many operations a step starts, each at least one launch on a GPU; and that none makes it wait for the CPU."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import nasperf360.tasks.cosmic.training as cosmic
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.tasks.cifar100.training import Cifar100
from nasperf360.tasks.darcy.training import Darcy
from nasperf360.tasks.fsd50k.training import FSD50K
from nasperf360.tasks.shared.task_spec import Signature

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

from launches import Launches

INDEXED = {"aten::index", "aten::index_put_", "aten::_index_put_impl_"}
SMALL_DENSENAS = {"stem": 4, "stages": [{"channels": [6, 8], "layers": [3, 3], "stride": 1}], "last": 8}


def weight_step(network: Any, x: torch.Tensor) -> Launches:
    """Forwards and backwards, without the optimiser."""
    with network.fixed_architecture(), Launches() as launches:
        network(x).sum().backward()
    return launches


def test_auto_deeplab_s_levels_compute_in_step():
    """Of the whole supernet: 23,435 operations before, for each cell its kernels, mixtures and elementwise calls."""
    space: Any = search_space("autodl", Signature(2, True, (1, 32, 32), 1), {"search": {"width": 8}})
    with torch.device("meta"):  # shapes alone, or the coarsest levels compute for long
        launches = weight_step(space.supernet(), torch.randn(2, 1, 32, 32))
    assert launches.total < 7_900
    assert not INDEXED & launches.by_name.keys()
    assert launches.by_name["aten::mul"] < 200  # 6,059 before
    assert launches.by_name["aten::eye"] == 0


def test_gaea_s_forward_pass_indexes_nothing_by_lists():
    """Each such list is sent to a GPU, which waits for it."""
    space: Any = search_space("darts", Signature(2, False, (3, 8, 8), 5), {"search": {"width": 8, "depth": 3}})
    launches = weight_step(space.supernet(), torch.randn(2, 3, 8, 8))
    assert not INDEXED & launches.by_name.keys()
    assert launches.by_name["aten::eye"] == 0
    assert launches.by_name["aten::kron"] + launches.by_name["aten::mul"] < 300


class Sent(torch.utils._python_dispatch.TorchDispatchMode):
    """Counts tensors that go to a device, a made-up one."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function._schema.name in ("aten::_to_copy", "aten::copy_"):
            source = args[1] if function._schema.name == "aten::copy_" else args[0]
            self.count += source.device.type == "cpu" and result.device.type == "meta"
        return result


@pytest.mark.parametrize(
    ("task", "shape", "fields"),
    [
        (Cifar100, (3, 32, 32), {}),
        (FSD50K, (1, 96, 101), {}),
        (cosmic.Cosmic, (1, 8, 8), {"sky": ()}),
    ],
)
def test_an_augmentation_sends_its_draws_at_once(task, shape, fields):
    count = 6
    batch = {"x": torch.empty(count, *shape, device="meta")}
    batch |= {name: torch.empty(count, *size, device="meta") for name, size in fields.items()}
    trained = task()
    for turn in range(2):
        with Sent() as sent:
            trained.inputs(trained.augment(batch, torch.Generator().manual_seed(0)))
        if turn:  # constants were sent by the first
            assert sent.count == 1


def test_darcy_s_normalisation_is_sent_once(monkeypatch):
    values = torch.randn(4, 1, 5, 5).numpy()
    task = Darcy()

    class Train:
        def __len__(self) -> int:
            return 4

        def load(self, field: str) -> Any:
            return values

    task.fit(Train())  # type: ignore[arg-type]
    batch = {name: torch.empty(3, 1, 5, 5, device="meta") for name in ("x", "y")}
    counts = []
    for _ in range(2):
        with Sent() as sent:
            task.loss(task.inputs(batch)[:, :1], batch)
        counts.append(sent.count)
    assert counts == [4, 0]


def test_densenas_reads_back_only_weights_that_a_draw_depends_on():
    signature = Signature(2, False, (3, 8, 8), 5)
    space: Any = search_space("densenas", signature, SMALL_DENSENAS)
    supernet = space.supernet()
    read: list[str] = []
    mixture = supernet.mixture
    supernet.mixture = lambda name: read.append(name) or mixture(name)  # type: ignore[func-returns-value]
    supernet.sample_operations(1, uniform=True)
    assert read == []
    supernet.sample_operations(2, uniform=False)
    assert read == ["layers"]
    assert {name: tuple(drawn.shape) for name, drawn in supernet.sampled.items()} == {
        "heads": (len(supernet.architecture["heads"]), 1),
        "layers": (len(supernet.architecture["layers"]), 2),
    }
