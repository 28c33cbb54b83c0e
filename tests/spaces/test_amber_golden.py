"""AMBER's networks against outputs of the reference code, layer by layer and step by step (``golden/README.md``)."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

import synthetic
from formula import golden, value
from nasperf360.spaces.amber.layers import Pooling
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.tasks.shared.task_spec import Signature
from nasperf360.training.optimizers import make_optimizer
from nasperf360.training.settings import OptimizerSettings
from nasperf360.training.step import WeightSteps

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "golden"
BATCH_NORM = ("weight", "bias", "running_mean", "running_var")  # as Keras lists them
TENSORFLOW = {"scale": "weight", "offset": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def reference_adam():
    return OptimizerSettings(optimizer="adam", lr=1e-3, eps=1e-7, eps_uncorrected=True)


class GoldenTask(synthetic.SyntheticTask):
    """Cross-entropy of one-hot labels, or, where several may hold, binary cross-entropy."""

    def loss(self, output, batch):
        return (binary_cross_entropy_with_logits if self.several else cross_entropy)(output, batch["y"])


def golden_task(several=False):
    task = GoldenTask(1)
    task.several = several
    return task


def dense(kernel, length):
    """A dense kernel (in, out) on flattened (time, channels), for flattened (channels, time)."""
    channels = kernel.shape[0] // length
    return kernel.reshape(length, channels, -1).transpose(2, 1, 0).reshape(-1, length * channels)


def kernel(array):
    """(taps, in, out) as (out, in, taps)."""
    return array.transpose(2, 1, 0)


def final_place(network, name, number):
    """Our tensor for one that Keras lists as ``number`` of the layer ``name``."""
    layer, _, part = name.partition("_")
    if name.startswith("pool_at"):
        _, _, after, _, source = name.split("_")
        return network.reductions[int(after) // 3][source].conv.weight
    if name in ("dense", "output"):
        return getattr(getattr(network, {"dense": "dense", "output": "head"}[name]), ("weight", "bias")[number])
    if layer == "stem":
        return network.stem.weight if part == "conv_conv" else getattr(network.stem_norm, BATCH_NORM[number])
    index = int(layer[1:])
    if part == "resBn":
        return getattr(network.norms[index], BATCH_NORM[number])
    (operation,) = network.layers[index].values()
    if isinstance(operation, Pooling):
        operation = operation.conv
    return getattr(operation.norm, BATCH_NORM[number]) if part == "bn" else operation.conv.weight


def shared_place(network, name):
    """Our tensor for a variable of TensorFlow."""
    parts = name.removeprefix("Dag/child_model/").removesuffix(":0").split("/")
    match parts:
        case ["stem_conv", "w"]:
            return network.stem.weight
        case ["stem_conv", "bn", part]:
            return getattr(network.stem_norm, TENSORFLOW[part])
        case ["fc", part]:
            layer = network.dense if part.endswith("fc") else network.head
            return layer.weight if part.startswith("w") else layer.bias
        case [layer, "skip", "bn", part]:
            return getattr(network.norms[int(layer.split("_")[1])], TENSORFLOW[part])
        case [layer, _, source, "path1_conv", "w"]:
            return network.reductions[int(layer.split("_")[1]) // 3][source.split("_")[1]].conv.weight
        case [layer, branch, *rest]:
            operation = list(network.layers[int(layer.split("_")[1])].values())[int(branch.split("_")[1])]
            operation = operation.conv if rest[0] == "conv_1" else operation
            if "bn" in rest:
                return getattr(operation.norm, TENSORFLOW[rest[-1]])
            return operation.conv.weight if rest[-1] == "w" else operation.shift
    raise AssertionError(name)


def fill(tensor, array, length=1):
    """Copy an array of the reference into our tensor; a shape that does not fit fails."""
    array = kernel(array) if array.ndim == 3 else dense(array, length) if array.ndim == 2 else array
    assert tuple(tensor.shape) == array.shape
    with torch.no_grad():
        tensor.copy_(torch.from_numpy(np.ascontiguousarray(array)))


def final_network(layers, shape, outputs, width, hidden):
    """Of the reference's (operation, skips), for its input (length, channels)."""
    amber = search_space("amber", Signature(1, False, shape[::-1], outputs), {"width": width, "hidden": hidden})
    return amber.build(amber.compose(*zip(*layers, strict=True)))


