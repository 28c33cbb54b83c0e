"""How all figures look, and how they are saved: the same bytes for the same numbers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, Locator, NullLocator
from numpy.typing import ArrayLike

from nasperf360.errors import UserError
from nasperf360.files import atomic_path, write_text
from nasperf360.labels import method_label, task_label
from nasperf360.seeds import derive_seed
from nasperf360.tables.forms import CSV_FORMAT

WIDTH = 7.0  # inches: the text width of a page
GREY = "#5f5f5f"
MARGIN = 0.05  # inches around all that is drawn
METHODS_PER_ROW = 5
NOTE_WIDTH = 110  # letters that fit below the panels
NOTE_HEIGHT = 0.15  # inches of a line there

_RC: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine draws the same letters
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "figure.constrained_layout.use": True,
    "figure.dpi": 200,  # laid out as it is saved: letters are up to a twentieth narrower at 100
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "svg.hashsalt": "nasperf360",
}

_TICKS = (  # round numbers of a decade, from many to few
    (1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2, 2.5, 3, 4, 5, 6, 8),
    (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8),
    (1, 1.5, 2, 3, 4, 6),
    (1, 2, 5),
    (1, 3),
    (1,),
)
_ROOM = {"x": 21.0, "y": 12.0}  # points from tick to tick, so that their labels stand apart
_DECADES = 10.0 ** np.arange(-12, 13)

_METADATA: dict[str, dict[str, Any]] = {
    ".pdf": {"CreationDate": None},
    ".svg": {"Date": None},
    ".png": {},
}


@dataclass(frozen=True)
class Look:
    """How a method is drawn wherever it appears."""

    colour: str
    marker: str
    dashes: Any = "-"


# Okabe and Ito's palette, told apart with any colour vision; space by shape of the dash, default and tuned by marker.
_LOOKS = {
    "wrn-default": Look("#000000", "o"),
    "wrn-asha": Look("#0072B2", "s"),
    "densenas-original": Look("#D55E00", "^", (0, (5, 1.5))),
    "densenas-random": Look("#E69F00", "v", (0, (5, 1.5))),
    "darts-gaea": Look("#009E73", "D", (0, (1.5, 1))),
    "autodl-darts": Look("#CC79A7", "P", (0, (5, 1, 1, 1))),
    "amber-enas": Look("#56B4E9", "X", (0, (5, 1, 1, 1))),
    "perceiver-io-default": Look("#882255", "*", (0, (3, 1, 1, 1, 1, 1))),
    "xgboost-default": Look("#999933", "p", (0, (3, 1, 1, 1, 1, 1))),
}
_OTHER_COLOURS = ("#332288", "#882255", "#117733", "#999933", "#AA4499", "#44AA99")
_OTHER_MARKERS = ("<", ">", "p", "h", "*", "d", "8")


@dataclass(frozen=True)
class Mark:
    """How a figure says that it rests on simulated data: a sentence below it, and words across it."""

    sentence: str
    words: str
    colour: str = "black"
    alpha: float = 0.06
    edge: str | None = None


RESULTS = Mark("Simulated data: these results say nothing about the benchmark.", "simulated data")
IMAGES = Mark("Simulated images, not those of the benchmark.", "simulated images", "white", 0.85, edge="black")


def look(method: str) -> Look:
    """The look of a method, fixed by its name, so that a further method never recolours the others."""
    if method in _LOOKS:
        return _LOOKS[method]
    seed = derive_seed("look", method)
    return Look(
        _OTHER_COLOURS[seed % len(_OTHER_COLOURS)],
        _OTHER_MARKERS[seed // 7 % len(_OTHER_MARKERS)],
        (0, (3, 1, 1, 1, 1, 1)),
    )


@contextmanager
def context() -> Iterator[None]:
    """Draw inside of this: matplotlib's defaults and our settings, whatever the user's matplotlibrc says."""
    with rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


class RoundTicks(Locator):
    """Round numbers on a logarithmic axis, as many as its drawn length has room for."""

    def __init__(self, axes: Axes, name: str) -> None:
        self.axes, self.name = axes, name

    def __call__(self) -> Sequence[float]:
        return self.tick_values(*getattr(self.axes, f"get_{self.name}lim")())

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        pixels = self.axes.bbox.width if self.name == "x" else self.axes.bbox.height
        points = pixels / self.axes.figure.dpi * 72
        ticks = np.array([])
        for steps in _TICKS:
            ticks = np.round(np.outer(_DECADES, steps).ravel(), 12)
            ticks = ticks[(ticks >= vmin) & (ticks <= vmax)]
            if (np.diff(np.log(ticks)) * points >= _ROOM[self.name] * np.log(vmax / vmin)).all():
                break
        return list(ticks)


def log_axis(axes: Axes, axis: str, low: float, high: float) -> None:
    """A logarithmic axis from ``low`` to ``high`` with round, plainly written ticks."""
    getattr(axes, f"set_{axis}scale")("log")
    getattr(axes, f"set_{axis}lim")(low, high)
    target = axes.xaxis if axis == "x" else axes.yaxis
    target.set_major_locator(RoundTicks(axes, axis))
    target.set_minor_locator(NullLocator())
    target.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def padded(low: float, high: float, share: float = 0.07) -> tuple[float, float]:
    """Limits of a logarithmic axis that leave this share of it free at both ends, so that no marker is cut."""
    margin = max((high / low) ** share, 1.1)
    return low / margin, high * margin


def last_inlier(values: ArrayLike) -> float:
    """The largest of the values that a logarithmic axis is to hold.

    Few values, a fifth at most, that lie beyond an empty decade would squeeze all others into a corner; they are left
    out, and whoever draws the axis writes them at its end. NaN where there are no values.
    """
    ordered = np.sort(np.asarray(values, float))
    for index in range(len(ordered) - len(ordered) // 5, len(ordered)):
        if ordered[index] > 10 * ordered[index - 1]:
            return float(ordered[index - 1])
    return float(ordered[-1]) if ordered.size else np.nan


def limits(ratios: ArrayLike) -> tuple[float, float]:
    """Limits of a logarithmic axis of ratios: around 1, and all of them but outliers, zeros and infinite ones."""
    ratios = np.asarray(ratios, float)
    inside = ratios[np.isfinite(ratios) & (ratios > 0)]
    return padded(min([0.8, *inside]), max(1.25, last_inlier([1.0, *inside])))


def markers(axes: Axes, x: ArrayLike, ratios: ArrayLike, high: float, look: Look, size: float) -> None:
    """Filled marks at ratios up to ``high``; an arrow to those beyond, as infinite ones, and to those of 0."""
    x, ratios = np.asarray(x, float), np.asarray(ratios, float)
    inside = (ratios > 0) & (ratios <= high)
    axes.scatter(x[inside], ratios[inside], s=size, marker=look.marker, color=look.colour, lw=0)
    write_outside(axes, x, ratios, high, look.colour)


def write_outside(axes: Axes, x: ArrayLike, ratios: ArrayLike, high: float, colour: str) -> None:
    """An arrow to ratios of 0 at the lower end of a logarithmic axis, and to those beyond ``high`` at its upper one."""
    x, ratios = np.asarray(x, float), np.asarray(ratios, float)
    for place in np.unique(x):
        here = ratios[x == place]
        for values, end in ((here[here > high], 1), (here[here == 0], 0)):
            if values.size:
                _write_at_end(axes, place, values, colour, end)


def _write_at_end(axes: Axes, x: float, values: ArrayLike, colour: str, end: int) -> None:
    ends = dict.fromkeys("∞" if np.isinf(value) else f"{value:.3g}" for value in (np.min(values), np.max(values)))
    axes.annotate(
        "–".join(ends),
        (x, end),
        (0, -12 if end else 12),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        ha="center",
        va="top" if end else "bottom",
        fontsize=6.5,
        color=colour,
        arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 0.8, "mutation_scale": 7, "shrinkA": 0, "shrinkB": 0},
    )


def task_axis(axes: Axes, titles: Sequence[str]) -> None:
    """Tasks side by side, at 0, 1, 2, ..., with lines between them."""
    for edge in np.arange(len(titles) - 1) + 0.5:
        axes.axvline(edge, color="#e3e3e3", lw=0.6, zorder=0)
    axes.grid(False, axis="x")
    axes.set_xlim(-0.5, len(titles) - 0.5)
    axes.set_xticks(range(len(titles)), titles)
    axes.tick_params(axis="x", length=0)


def failure_notes(errors: pd.DataFrame) -> list[str]:
    """A line on the methods that failed; ``errors`` has task, method and error, infinite where one did."""
    failed = errors[np.isinf(errors["error"])].drop_duplicates(["task", "method"])
    by_method = failed.groupby("method", sort=False)["task"].agg(lambda tasks: ", ".join(map(task_label, tasks)))
    if by_method.empty:
        return []
    pairs = "; ".join(f"{method_label(str(method))} ({tasks})" for method, tasks in by_method.items())
    return [f"Seeds failed, so there is no mean: {pairs}."]


def wrapped(notes: Sequence[str]) -> list[str]:
    """Lines of notes that fit below the panels."""
    return [line for note in notes for line in wrap(note, NOTE_WIDTH)]


def marks(methods: Sequence[str]) -> list[Line2D]:
    """The marker of each method, for a legend."""
    return [Line2D([], [], ls="", marker=look(method).marker, color=look(method).colour, ms=5) for method in methods]


def legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str], **options: Any) -> None:
    """One legend above all panels, in rows of equal length that fit the width."""
    rows = -(-len(labels) // METHODS_PER_ROW)
    figure.legend(handles, labels, loc="outside upper center", ncols=-(-len(labels) // rows), **options)


def empty(figure: Figure, reason: str) -> None:
    """Say why a figure shows nothing."""
    figure.text(0.5, 0.5, reason, ha="center", va="center", color=GREY, wrap=True)


def save(
    figure: Figure,
    outputs: Sequence[str | Path],
    simulated: bool,
    numbers: pd.DataFrame | None = None,
    mark: Mark = RESULTS,
) -> None:
    """Write a figure to each path by its suffix: pdf, svg, png, and the numbers drawn as csv.

    Args:
        figure: made inside of :func:`context`.
        outputs: paths.
        simulated: some of it comes from simulated data: a caption and a watermark say so, and a csv column.
        numbers: what the csv holds.
        mark: the caption and watermark: :data:`RESULTS`, or :data:`IMAGES` where pictures cover the ground.

    Raises:
        UserError: an unknown suffix, or a csv without numbers.
    """
    with context():
        if simulated:
            _mark_simulated(figure, mark)
        # Laid out and measured once for all forms; matplotlib would do both anew for each.
        if figure.axes and (layout := figure.get_layout_engine()):
            layout.execute(figure)
        matplotlib.rcParams["figure.constrained_layout.use"] = False
        figure.set_layout_engine(None)  # none at all: with "none" it would still draw each form twice
        box = figure.get_tightbbox().padded(MARGIN)
        for output in map(Path, outputs):
            if output.suffix == ".csv" and numbers is not None:
                table = numbers.assign(simulated=simulated)
                write_text(output, table.to_csv(index=False, float_format=CSV_FORMAT, lineterminator="\n"))
            elif output.suffix in _METADATA:
                stream = BytesIO()
                figure.savefig(stream, format=output.suffix[1:], metadata=_METADATA[output.suffix], bbox_inches=box)
                with atomic_path(output) as partial:
                    partial.write_bytes(stream.getvalue())
            else:
                raise UserError(f"{output}: no such form of a figure; name it .pdf, .svg, .png, or .csv with numbers")


def _mark_simulated(figure: Figure, mark: Mark) -> None:
    figure.text(0.995, -0.01, mark.sentence, ha="right", va="top", fontsize=7, style="italic", color=GREY)
    words = figure.text(0.5, 0.5, mark.words, ha="center", va="center", rotation=12, fontsize=34)
    words.set(color=mark.colour, alpha=mark.alpha)
    if mark.edge:
        words.set_path_effects([withStroke(linewidth=1.4, foreground=mark.edge, alpha=mark.alpha)])
