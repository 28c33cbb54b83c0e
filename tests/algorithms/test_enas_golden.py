"""ENAS's controller against the reference's numbers: probabilities, penalty, loss, gradients, four steps, draws."""

from pathlib import Path

import numpy as np
import pytest
import torch

from formula import golden, uniform
from nasperf360.algorithms.enas.controller import Controller, Draw
from nasperf360.algorithms.enas.search import skip_penalty, update_controller
from nasperf360.algorithms.enas.spec import SPEC
from nasperf360.training.optimizers import make_optimizer
from nasperf360.training.settings import OptimizerSettings

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "golden"
DEPTH, UNITS = 12, 64
NAMES = ("lstm", "g_emb", "emb", "softmax", "w_1", "w_2", "v")  # as the fixtures list them


def settings(**changes):
    given = {
        **{"episodes": 1, "warmup_epochs": 0, "child_steps": 1, "batch_size": 1, "lr": 0.1, "samples": 1},
        **{"controller_epochs": 1, "controller_batch": 99, "controller_lr": 1e-3, "reward": "auroc"},
        **{"skip_target": 0.4, "skip_weight": 1.0, "skip_penalty": "published"},
    }
    return SPEC.settings.model_validate(given | changes)


def places(policy):
    """Our tensor for each weight of the reference but the LSTM's, by name; and whether it is transposed there."""
    return {
        "g_emb": (policy.start, False),
        "emb": (policy.embedding.weight, False),
        "softmax": (policy.operation_logits.weight, True),
        "w_1": (policy.source.weight, True),
        "w_2": (policy.target.weight, True),
        "v": (policy.query.weight, True),
    }


def reference_order(ours):
    """The LSTM's two matrices (gates i, f, g, o by rows) as the reference's one: gates i, f, o, g by columns."""
    gates = [np.split(half.T, 4, axis=1) for half in ours]
    return np.concatenate([np.concatenate([i, f, o, g], 1) for i, f, g, o in gates])


def controller(weights):
    policy = Controller(DEPTH, 7, UNITS)
    with torch.no_grad():
        for half, matrix in zip(
            np.split(weights["lstm"], 2), (policy.lstm.weight_ih, policy.lstm.weight_hh), strict=True
        ):
            i, f, o, g = np.split(half, 4, axis=1)
            matrix.copy_(torch.from_numpy(np.concatenate([i, f, g, o], 1).T.copy()))
        for name, (tensor, turned) in places(policy).items():
            tensor.copy_(torch.from_numpy(weights[name].T.copy() if turned else weights[name]))
    return policy


def in_reference(policy, of):
    """``of`` each weight (its value, its gradient), laid out as the reference has it."""
    found = {"lstm": reference_order([of(policy.lstm.weight_ih), of(policy.lstm.weight_hh)])}
    return found | {name: of(tensor).T if turned else of(tensor) for name, (tensor, turned) in places(policy).items()}


def drawn(arcs):
    """The reference's 78 tokens per architecture."""
    operations, skips, at = [], torch.zeros(len(arcs), DEPTH, DEPTH, dtype=torch.bool), 0
    for layer in range(DEPTH):
        operations.append(torch.from_numpy(arcs[:, at].astype(np.int64)))
        skips[:, layer, :layer] = torch.from_numpy(arcs[:, at + 1 : at + 1 + layer] > 0)
        at += 1 + layer
    assert at == arcs.shape[1]
    return Draw(torch.stack(operations, 1), skips)


def loss_of(policy, draw, advantages):
    """Log-probabilities, penalties, and the loss of a batch, put together here."""
    log_probability, skip_logits = policy.log_probability(draw)
    penalty = skip_penalty(skip_logits, settings())
    return -log_probability, penalty, -(log_probability * advantages).sum() + penalty.mean()


def small():
    arrays, texts = golden("amber_controller_small")
    weights = {}
    for tensor, (name, (_, shape)) in enumerate(zip(NAMES, texts["weights"], strict=True)):
        scale = 0.2 if name == "lstm" else 1.0
        weights[name] = (scale * uniform(tuple(shape), tensor)).astype(np.float32)
    return arrays, controller(weights)


def thinned(array):
    """What the small fixture keeps of a large array: every 29th number."""
    return array if array.size < 5000 else array.ravel()[::29]


def test_the_full_fixture():
    path = SHARED / "amber_controller.npz"
    if not path.exists():
        pytest.skip(f"the reference controller's full numbers are not at {path}")
    with np.load(path) as file:
        given = {name: file[name] for name in file.files}
    variables = ("lstm|lstm_layer_0|w", "g_emb", "emb|layer_0|w_start", "softmax|layer_0|w_start")
    variables += ("attention|w_1", "attention|w_2", "attention|v")
    listed = {name: f"controller|create_weights|{part}:0" for name, part in zip(NAMES, variables, strict=True)}
    policy = controller({name: given[f"W_{part}"] for name, part in listed.items()})
    draw = Draw(torch.from_numpy(given["O"]).long(), torch.from_numpy(given["S"]) > 0)
    minus_log, penalty, loss = loss_of(policy, draw, torch.from_numpy(given["adv"][:, 0]))
    np.testing.assert_allclose(minus_log.detach().numpy(), given["lp"], rtol=1e-6)
    np.testing.assert_allclose(penalty.detach().numpy(), given["pen"], rtol=1e-5)
    assert loss.item() == pytest.approx(float(given["loss"]), rel=1e-5)
    loss.backward()
    for name, gradient in in_reference(policy, lambda tensor: tensor.grad.numpy()).items():
        np.testing.assert_allclose(gradient, given[f"G_{listed[name]}"], rtol=1e-5, atol=1e-5)


