"""Learning rates as functions of the position in training: nothing to checkpoint, nothing to get out of step."""

import math
from collections.abc import Mapping
from typing import Any

from nasperf360.errors import UserError


def learning_rate(settings: Mapping[str, Any], epoch: int, step: int, steps: int) -> float:
    """Learning rate of one optimiser step.

    Args:
        settings: ``lr``, ``epochs`` and ``schedule``, a mapping with ``name``:
            ``constant``;
            ``step``: times ``factor`` from each fraction of the epochs in ``at`` on;
            ``cosine``: to ``final`` over the epochs, per epoch, or per step with ``per_step: true``; never below
            ``floor``;
            ``poly``: ``(1 - progress) ** power`` per step, after ``warmup`` steps from ``warmup_lr``, exponentially.
            ``horizon`` (epochs) stretches the schedule over more epochs than are trained.
        epoch: from 0.
        step: within the epoch, from 0.
        steps: per epoch.
    """
    base, schedule = settings["lr"], settings["schedule"]
    horizon = schedule.get("horizon", settings["epochs"])
    progress = (epoch + step / steps) / horizon
    match schedule["name"]:
        case "constant":
            return base
        case "step":
            # Whole epochs, as the reference's integer comparison: 60, 120 and 160 of 200.
            passed = sum(epoch >= int(fraction * horizon) for fraction in schedule["at"])
            return base * schedule["factor"] ** passed
        case "cosine":
            final = schedule.get("final", 0.0)
            position = progress if schedule.get("per_step", False) else epoch / horizon
            rate = final + (base - final) * (1 + math.cos(math.pi * position)) / 2
            return max(rate, schedule.get("floor", 0.0))
        case "poly":
            done, warmup = epoch * steps + step, schedule.get("warmup", 0)
            if done < warmup:
                return schedule["warmup_lr"] * (base / schedule["warmup_lr"]) ** (done / warmup)
            return base * max(0.0, 1 - progress) ** schedule.get("power", 0.9)
    raise UserError(f"schedule '{schedule['name']}': unknown, expected constant, step, cosine or poly")
