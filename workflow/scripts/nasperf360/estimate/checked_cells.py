"""The table of ``benchmarks/gpu_check.py``: what steps took that were run on a GPU.

A JSON object with ``device``, the name that torch gives the GPU, and ``cells``, a list of objects with

- ``task``, ``method``, and ``stage``: ``search`` or ``retrain``;
- ``seconds_per_step``: of a training step at the batch size of the paper scale; in a search, of one turn: a weight step
  and, where there is one, an architecture step;
- ``peak_gib``: most memory of such a step;
- ``roofline_share``: share of the roofline that it reached.

Numbers that a cell lacks, or that are null because it did not run, are estimated.
"""

from dataclasses import dataclass, field
from pathlib import Path

from nasperf360.errors import UserError
from nasperf360.estimate.cards import Card, card_named
from nasperf360.files import read_json

NUMBERS = ("seconds_per_step", "peak_gib", "roofline_share")


@dataclass(frozen=True)
class Checked:
    """What was measured of one stage of a (task, method); None where it was not."""

    seconds_per_step: float | None = None
    peak_gib: float | None = None
    roofline_share: float | None = None


@dataclass(frozen=True)
class CheckedCells:
    """What was measured on one card.

    Args:
        device: its name.
        card: which of those of ``cards.py`` that is, if any.
        cells: by task, method and stage.
    """

    device: str = ""
    card: Card | None = None
    cells: dict[tuple[str, str, str], Checked] = field(default_factory=dict)

    def of(self, task: str, method: str, stage: str) -> Checked:
        """What is known of a cell."""
        return self.cells.get((task, method, stage), Checked())


def read_checked(path: Path) -> CheckedCells:
    """The table of a check.

    Raises:
        UserError: no such file, or it is built otherwise.
    """
    content = read_json(path)
    try:
        cells = {
            (cell["task"], cell["method"], cell["stage"]): Checked(*(_number(cell.get(name)) for name in NUMBERS))
            for cell in content["cells"]
        }
        return CheckedCells(content["device"], card_named(content["device"]), cells)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path}: not the table of benchmarks/gpu_check.py ({type(error).__name__}: {error}); make it anew"
        ) from error


def _number(value: object) -> float | None:
    """A positive number, or None.

    Raises:
        ValueError: something else.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"{value!r} is no positive number")
    return float(value)