def last_length(length):
    return math.ceil(math.ceil(math.ceil(length / 4) / 4) / 4)


def test_the_final_network_at_full_width():
    path = SHARED / "amber_final.npz"
    if not path.exists():
        pytest.skip(f"the reference's full network is not at {path}")
    with np.load(path) as file:
        given = {name: file[name] for name in file.files}
    layers = json.loads(str(given["layers"]))
    network = final_network(layers, given["x"].shape[1:], 4, 64, 100).eval()
    names = {"dense": "dense", "dense_1": "output"}
    filled = 0
    for name, array in given.items():
        layer, bar, number = name.partition("|")
        if bar:
            tensor = final_place(network, names.get(layer, layer), int(number))
            fill(tensor, array, 16 if layer == "dense" else 1)
            filled += tensor.numel()
    buffers = [buffer for name, buffer in network.named_buffers() if "running" in name]
    assert filled == sum(tensor.numel() for tensor in [*network.parameters(), *buffers])
    with torch.no_grad():
        found = network(torch.from_numpy(given["x"].transpose(0, 2, 1).copy())).softmax(1).numpy()
    assert np.abs(found - given["y"]).max() < 1e-7


@pytest.mark.parametrize("task", ["ecg", "satellite", "deepsea"])
def test_final_networks_and_three_steps(task):
    """Logits; then losses with L2, weights after bounding, and running statistics; then outputs again."""
    arrays, texts = golden("amber_final_narrow")
    x, targets = arrays[f"{task}_x"], torch.from_numpy(arrays[f"{task}_t"])
    outputs = targets.shape[1]
    listed = texts[f"{task}_weights"]
    hidden = next(shape[1] for name, _, kind, shape in listed if name == "dense" and kind == "weight")
    network = final_network(texts[f"{task}_layers"], x.shape[1:], outputs, 4, hidden)
    length = last_length(x.shape[1])
    for tensor, (name, number, kind, shape) in enumerate(listed):
        array = value(tuple(shape), tensor, kind, int(np.prod(shape[:-1])))
        if (name, kind) == ("output", "weight"):
            array *= np.float32(0.003)
        fill(final_place(network, name, number), array, length if name == "dense" else 1)

    x = torch.from_numpy(x.transpose(0, 2, 1).copy())
    network.eval()
    with torch.no_grad():
        np.testing.assert_allclose(network(x).numpy(), arrays[f"{task}_logits"], rtol=0, atol=1e-5)

    network.train()
    network.dropout = 0.0  # as the reference was run for this: it draws other numbers
    several = task == "deepsea"
    optimizer = make_optimizer(network.parameters(), reference_adam())
    steps = WeightSteps(network, golden_task(several), optimizer, torch.device("cpu"))
    losses = [float(steps.step({"x": x, "y": targets}, 1e-3)) for _ in range(3)]
    assert losses == pytest.approx(arrays[f"{task}_losses"].tolist(), abs=1e-6)
    norms = [final_place(network, name, number).double().norm().item() for name, number, _, _ in listed]
    np.testing.assert_allclose(norms, arrays[f"{task}_after_l2"], rtol=1e-5, atol=1e-6)
    stem = network.stem.weight.detach().numpy()
    np.testing.assert_allclose(stem, kernel(arrays[f"{task}_after_stem"]), rtol=0, atol=1e-6)
    head = network.head.weight.detach().numpy()
    np.testing.assert_allclose(head, arrays[f"{task}_after_fc"].T, rtol=0, atol=1e-5)
    network.eval()
    with torch.no_grad():
        y = network(x).sigmoid() if several else network(x).softmax(1)
    np.testing.assert_allclose(y.numpy(), arrays[f"{task}_y_after"], rtol=0, atol=1e-5)


