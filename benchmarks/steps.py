"""Steps at paper scale on one CPU thread: ours over the reference code's, or over a plain loop's.

Each case takes a step of the weights (in searches of the supernet, with its architecture fixed) of our network with our
optimiser, and of the same network as the reference wrote it with torch's plain optimiser, in turns in one process. The
reference code (github.com/rtu715/NAS-Bench-360) is no part of this project: --reference names a folder with it. Without
it the other side is our network with that plain optimiser, so that only optimisers are compared.

Seconds are of the process, not of the clock, and the best of some: on a machine that others use, compare ratios alone.

python benchmarks/steps.py [--reference FOLDER] [--cases wrn resnet1d ...] [--repeats 8]
"""

import argparse
import importlib
import subprocess
import sys
import tempfile
import time
import types
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import torch
from torch import Tensor, nn
from turns import SHAPES, Experiments

from nasperf360.seeds import generator
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.spaces.shared.sampled_supernet import SampledSupernet
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.spaces.shared.supernet import Supernet
from nasperf360.study import configuration
from nasperf360.tasks.shared.task_spec import task_spec
from nasperf360.training.fitting import setup_torch
from nasperf360.training.optimizers import make_optimizer
from nasperf360.training.settings import OptimizerSettings

SGD = OptimizerSettings(optimizer="sgd", lr=0.01, momentum=0.9, weight_decay=3e-4)
UNUSED = (
    "determined",
    "determined.pytorch",
    "boto3",
    "torchvision",
    "torchvision.transforms",
    "torchvision.datasets",
    "mmcv",
)
GENOTYPE = ("sep_conv_3x3", "dil_conv_5x5", "skip_connect", "max_pool_3x3")
Network = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Case:
    """What is compared.

    Args:
        task, method: whose network; ``search``: its supernet, else the network that is trained.
        batch: samples.
        reference: imports the reference's network from its folder; gives it, and what of its input is another.
    """

    task: str
    method: str
    batch: int
    reference: Callable[[Path], tuple[nn.Module, Network]]
    search: bool = False


def channels_last(network: nn.Module) -> Network:
    """Dense networks of the reference take images (B, H, W, channels)."""
    return lambda x: network(x.permute(0, 2, 3, 1).contiguous())


def wrn(folder: Path) -> tuple[nn.Module, Network]:
    module = load(folder / "backbone", "backbone_pt")
    network = module.Backbone_Pt(16, 100, 4, 0.0, in_channels=3)
    return network, network


def wrn_dense(folder: Path) -> tuple[nn.Module, Network]:
    network = load(folder / "backbone", "backbone_grid_wrn").Backbone(16, 1, 4, in_channels=3, dropRate=0.0)
    return network, channels_last(network)


def resnet1d(folder: Path) -> tuple[nn.Module, Network]:
    network = load(folder / "backbone_1d", "backbone_1d").ResNet1D(1, 64, 4)
    return network, network


def gaea(folder: Path) -> tuple[nn.Module, Network]:
    network = load(folder / "darts" / "gaea" / "search", "model_search").Network(16, 100, 8, None, k=4, in_channels=3)
    for parameter in network.arch_parameters():
        parameter.requires_grad_(False)
    return network, network


