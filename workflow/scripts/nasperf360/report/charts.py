"""The page's charts as Vega-Lite; the browser computes them anew when the reader switches a method off.

Colours that begin with @ are those of the page's theme; the page puts them in.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nasperf360.figures import style
from nasperf360.labels import method_label, method_name, task_label
from nasperf360.tables.performance import error_matrix

Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
INK, MUTED, GRID = "@ink", "@muted", "@grid"
SHAPES = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "v": "triangle-down",
    "D": "diamond",
    "P": "cross",
    "X": "triangle-right",
}
SIMULATED = "simulated data"
CURVE_POINTS = 120


def _chart(name: str, simulated: bool, **spec: Any) -> Spec:
    """A chart with the page's colours, and the word on simulated data."""
    axis = {"labelColor": MUTED, "titleColor": INK, "gridColor": GRID, "domainColor": MUTED, "tickColor": MUTED}
    config = {
        "background": "transparent",
        "font": "system-ui, sans-serif",
        "view": {"stroke": GRID},
        "axis": {**axis, "titleFontWeight": "normal"},
        "legend": {"labelColor": INK, "titleColor": INK},
        "title": {"color": MUTED, "fontWeight": "normal", "fontStyle": "italic", "anchor": "end", "fontSize": 11},
        "header": {"labelColor": INK, "titleColor": INK},
    }
    title = {"title": SIMULATED} if simulated else {}
    return {"$schema": SCHEMA, "description": name, **title, "config": config, **spec}


def _looks(methods: Sequence[str]) -> dict[str, Any]:
    """The colour and shape of each method, by its label, as in the figures."""
    labels = [method_label(method) for method in methods]
    colours = [style.look(method).colour for method in methods]
    shapes = [SHAPES.get(style.look(method).marker, "triangle-left") for method in methods]
    return {
        "color": {
            "field": "label",
            "type": "nominal",
            "title": None,
            "scale": {"domain": labels, "range": [INK if colour == "#000000" else colour for colour in colours]},
        },
        "shape": {
            "field": "label",
            "type": "nominal",
            "title": None,
            "scale": {"domain": labels, "range": shapes},
        },
    }


def finite(value: float) -> float | None:
    """A number for JSON; None where there is none, or an infinite one."""
    return float(value) if np.isfinite(value) else None