def test_probabilities_penalty_loss_and_gradients():
    arrays, policy = small()
    minus_log, penalty, loss = loss_of(policy, drawn(arrays["arcs"]), torch.from_numpy(arrays["adv"][:, 0]))
    np.testing.assert_allclose(minus_log.detach().numpy(), arrays["lp"], rtol=1e-6)
    np.testing.assert_allclose(penalty.detach().numpy(), arrays["pen"], rtol=1e-5)
    assert loss.item() == pytest.approx(float(arrays["loss"]), rel=1e-5)
    loss.backward()
    found = in_reference(policy, lambda tensor: tensor.grad.numpy())
    compared = 0
    for number, name in enumerate(NAMES):
        if f"grad_{number}" in arrays:
            compared += 1
            expected = arrays[f"grad_{number}"]
            np.testing.assert_allclose(thinned(found[name]), expected, rtol=1e-5, atol=1e-5, err_msg=name)
    assert compared == 6  # the reference has that of the embedding in another form


def test_four_steps_of_the_controller():
    """By ``update_controller``; each call's loss is the one before its step."""
    arrays, policy = small()
    given = OptimizerSettings(optimizer="adam", lr=1e-3, eps=1e-7, eps_uncorrected=True)
    optimizer, draw = make_optimizer(policy.parameters(), given), drawn(arrays["arcs"])
    advantages = torch.from_numpy(arrays["adv"][:, 0])
    rng = np.random.default_rng(0)
    losses = [update_controller(policy, optimizer, draw, advantages, settings(), rng) for _ in range(4)]
    assert losses[0] == pytest.approx(float(arrays["loss"]), abs=1e-5)
    assert losses[1:] == pytest.approx(arrays["losses"][:3].tolist(), abs=3e-5)
    found = in_reference(policy, lambda tensor: tensor.detach().numpy())
    for number, name in enumerate(NAMES):
        np.testing.assert_allclose(thinned(found[name]), arrays[f"after_{number}"], rtol=0, atol=1e-5, err_msg=name)
    assert loss_of(policy, draw, advantages)[2].item() == pytest.approx(float(arrays["losses"][3]), abs=3e-5)


def test_the_reference_draws_skips_at_the_rates_of_ours():
    """1,500 architectures that it drew: how often each skip was taken, against sigmoid(2 t) given what came before."""
    arrays, policy = small()
    draw = drawn(arrays["draws"])
    with torch.no_grad():
        _, skip_logits = policy.log_probability(draw)
    scores = []
    for layer, logits in enumerate(skip_logits, start=1):
        rate = (2 * logits).sigmoid()
        excess = (draw.skips[:, layer, :layer].float() - rate).sum(0)
        scores.append(excess / (rate * (1 - rate)).sum(0).sqrt())
    spread = torch.cat(scores).square().mean().sqrt().item()
    assert 0.75 < spread < 1.25  # of 66 standard normal numbers
    ours = policy.sample(3000, torch.Generator().manual_seed(0))
    lower = torch.ones(DEPTH, DEPTH).tril(-1).bool()
    # Each rate of two samples of 1,500 and 3,000 has a deviation of 0.016.
    difference = (draw.skips.float().mean(0) - ours.skips.float().mean(0))[lower]
    assert difference.square().mean().sqrt() < 0.022
    counts = [torch.nn.functional.one_hot(given.operations, 7).float().mean(0) for given in (draw, ours)]
    assert (counts[0] - counts[1]).square().mean().sqrt() < 0.016


@pytest.mark.parametrize(("kind", "factor"), [("published", 1), ("sampled", 2)])
def test_where_the_penalty_is_least(kind, factor):
    """As published it draws the sampled rate to 0.308, not to the target of 0.4."""
    grid = torch.linspace(-1.5, 1.5, 300001, dtype=torch.float64)
    values = skip_penalty([grid[:, None]], settings(skip_penalty=kind))
    best = grid[values.argmin()]
    assert torch.sigmoid(factor * best).item() == pytest.approx(0.4, abs=1e-4)
    assert torch.sigmoid(2 * best).item() == pytest.approx(0.3077 if kind == "published" else 0.4, abs=1e-4)


def test_layers_count_alike_in_the_penalty():
    """The mean within a layer, then over layers: a layer of many skips weighs as much as one of few."""
    logits = [torch.full((2, count), value) for count, value in ((1, 0.3), (4, -0.9))]
    by_hand = []
    for value in (0.3, -0.9):
        rate = 1 / (1 + np.exp(-value))
        by_hand.append(rate * np.log(rate / 0.4) + (1 - rate) * np.log((1 - rate) / 0.6))
    assert skip_penalty(logits, settings()).tolist() == pytest.approx([np.mean(by_hand)] * 2, rel=1e-5)
