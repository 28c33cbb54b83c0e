"""Ours: how long a study takes, and how many GPU-hours it pays for, against the number of GPUs."""

import pandas as pd
from matplotlib.figure import Figure

from nasperf360.figures import style


def draw(numbers: pd.DataFrame, title: str) -> Figure:
    """Two panels, on logarithmic axes; dotted: the hours of the jobs, shared out evenly.

    Args:
        numbers: ``gpus``, ``days``, ``gpu_hours``, ``busy_hours``, a row per number of GPUs.
        title: of the study and the card.
    """
    gpus, busy = numbers["gpus"], numbers["busy_hours"]
    with style.context():
        figure = Figure(figsize=(style.WIDTH, 2.4))
        for axes, name, values, least in zip(
            figure.subplots(1, 2),
            ("Days", "GPU-hours, if all are held"),
            (numbers["days"], numbers["gpu_hours"]),
            (busy / 24 / gpus, busy),
            strict=True,
        ):
            axes.plot(gpus, values, "o-", color="black", lw=1.2, ms=4)
            axes.plot(gpus, least, ":", color=style.GREY, lw=1)
            axes.set(xlabel="GPUs", ylabel=name)
            axes.set_xscale("log", base=2)
            axes.set_xticks(gpus, [str(count) for count in gpus])
            axes.minorticks_off()
            style.log_axis(axes, "y", *style.padded(least.min(), max(values.max(), least.max())))
        figure.suptitle(title, fontsize=9)
        return figure