def profiles(performance: pd.DataFrame, tasks: pd.DataFrame, simulated: bool) -> Spec:
    """Performance profiles; a check box per method and a choice of tasks, and ratios to the best of what is chosen.

    Args:
        performance: as ``read_performance`` gives it.
        tasks: as ``read_tasks`` gives them.
        simulated: whether to say so.
    """
    errors = error_matrix(performance)
    methods = list(errors.columns)
    rows = [
        {
            "task": task,
            "kind": f"{int(tasks.loc[task, 'dimensions'])}-D {tasks.loc[task, 'kind']}",
            "label": method_label(method),
            "error": finite(errors.loc[task, method]),
        }
        for task in errors.index
        for method in methods
    ]
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    boxes = [
        {"name": f"method_{index}", "value": True, "bind": {"input": "checkbox", "name": method_label(method)}}
        for index, method in enumerate(methods)
    ]
    chosen = " || ".join(
        f"(datum.label === {method_label(method)!r} && method_{index})" for index, method in enumerate(methods)
    )
    last = "datum.place === datum.solved"
    return _chart(
        "Performance profiles",
        simulated,
        width="container",
        height=320,
        data={"values": rows},
        params=[
            {
                "name": "tasks",
                "value": "all tasks",
                "bind": {"input": "select", "options": ["all tasks", *kinds], "name": "tasks"},
            },
            *boxes,
        ],
        transform=[
            {"filter": "tasks === 'all tasks' || datum.kind === tasks"},
            {"filter": chosen},
            {
                "joinaggregate": [
                    {"op": "distinct", "field": "task", "as": "tasks"},
                ]
            },
            {"filter": "isValid(datum.error)"},
            {"joinaggregate": [{"op": "min", "field": "error", "as": "best"}], "groupby": ["task"]},
            {"calculate": "datum.error === datum.best ? 1 : datum.error / datum.best", "as": "ratio"},
            {"filter": "isFinite(datum.ratio)"},
            {"joinaggregate": [{"op": "max", "field": "ratio", "as": "largest"}]},
            {
                "window": [{"op": "row_number", "as": "place"}],
                "sort": [{"field": "ratio"}],
                "groupby": ["label"],
            },
            {"joinaggregate": [{"op": "count", "as": "solved"}], "groupby": ["label"]},
            # Each curve starts at 1 and ends where the axis does.
            {
                "calculate": f"datum.place === 1 ? ({last} ? [1, datum.ratio, max(1.5, 1.1 * datum.largest)] : "
                f"[1, datum.ratio]) : ({last} ? [datum.ratio, max(1.5, 1.1 * datum.largest)] : [datum.ratio])",
                "as": "tau",
            },
            {"calculate": "datum.place / datum.tasks", "as": "reached"},
            {
                "calculate": f"datum.place === 1 ? ({last} ? [0, datum.reached, datum.reached] : [0, datum.reached]) : "
                f"({last} ? [datum.reached, datum.reached] : [datum.reached])",
                "as": "fraction",
            },
            {"flatten": ["tau", "fraction"]},
        ],
        mark={"type": "line", "interpolate": "step-after", "strokeWidth": 2, "point": {"size": 24}},
        encoding={
            "x": {
                "field": "tau",
                "type": "quantitative",
                "scale": {"type": "log", "nice": False},
                "title": "factor τ of the lowest error among the methods chosen",
                "axis": {"tickCount": 6, "format": "~g"},
            },
            "y": {
                "field": "fraction",
                "type": "quantitative",
                "scale": {"domain": [0, 1]},
                "axis": {"format": "%"},
                "title": "tasks within factor τ",
            },
            "color": _looks(methods)["color"] | {"legend": {"orient": "bottom", "columns": 2}},
            "tooltip": [
                {"field": "label", "title": "method"},
                {"field": "tau", "title": "τ", "format": ".3~f"},
                {"field": "fraction", "title": "tasks", "format": ".0%"},
                {"field": "tasks", "title": "of"},
            ],
        },
    )


def ranks(aggregate: pd.DataFrame, simulated: bool) -> Spec:
    """Median rank and median improvement of each method with their intervals."""
    rows = [
        {
            "label": method_label(method_name(row.space, row.algorithm)),
            **{
                name: finite(getattr(row, name))
                for kind in ("median_rank", "median_improvement")
                for name in (kind, f"{kind}_low", f"{kind}_high")
            },
        }
        for row in aggregate.itertuples()
    ]
    order = [row["label"] for row in sorted(rows, key=lambda row: (row["median_rank"] is None, row["median_rank"]))]
    methods = [method_name(row.space, row.algorithm) for row in aggregate.itertuples()]

    def panel(field: str, title: str, format: str) -> Spec:
        y = {"field": "label", "type": "nominal", "sort": order, "title": None, "axis": {"labelColor": INK}}
        tooltip = [
            {"field": "label", "title": "method"},
            *(
                {"field": name, "title": words, "format": format}
                for name, words in ((field, title), (f"{field}_low", "from"), (f"{field}_high", "to"))
            ),
        ]
        common = {"y": y, "color": {**_looks(methods)["color"], "legend": None}, "tooltip": tooltip}
        return {
            "width": 230,
            "height": {"step": 26},
            "layer": [
                {
                    "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.45},
                    "encoding": {
                        **common,
                        "x": {
                            "field": f"{field}_low",
                            "type": "quantitative",
                            "title": title,
                            "scale": {"zero": False},
                        },
                        "x2": {"field": f"{field}_high"},
                    },
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                    "encoding": {**common, "x": {"field": field, "type": "quantitative", "title": title}},
                },
            ],
        }

    return _chart(
        "Ranks and improvement with 95 % intervals",
        simulated,
        data={"values": rows},
        columns=2,
        concat=[
            panel("median_rank", "median rank (lower is better)", ".1f"),
            panel("median_improvement", "median improvement over the default WRN, %", ".1f"),
        ],
    )


