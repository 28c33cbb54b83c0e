"""What the tests of point tasks share: a short training of a small network."""

import torch
from task_rooms import scores
from torch import Tensor, nn

from nasperf360.data.datasets import Dataset
from nasperf360.tasks.shared.task_training import task_training


class Linear(nn.Module):
    """Logistic regression on standardised, flattened inputs."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(inputs), nn.Linear(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def small_network(dimensions: int, outputs: int, width: int = 12) -> nn.Module:
    """Three strided convolutions, mean over space, one linear layer."""
    conv, norm, pool = (
        (nn.Conv1d, nn.BatchNorm1d, nn.AdaptiveAvgPool1d)
        if dimensions == 1
        else (nn.Conv2d, nn.BatchNorm2d, nn.AdaptiveAvgPool2d)
    )
    layers: list[nn.Module] = []
    for inputs, channels in ((1, width), (width, 2 * width), (2 * width, 2 * width)):
        layers += [conv(inputs, channels, 7 if dimensions == 1 else 3, 2, 1), norm(channels), nn.ReLU()]
    return nn.Sequential(*layers, pool(1), nn.Flatten(), nn.Linear(2 * width, outputs))


def final_scores(data: Dataset, model: nn.Module, steps: int, lr: float) -> dict[str, float]:
    """Train on the final training split for ``steps`` batches of 64 and score the final test split."""
    task = task_training(data.manifest["task"])
    train, test = data.final(task.spec.merge_valid)
    task.fit(train)
    x, y = (torch.from_numpy(train.load(field)) for field in ("x", "y"))
    draws = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = torch.randint(len(x), (64,), generator=draws)
        batch = task.augment({"x": x[rows], "y": y[rows]}, draws)
        optimizer.zero_grad()
        task.loss(model(task.inputs(batch)), batch).backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        parts = torch.from_numpy(test.load("x")).split(256)
        outputs = torch.cat([task.predict(model, {"x": part}) for part in parts])
    return scores(task.spec.name, outputs.numpy(), test.targets())
