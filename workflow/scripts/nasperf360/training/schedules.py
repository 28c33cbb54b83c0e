"""Learning rates as functions of the position in training: nothing to checkpoint, nothing to get out of step."""

import math

from nasperf360.training.settings import Constant, Cosine, Poly, Step, StepSettings


def learning_rate(settings: StepSettings, epoch: int, step: int, steps: int) -> float:
    """Learning rate of one optimiser step, by the schedule of the settings.

    Args:
        settings: ``lr``, ``epochs`` and ``schedule``.
        epoch: from 0.
        step: within the epoch, from 0.
        steps: per epoch.
    """
    base, schedule = settings.lr, settings.schedule
    horizon = schedule.horizon or settings.epochs
    done = epoch * steps + step
    match schedule:
        case Constant():
            return base
        case Step():
            # Whole epochs, as the reference's integer comparison: 60, 120 and 160 of 200.
            passed = sum(epoch >= int(fraction * horizon) for fraction in schedule.at)
            return base * schedule.factor**passed
        case Cosine():
            position = (epoch + step / steps if schedule.per_step else epoch) / horizon
            rate = schedule.final + (base - schedule.final) * (1 + math.cos(math.pi * position)) / 2
            return max(rate, schedule.floor)
        case Poly(warmup_lr=float(first)) if done < schedule.warmup:
            return first * (base / first) ** (done / schedule.warmup)
        case Poly():
            after = (done - schedule.warmup) / max(1, horizon * steps - schedule.warmup)
            return base * max(0.0, 1 - after) ** schedule.power
