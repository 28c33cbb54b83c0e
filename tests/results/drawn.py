"""What a figure shows, in words and numbers: titles, axes, every line, dot, bar, band, picture and text."""

from collections.abc import Iterator

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

MOST = 12  # numbers that are written one by one; of more, their count, ends and mean


def shown(figure: Figure) -> str:
    """A paragraph for the figure and one for each of its axes."""
    width, height = figure.get_size_inches()
    about = [f"figure of {width:.2f} by {height:.2f} inches"]
    about += [text.get_text() for text in figure.texts]
    for legend in figure.legends:
        entries = zip(legend.legend_handles, legend.get_texts(), strict=True)
        about.append(f"legend: {', '.join(f'{text.get_text()} ({_mark(mark)})' for mark, text in entries)}")
    return "\n\n".join("\n".join(part) for part in (about, *map(_axes, figure.axes))) + "\n"


def _axes(axes: Axes) -> list[str]:
    lines = [f"axes {axes.get_title() or axes.get_title(loc='left')!r}{'' if axes.axison else ', off'}"]
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        ticks = [text.get_text() for text in axis.get_ticklabels()]
        lines.append(
            f"  {name} {axis.get_label_text()!r} {axis.get_scale()} {_numbers(axis.get_view_interval())}: "
            f"{', '.join(ticks)}"
        )
    return lines + [f"  {part}" for part in _artists(axes)]


def _mark(mark: Artist | None) -> str:
    if isinstance(mark, Line2D):
        fill = "" if mark.get_marker() in ("", "None") else f" filled {mark.get_markerfacecolor()}"
        return f"{mark.get_color()} {mark.get_marker()} {mark.get_linestyle()}{fill}"
    assert isinstance(mark, Patch)
    return to_hex(mark.get_facecolor())


def _artists(axes: Axes) -> Iterator[str]:
    for line in axes.get_lines():
        look = f"{line.get_color()} {line.get_marker()} {line.get_linestyle()}"
        marked = f" marks at {_numbers(line.get_markevery())}" if line.get_markevery() else ""
        yield f"line {look} x {_numbers(line.get_xdata())} y {_numbers(line.get_ydata())}{marked}"
    for part in axes.collections:
        if isinstance(part, PathCollection):
            face = ",".join(map(to_hex, part.get_facecolor())) or "none"
            edge = ",".join(map(to_hex, part.get_edgecolor()))
            x, y = np.ma.getdata(part.get_offsets()).T
            yield f"dots {face} {edge} of {_numbers(part.get_sizes())} x {_numbers(x)} y {_numbers(y)}"
        elif isinstance(part, LineCollection):
            yield f"bars {_colour(part)} {'; '.join(_numbers(np.ravel(segment)) for segment in part.get_segments())}"
        elif isinstance(part, PolyCollection):
            corners = np.concatenate([path.vertices for path in part.get_paths()])
            yield f"band {_colour(part)} x {_numbers(corners[:, 0])} y {_numbers(corners[:, 1])}"
    for picture in axes.get_images():
        values = np.asarray(picture.get_array(), float)
        limits = f" between {_numbers(picture.get_clim())}" if values.ndim == 2 else ""
        yield f"picture {values.shape}: {_numbers(values.ravel())}{limits}"
    for text in axes.texts:
        at = text.xy if isinstance(text, matplotlib.text.Annotation) else text.get_position()
        yield f"text {text.get_text()!r} {text.get_color()} at {_numbers(at)}"


def _colour(part: PolyCollection | LineCollection) -> str:
    return ",".join(map(to_hex, part.get_facecolor() if isinstance(part, PolyCollection) else part.get_color()))


def _numbers(values) -> str:
    values = np.asarray(values, float).ravel()
    if len(values) > MOST:
        return f"{len(values)} from {values[0]:.4g} to {values[-1]:.4g}, mean {np.nanmean(values):.4g}"
    return " ".join(f"{value:.4g}" for value in values)