def cost(costs: pd.DataFrame, simulated: bool) -> Spec:
    """Error relative to the default WRN against hours, with a choice of the task.

    Args:
        costs: what the figure ``cost`` draws.
        simulated: whether to say so.
    """
    shown = costs[np.isfinite(costs["relative_error"]) & (costs["relative_error"] > 0) & (costs["hours"] > 0)]
    rows = [
        {
            "task": task_label(row.task),
            "label": method_label(row.method),
            "hours": float(row.hours),
            "search": finite(row.search_hours),
            "retraining": finite(row.retrain_hours),
            "relative": float(row.relative_error),
        }
        for row in shown.itertuples()
    ]
    methods = list(dict.fromkeys(costs["method"]))
    log = {"type": "log", "nice": False, "padding": 15}
    return _chart(
        "Error against cost",
        simulated,
        width="container",
        height=320,
        data={"values": rows},
        params=[
            {
                "name": "task",
                "value": "all",
                "bind": {
                    "input": "select",
                    "options": ["all", *dict.fromkeys(row["task"] for row in rows)],
                    "name": "task",
                },
            }
        ],
        transform=[{"filter": "task === 'all' || datum.task === task"}],
        mark={"type": "point", "filled": True, "size": 70, "opacity": 0.85},
        encoding={
            "x": {
                "field": "hours",
                "type": "quantitative",
                "scale": log,
                "title": "hours of search and retraining, of one seed",
                "axis": {"tickCount": 6, "format": "~g"},
            },
            "y": {
                "field": "relative",
                "type": "quantitative",
                "scale": log,
                "title": "error relative to the default WRN",
                "axis": {"tickCount": 6, "format": "~g"},
            },
            **{
                channel: look | {"legend": {"orient": "bottom", "columns": 2}}
                for channel, look in _looks(methods).items()
            },
            "tooltip": [
                {"field": "task"},
                {"field": "label", "title": "method"},
                {"field": "relative", "title": "relative error", "format": ".3~g"},
                {"field": "search", "title": "hours of search", "format": ".2~g"},
                {"field": "retraining", "title": "hours of retraining", "format": ".2~g"},
            ],
        },
    )


def curves(simulated: bool) -> Spec:
    """Curves of a search or a training; the page gives it the rows that :func:`curve_rows` makes."""
    scale = {"zero": False}
    title = "steps (epochs, trials) or seconds"
    x = {"field": "x", "type": "quantitative", "title": title, "scale": scale, "axis": {"tickCount": 6}}
    colour = {"field": "quantity", "type": "nominal", "title": None, "legend": {"orient": "bottom", "columns": 1}}
    area = {
        "x": x,
        "y": {"field": "low", "type": "quantitative", "title": None, "scale": scale},
        "y2": {"field": "high"},
        "color": colour,
    }
    line = {
        "x": x,
        "y": {"field": "mean", "type": "quantitative", "title": None, "scale": scale},
        "color": colour,
        "tooltip": [
            {"field": "quantity"},
            {"field": "step"},
            {"field": "seconds", "format": ".3~s"},
            {"field": "mean", "format": ".4~g"},
            {"field": "low", "title": "lowest seed", "format": ".4~g"},
            {"field": "high", "title": "highest seed", "format": ".4~g"},
        ],
    }
    against = {"input": "select", "options": ["steps", "seconds"], "name": "against"}
    return _chart(
        "Curves, mean and range over seeds",
        simulated,
        width="container",
        height=180,
        data={"values": []},
        params=[{"name": "against", "value": "steps", "bind": against}],
        transform=[{"calculate": "against === 'steps' ? datum.step : datum.seconds", "as": "x"}],
        layer=[
            {"mark": {"type": "area", "opacity": 0.2}, "encoding": area},
            {"mark": {"type": "line", "point": {"size": 18}}, "encoding": line},
        ],
    )


def curve_rows(curves: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Rows of the curves of each search and training, ``<task>/<method>/<stage>``, a hundred or so of each quantity.

    Args:
        curves: what the figure ``curves`` draws.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for (task, method, stage, quantity), curve in curves.groupby(["task", "method", "stage", "quantity"], sort=False):
        places = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), CURVE_POINTS)).round().astype(int))
        found.setdefault(f"{task}/{method}/{stage}", []).extend(
            {
                "quantity": quantity,
                "step": int(row.step),
                "seconds": finite(3600 * row.hours),
                "mean": finite(row.mean),
                "low": finite(row.low),
                "high": finite(row.high),
            }
            for row in curve.iloc[places].itertuples()
        )
    return found
