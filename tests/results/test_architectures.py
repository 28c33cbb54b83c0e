"""Pictures of architectures: every operation, connection and width of each is there, and the same bytes each time."""

import json
import sys
from importlib import import_module

import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.text import Text

from nasperf360.figures import diagram, style
from nasperf360.registry import room
from nasperf360.seeds import generator
from nasperf360.spaces.amber.drawing import LABELS
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.tasks.shared.task_spec import Signature

from .small_run import REFERENCE

SIGNATURES = {
    "darts": {"CIFAR-100": Signature(2, False, (3, 32, 32), 10), "Darcy Flow": Signature(2, True, (3, 32, 32), 1)},
    "densenas": {"CIFAR-100": Signature(2, False, (3, 32, 32), 10), "ECG": Signature(1, False, (1, 100), 4)},
    "autodl": {"Darcy Flow": Signature(2, True, (3, 32, 32), 1)},
    "amber": {"ECG": Signature(1, False, (1, 100), 4), "DeepSEA": Signature(1, False, (4, 100), 36)},
}


def sampled(name):
    """An architecture per task, drawn from the space."""
    return {
        title: search_space(name, signature, {}).sample(generator("picture", name, title))
        for title, signature in SIGNATURES[name].items()
    }


def draw(name, architectures):
    with style.context():
        return room("spaces", name, "drawing").draw(architectures)


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def arcs(figure):
    """The curved arrows; that to a cell's output is straight."""
    return [arrow for arrow in figure.findobj(FancyArrowPatch) if getattr(arrow.get_connectionstyle(), "rad", 0)]


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in SIGNATURES])
def test_same_architectures_same_bytes_and_simulated_data_named(name, tmp_path):
    architectures = sampled(name)
    pictures = [tmp_path / f"{turn}.{form}" for turn in (1, 2) for form in ("pdf", "svg", "png")]
    style.save(draw(name, architectures), pictures[:3], True)
    style.save(figure := draw(name, architectures), pictures[3:], True)
    for one, other in zip(pictures[:3], pictures[3:], strict=True):
        assert one.read_bytes() == other.read_bytes(), one.suffix
    assert style.RESULTS.sentence in texts(figure)
    for title in architectures:
        assert any(title in text for text in texts(figure))


def test_no_two_operations_differ_in_hue_alone():
    strokes = [(stroke.width, str(stroke.dashes)) for stroke in diagram.OPERATIONS.values()]
    assert len(set(strokes)) == len(diagram.OPERATIONS)


@pytest.mark.parametrize(("name", "cells"), [("darts", ("normal", "reduce")), ("autodl", ("cell",))])
def test_a_cell_has_an_arc_per_operation(name, cells):
    architectures = sampled(name)
    pairs = [pair for one in architectures.values() for cell in cells for pair in one.get(cell, [])]
    wanted = sorted(
        (diagram.OPERATIONS[operation].width, diagram.OPERATIONS[operation].colour) for operation, _ in pairs
    )
    figure = draw(name, architectures)
    drawn = sorted((arrow.get_linewidth(), to_hex(arrow.get_edgecolor())) for arrow in arcs(figure))
    assert drawn == sorted((width, to_hex(colour)) for width, colour in wanted)
    labels = {diagram.OPERATIONS[operation].label for operation, _ in pairs}
    assert labels <= set(texts(figure))


def test_both_cells_of_a_darts_network_stand_side_by_side_four_in_a_row():
    space = {
        dense: search_space("darts", SIGNATURES["darts"][title], {})
        for title, dense in (("CIFAR-100", False), ("Darcy Flow", True))
    }
    found = {f"task{index}": space[index % 2 == 0].sample(generator("row", index)) for index in range(5)}
    axes = draw("darts", found).axes
    assert len(axes) == 2 * 2 + 3
    places = [(one.get_subplotspec().rowspan.start, one.get_subplotspec().colspan.start) for one in axes]
    assert places == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)]
    titles = [one.get_title(loc="left") for one in axes]
    assert titles[:3] == ["task1, normal cell", "task1, reduction cell", "task3, normal cell"]


def test_the_path_of_levels_is_drawn_layer_by_layer():
    architecture = search_space("autodl", SIGNATURES["autodl"]["Darcy Flow"], {}).default()
    figure = draw("autodl", {"Darcy Flow": architecture})
    line = figure.axes[0].lines[0]
    assert list(line.get_xdata()) == list(range(len(architecture["path"]) + 1))
    assert [-int(level) for level in line.get_ydata()] == [0, *architecture["path"]]


def test_a_densenas_path_has_a_bar_per_basic_block():
    architecture = {"space": "densenas", "channels": [32, 48, 96], "layers": [0, 2]}
    axes = draw("densenas", {"ECG": architecture}).axes[0]
    assert [bar.get_height() for bar in axes.findobj(Rectangle) if bar is not axes.patch] == [32, 48, 96, 96, 96]
    labels = {text.get_text(): text.xy[1] for text in axes.texts}
    assert labels == {"32": 32, "48": 48, "96": 96}  # each on its bar
    assert axes.get_ylim()[1] > 96 * 1.1


def test_an_amber_network_has_a_box_per_layer_and_an_arc_per_skip():
    architectures = sampled("amber")
    figure = draw("amber", architectures)
    skips = [skip for one in architectures.values() for layer in one["layers"] for skip in layer["skips"]]
    assert len(arcs(figure)) == len(skips)
    for axes, architecture in zip(figure.axes, architectures.values(), strict=True):
        inner = sorted((text.get_position()[0], text.get_text()) for text in axes.texts)[1:-1]
        assert [text for _, text in inner] == [LABELS[layer["operation"]] for layer in architecture["layers"]]


def test_the_script_draws_a_figure_per_seed_and_says_where_nothing_was_found(tmp_path):
    sys.path.insert(0, str(REFERENCE.parents[1] / "workflow" / "scripts"))
    script = import_module("draw_architectures")
    path = tmp_path / "architecture.json"
    found = {"space": "densenas", "channels": [32, 48], "layers": [0]}
    path.write_text(json.dumps({"task": "ecg", "seed": 0, "architecture": found, "simulated": True}))
    outputs = [tmp_path / f"{seed}.png" for seed in (0, 1)]
    script.main("densenas", [path], outputs)
    assert all(output.stat().st_size > 500 for output in outputs)
    assert texts(script.draw("densenas", {})) == ["no architecture of this method and seed in this run"]