def darts(folder: Path) -> tuple[nn.Module, Network]:
    genotype = namedtuple("Genotype", "normal normal_concat reduce reduce_concat")
    cell = [(GENOTYPE[number % 4], number % (number // 2 + 2)) for number in range(8)]
    found = genotype(cell, range(2, 6), cell, range(2, 6))
    network = load(folder / "darts" / "gaea" / "eval", "model").Network(36, 100, 20, found, 3, 0.0)
    return network, network


def densenas(folder: Path) -> tuple[nn.Module, Network]:
    """Every stack layer runs its block."""
    folder = folder / "densenas" / "point"
    space = load(folder, "models.search_space_res")
    dropped = importlib.import_module("models.dropped_model")
    # The file leaves out what is the same for all tasks (configs/search_config.py).
    config = read_yaml(folder / "configs" / "cifar_small_search_cfg_resnet.yaml")
    config["optim"].setdefault("head_dim", 16)
    network = space.Network(config["optim"]["init_dim"], "cifar100", namespace(config))
    network.sub_obj_list, _ = network.get_cost_list((3, 32, 32), cost_type="flops", use_gpu=False)
    for parameter in network.arch_parameters:
        parameter.requires_grad_(False)
    network.sample_branch("head", 1)
    network.alpha_stack_index = [
        torch.zeros(len(rows), 1, dtype=torch.long) if len(rows) else [] for rows in network.alpha_stack_weights
    ]
    whole = dropped.Dropped_Network(network, softmax_temp=0.9)
    return network, lambda x: whole(x)[0]


def namespace(values: Any) -> Any:
    """Mappings as objects with attributes."""
    if isinstance(values, dict):
        return types.SimpleNamespace(**{name: namespace(value) for name, value in values.items()})
    return values


def auto_deeplab(folder: Path) -> tuple[nn.Module, Network]:
    for name in ("modules", "sync_batchnorm", "sync_batchnorm.batchnorm", "decoder", "aspp"):
        sys.modules[f"modeling.{name}"] = MagicMock()
    module = load(folder / "autodeeplab", "auto_deeplab")
    torch.cuda.device_count = lambda: 0
    network = module.AutoDeeplab(1, 12, None, filter_multiplier=8, block_multiplier=5, step=5, input_channels=1)
    network.alphas.requires_grad_(False)
    network.betas.requires_grad_(False)
    return network, network


CASES = {
    "wrn": Case("cifar100", "wrn-default", 16, wrn),
    "wrn-dense": Case("darcy", "wrn-default", 1, wrn_dense),
    "resnet1d": Case("ecg", "wrn-default", 16, resnet1d),
    "densenas": Case("cifar100", "densenas-original", 8, densenas, search=True),
    "gaea": Case("cifar100", "darts-gaea", 4, gaea, search=True),
    "darts": Case("cifar100", "darts-gaea", 4, darts),
    "auto-deeplab": Case("cosmic", "autodl-darts", 2, auto_deeplab, search=True),
}


def load(folder: Path, name: str) -> Any:
    """A module of the reference, without what it imports and needs not for a step."""
    for unused in UNUSED:
        sys.modules.setdefault(unused, MagicMock())
    utils: Any = types.ModuleType("utils")
    utils.drop_path = utils.SqueezeAndExcitation = None
    sys.modules["utils"] = utils
    for kind in (Tensor, nn.Module):  # what it sends to a GPU stays
        kind.cuda = lambda self, *_, **__: self  # type: ignore[method-assign,assignment]
    sys.path.insert(0, str(folder))
    return importlib.import_module(name)


def ours(case: Case) -> nn.Module:
    """Our network: the supernet, or the default architecture, or the one that :func:`darts` has."""
    with tempfile.TemporaryDirectory() as folder:
        config = Experiments(Path(folder), torch.device("cpu")).config
    signature = task_spec(case.task).signature(SHAPES[case.task].inputs)
    definition = configuration.method(config, case.method)
    space: Any = search_space(
        definition["space"], signature, configuration.space_settings(config, case.task, case.method)
    )
    torch.manual_seed(0)
    if case.search:
        return space.supernet()
    if definition["space"] == "darts":
        cell = [[GENOTYPE[number % 4], number % (number // 2 + 2)] for number in range(8)]
        return space.build({"space": "darts", "normal": cell, "reduce": cell})
    default = hasattr(space, "default")
    return space.build(space.default() if default else space.sample(generator("steps", case.task)))


def compare(name: str, reference: Path | None, repeats: int, batch: int | None) -> str:
    """A row of the table."""
    case = CASES[name]
    x = torch.randn(batch or case.batch, *SHAPES[case.task].inputs)
    own = ours(case).train()
    if isinstance(own, Supernet):
        own.architecture.requires_grad_(False)
    other, call = case.reference(reference) if reference else (again := ours(case).train(), again)
    if isinstance(other, Supernet):
        other.architecture.requires_grad_(False)
    weights = [[value for value in network.parameters() if value.requires_grad] for network in (own, other)]
    settings = {"lr": SGD.lr, "momentum": SGD.momentum, "weight_decay": SGD.weight_decay}
    sides = [
        (own, own, make_optimizer(weights[0], SGD)),
        (other, call, torch.optim.SGD(weights[1], foreach=False, fused=False, **settings)),
    ]
    seconds: list[list[float]] = [[], []]
    for _ in range(repeats + 1):
        for times, (network, forward, optimizer) in zip(seconds, sides, strict=True):
            if isinstance(network, SampledSupernet):
                network.sample_operations(1, uniform=True)
                network.sampled["layers"].zero_()  # every stack layer runs its block
            started = time.process_time()
            loss = forward(x).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            times.append(time.process_time() - started)
    mine, theirs = (min(times[1:]) for times in seconds)
    words = "reference" if reference else "plain loop"
    return f"| {name} | {len(x)} | {1e3 * mine:.0f} | {1e3 * theirs:.0f} | {words} | {mine / theirs:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, help="folder of the reference code")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--batch", type=int, help="samples; of each case its own if not given")
    parser.add_argument("--one", choices=list(CASES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        setup_torch(1, "cpu", gpu=0)
        torch.set_deterministic_debug_mode("default")  # the reference resizes in a way that has no deterministic form
        print(compare(options.one, options.reference, options.repeats, options.batch), flush=True)
        return
    print("| step | batch | ours, ms | other, ms | other | ours / other |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in options.cases:  # each in a process of its own: modules of the reference share names
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--one", name], check=True)


if __name__ == "__main__":
    main()
