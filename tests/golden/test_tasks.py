"""Losses and metrics of the tasks against those of the reference code, on the same outputs."""

import numpy as np
import pytest
import torch
from reference import load

from nasperf360.tasks.cosmic.further_scores import further_scores as cosmic_scores
from nasperf360.tasks.cosmic.metric import metric as cosmic_metric
from nasperf360.tasks.cosmic.training import Cosmic
from nasperf360.tasks.darcy.metric import metric as darcy_metric
from nasperf360.tasks.darcy.training import Darcy
from nasperf360.tasks.deepsea.metric import metric as deepsea_metric
from nasperf360.tasks.deepsea.training import DeepSEA
from nasperf360.tasks.ecg.metric import f1_scores, vote
from nasperf360.tasks.ecg.metric import metric as ecg_metric
from nasperf360.tasks.ecg.training import ECG
from nasperf360.tasks.fsd50k.metric import metric as fsd50k_metric
from nasperf360.tasks.ninapro.training import TRAINING as NinaPro
from nasperf360.tasks.psicov.metric import metric as psicov_metric
from nasperf360.tasks.psicov.training import Psicov
from nasperf360.tasks.shared.error_rate import metric as error_rate
from nasperf360.tasks.shared.ranking import auroc, average_precision


def close(wanted: np.ndarray, absolute: float = 1e-12) -> object:
    return pytest.approx(wanted, rel=1e-5, abs=absolute)


class Rows:
    """A training split: all that a normalisation learns from."""

    def __init__(self, **fields: np.ndarray):
        self.fields = fields

    def __len__(self) -> int:
        return len(self.fields["x"])

    def load(self, name: str) -> np.ndarray:
        return self.fields[name]


def test_darcy():
    """Normalisation, coordinates and loss; and the metric, which the reference averages over batches of 2, 2 and 1."""
    fixture = load("task_darcy")
    task = Darcy()
    task.fit(Rows(x=fixture["coeff"][:, None], y=fixture["sol"][:, None]))
    inputs = task.inputs({"x": torch.from_numpy(fixture["coeff"][:, None])}).numpy()
    assert inputs[:, 0] == close(fixture["encoded"], 1e-6)
    assert inputs[0, 1:].transpose(1, 2, 0) == close(fixture["grid"], 1e-7)
    net, truth = (torch.from_numpy(fixture[name][:, None]) for name in ("net", "test_sol"))
    assert task.loss(net, {"y": truth}).item() == close(fixture["loss"])
    decoded = task._y.decode(net).numpy()
    assert decoded[:, 0] == close(fixture["decoded"])
    each = [darcy_metric(decoded[i : i + 1], {"y": truth.numpy()[i : i + 1]}) for i in range(5)]
    assert darcy_metric(decoded, {"y": truth.numpy()}) == pytest.approx(np.mean(each))
    batches = [np.mean(each[start : start + 2]) for start in (0, 2, 4)]
    assert np.mean(batches) == close(fixture["metric_batches_of_2"])


def test_psicov():
    """The loss; and the metric, where the reference averages the triangles twice, with the floor between."""
    fixture = load("task_psicov")
    predicted, truth, lengths = fixture["pred"], fixture["truth"], fixture["length"]
    target = torch.from_numpy(np.minimum(truth, 16)[:, None])
    assert Psicov().loss(torch.from_numpy(predicted[:, None]), {"y": target}).item() == close(fixture["mse"])
    once = psicov_metric(predicted[:, None], {"y": truth[:, None], "length": lengths})
    published, alone = [], []
    for output, distances, length in zip(predicted.astype(np.float64), truth, lengths, strict=True):
        output, distances = output[5 : 5 + length, 5 : 5 + length], distances[5 : 5 + length, 5 : 5 + length]
        mean, chosen = np.maximum((output + output.T) / 2, 0.01), np.triu(distances <= 8, 24)
        alone.append(np.abs(mean - distances)[chosen].mean())
        published.append(np.abs((mean + np.maximum(output.T, 0.01)) / 2 - distances)[chosen].mean())
    assert np.mean(published) == close(fixture["mae"][0])
    assert once == close(np.mean(alone))
    assert once != pytest.approx(fixture["mae"][0], rel=1e-3)  # docs/protocol.md


def test_cosmic():
    fixture = load("task_cosmic")
    logits = torch.from_numpy(fixture["logits"]).requires_grad_()
    masks = {"y": torch.from_numpy(fixture["mask"]), "ignore": torch.from_numpy(fixture["ignore"])}
    loss = Cosmic().loss(logits, masks)
    loss.backward()
    assert loss.item() == close(fixture["loss"])
    assert logits.grad.numpy() == close(fixture["grad"], 1e-9)
    targets = {"y": fixture["mask"], "ignore": fixture["ignore"]}
    assert cosmic_metric(fixture["logits"], targets) == close(fixture["fnr"])
    assert cosmic_scores(fixture["logits"], targets)["fpr"] == close(fixture["fpr"])


def test_ecg():
    fixture = load("task_ecg")
    logits, labels, group = fixture["logits"], fixture["label"], fixture["pid"]
    truth, votes = vote(logits.argmax(1), labels, group)
    assert (votes == fixture["vote"]).all()
    assert f1_scores(votes, truth) == close(fixture["f1"])
    assert ecg_metric(logits, {"y": labels, "group": group}) == close(fixture["score"])
    assert ECG().loss(torch.from_numpy(logits), {"y": torch.from_numpy(labels)}).item() == close(fixture["loss"])


def test_several_labels():
    fixture = load("task_multilabel")
    logits, labels = fixture["logits"], fixture["y"]
    assert auroc(logits, labels > 0) == close(fixture["auc"])
    assert average_precision(logits, labels > 0) == close(fixture["AP"])
    assert deepsea_metric(logits, {"y": labels}) == close(fixture["auc"].mean())
    loss = DeepSEA().loss(torch.from_numpy(logits), {"y": torch.from_numpy(labels)})
    assert loss.item() == close(fixture["loss"])


def test_fsd50k():
    """A clip's score is that of the mean logit of its chunks."""
    fixture = load("task_fsd50k")
    _, clip = np.unique(fixture["group"], return_inverse=True)
    score = fsd50k_metric(fixture["logits"], {"y": fixture["y"][clip], "group": fixture["group"]})
    assert score == close(fixture["mAP"])


def test_one_label():
    fixture = load("task_point")
    logits, labels = torch.from_numpy(fixture["logits"]), torch.from_numpy(fixture["y"])
    assert NinaPro().loss(logits, {"y": labels}).item() == close(fixture["loss"])
    assert error_rate(fixture["logits"], {"y": fixture["y"]}) == close(fixture["error"])