def test_initial_weights_of_the_final_network():
    """Standard deviation and largest value of each of the reference's layers of many weights."""
    _, texts = golden("amber_final_narrow")
    torch.manual_seed(0)
    network = final_network(texts["ecg_layers"], (1000, 1), 4, 64, 100)
    seen = set()
    for name, shape, deviation, largest, he, glorot in texts["initial"]:
        # The reference numbers its dense layers; the last one has four outputs.
        name = ("output" if shape[-1] == 4 else "dense") if name.startswith("dense") else name
        weight = final_place(network, name, 0).detach()
        assert weight.numel() == np.prod(shape)
        bound = glorot if glorot else 2.2736 * he
        assert weight.abs().max() <= bound * 1.0001
        assert largest <= bound * 1.0001
        if weight.numel() > 4000:
            assert weight.std().item() == pytest.approx(deviation, rel=0.03)
            assert weight.abs().max().item() == pytest.approx(largest, rel=0.03)
            seen.add("glorot" if glorot else "he")
    assert seen == {"he", "glorot"}
    assert not network.dense.bias.any()
    assert not network.head.bias.any()


def shared_network():
    """The reference's shared network of width 4 with weights by the formula, and the fixture."""
    arrays, texts = golden("amber_shared")
    settings = {"search_width": 4, "search_hidden": 12}
    amber = search_space("amber", Signature(1, False, (1, 61), 4), settings)
    network = amber.shared()
    for tensor, (name, kind, shape) in enumerate(texts["ecg_weights"]):
        array = value(tuple(shape), tensor, kind, int(np.prod(shape[:-1])))
        if "w_out" in name:
            array *= np.float32(0.01)
        fill(shared_place(network, name), array)  # one step remains of 61
    network.dropout = 0.0
    x = torch.from_numpy(arrays["ecg_x"].transpose(0, 2, 1).copy())
    return network, arrays, texts, x, [path_of(row) for row in arrays["ecg_arcs"].tolist()]


NAMES = ("conv_8", "conv_4", "conv_8_dilation_10", "conv_4_dilation_10", "max_pool_4", "avg_pool_4", "identity")


def path_of(tokens):
    """The reference's 78 tokens: per layer an operation, then one token for each earlier layer."""
    path, at = [], 0
    for layer in range(12):
        skips = tuple(source for source in range(layer) if tokens[at + 1 + source])
        path.append((NAMES[tokens[at]], skips))
        at += 1 + layer
    assert at == len(tokens)
    return path


def probabilities(network, x, paths):
    network.eval()
    found = []
    for network.path in paths:
        with torch.no_grad():
            found.append(network(x).softmax(1).numpy())
    return np.stack(found)


def test_the_shared_network_on_three_paths():
    network, arrays, _, x, paths = shared_network()
    np.testing.assert_allclose(probabilities(network, x, paths), arrays["ecg_eval"], rtol=0, atol=1e-6)


def test_gradients_of_the_shared_network():
    """Zero for what the path does not use."""
    network, arrays, texts, x, paths = shared_network()
    network.train()
    network.path = paths[0]
    cross_entropy(network(x), torch.from_numpy(arrays["ecg_t"])).backward()
    found = []
    for name in texts["ecg_grad_names"]:
        gradient = shared_place(network, name).grad
        found.append(0.0 if gradient is None else gradient.double().norm().item())
    np.testing.assert_allclose(found, arrays["ecg_grad_norms"], rtol=1e-4, atol=1e-6)
    assert sum(norm == 0 for norm in found) == 242


def test_six_steps_of_the_shared_network():
    """Losses, every weight and running statistic after each step, and outputs in evaluation mode at the end."""
    network, arrays, texts, x, paths = shared_network()
    optimizer = make_optimizer(network.parameters(), reference_adam())
    steps = WeightSteps(network, golden_task(), optimizer, torch.device("cpu"), unused=True)
    batch, losses = {"x": x, "y": torch.from_numpy(arrays["ecg_t"])}, []
    network.train()
    for number in range(6):
        network.path = paths[number % 3]
        losses.append(float(steps.step(batch, 1e-3)))
        norms = [shared_place(network, name).double().norm().item() for name, _, _ in texts["ecg_weights"]]
        np.testing.assert_allclose(norms, arrays["ecg_norms_after"][number], rtol=1e-4, atol=1e-4)
    assert losses == pytest.approx(arrays["ecg_losses"].tolist(), abs=1e-5)
    np.testing.assert_allclose(probabilities(network, x, paths), arrays["ecg_eval_after"], rtol=0, atol=1e-5)
