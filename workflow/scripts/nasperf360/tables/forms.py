"""A table in three forms: csv with every digit, Markdown and LaTeX for readers, from one description."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import wrap

import pandas as pd

from nasperf360.errors import UserError
from nasperf360.files import write_text

SIMULATED = "Simulated data: these numbers come from simulated raw data and say nothing about the benchmark."
CSV_FORMAT = "%.10g"  # ten digits: the last bits of a mean would differ between platforms

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "†": r"\textsuperscript{\dag}",
    "‡": r"\textsuperscript{\ddag}",
    "§": r"\textsuperscript{\S}",
    "∞": r"$\infty$",
    "–": "--",
    "—": "---",
}


LATEX_LETTERS = 85  # that a line of 5.5 inches holds at 8 points
LATEX_ROWS = 45  # that a page holds
HEADING = 14  # letters of a line of a heading
LETTER = 0.56  # em: of most words no more
LONG_WORD = 16  # letters from which on a word may be broken between lines


class Bold(str):
    """Text of an entry that is set in bold."""

    __slots__ = ()


@dataclass(frozen=True)
class Table:
    """What a table shows.

    Args:
        name: used as the LaTeX label.
        data: the csv.
        caption: one sentence, without markup.
        blocks: one or more frames of text below each other, for readers; an entry may be :class:`Bold`.
        text_columns: how many leading columns hold words; they are set flush left, the others flush right.
        notes: lines below the table.
        simulated: some of its numbers come from simulated data.
    """

    name: str
    data: pd.DataFrame
    caption: str
    blocks: Sequence[pd.DataFrame]
    text_columns: int = 2
    notes: Sequence[str] = field(default=())
    simulated: bool = False


def number(value: float, decimals: int) -> str:
    """A rounded number with a true minus sign; empty where there is none."""
    if pd.isna(value):
        return ""
    text = f"{value:.{decimals}f}".replace("inf", "∞")
    if text.endswith("∞"):
        return text.replace("-", "−")
    if float(text) == 0:  # no "-0.0"
        text = text.lstrip("-")
    return text.replace("-", "−")


def mean_and_std(mean: float, std: float, decimals: int) -> str:
    """``23.35 ± 0.05``, or the mean alone where one seed gives no deviation."""
    return number(mean, decimals) + ("" if pd.isna(std) else f" ± {number(std, decimals)}")


def _markdown_text(text: str) -> str:
    for character in "\\|*_<>":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def _latex_text(text: str) -> str:
    return " ".join(_latex_word(word) for word in text.split())


def _latex_word(word: str) -> str:
    """A word; a long one, like a path, an address or a digest, may be broken behind its marks and every few letters."""
    since, parts = 0, []
    for character in word:
        parts.append(_LATEX.get(character, character))
        since += 1
        if len(word) > LONG_WORD and (character in "/._-=,:" or since == LONG_WORD):
            parts.append(r"\allowbreak{}")
            since = 0
    return "".join(parts)


def _heading_lines(text: str) -> list[str]:
    """The heading of a column in short lines, its unit, after the first comma, on lines of its own."""
    return [line for part in text.split(", ", 1) for line in wrap(part, HEADING) or [""]]


def _latex_heading(text: str, side: str) -> str:
    lines = [_latex_text(line) for line in _heading_lines(text)]
    return lines[0] if len(lines) == 1 else rf"\shortstack[{side}]{{" + r" \\ ".join(lines) + "}"


def _latex_columns(block: pd.DataFrame, text_columns: int) -> str:
    """How LaTeX sets the columns of a block: words flush left, and wrapped where the line is full; numbers flush right.

    Widths are counted in letters.
    """
    longest = [max([*map(len, _heading_lines(name)), *map(len, block[name])]) for name in map(str, block.columns)]
    narrowest = [
        max(
            [
                *map(len, _heading_lines(name)),
                *(min(len(word), LONG_WORD) for text in block[name] for word in text.split()),
            ]
        )
        for name in map(str, block.columns[:text_columns])
    ]
    widths = list(longest)
    while sum(widths) + 2 * len(widths) > LATEX_LETTERS and widths[:text_columns] != narrowest:
        width, index = max((widths[index], index) for index in range(text_columns) if widths[index] > narrowest[index])
        widths[index] = width - 1
    columns = ["l" if index < text_columns else "r" for index in range(len(widths))]
    for index, (width, full) in enumerate(zip(widths, longest, strict=True)):
        if width < full:
            columns[index] = rf">{{\raggedright\arraybackslash}}p{{{width * LETTER:.1f}em}}"
    return "".join(columns)


def _markdown_entry(text: str) -> str:
    return f"**{_markdown_text(text)}**" if isinstance(text, Bold) else _markdown_text(text)


def _latex_entry(text: str) -> str:
    return rf"\textbf{{{_latex_text(text)}}}" if isinstance(text, Bold) else _latex_text(text)


def to_markdown(table: Table) -> str:
    """The table in Markdown: the word on simulated data first, then caption, blocks and notes."""
    parts = [f"**{_markdown_text(SIMULATED)}**"] if table.simulated else []
    parts.append(_markdown_text(table.caption))
    for block in table.blocks:
        rule = [":---" if index < table.text_columns else "---:" for index in range(len(block.columns))]
        rows = [
            [_markdown_text(str(column)) for column in block.columns],
            rule,
            *([_markdown_entry(entry) for entry in row] for row in block.itertuples(index=False)),
        ]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    if table.notes:
        parts.append("\n".join(f"- {_markdown_text(note)}" for note in table.notes))
    return "\n\n".join(parts) + "\n"


def to_latex(table: Table) -> str:
    """The table as a ``table`` environment, or several of a page each; needs the packages booktabs, array and graphicx.

    It fits a text width of 5.5 inches: long entries are wrapped, and what is too wide all the same is scaled down.
    """
    caption = f"{SIMULATED} {table.caption}" if table.simulated else table.caption
    pages = _pages(table.blocks)
    texts = []
    for number, blocks in enumerate(pages):
        lines = [r"\begin{table}"] if number == 0 else ["", r"\begin{table}", r"\addtocounter{table}{-1}"]
        lines += [r"\centering", r"\footnotesize", r"\setlength{\tabcolsep}{3.5pt}"]
        lines.append(rf"\caption{{{_latex_text(caption if number == 0 else f'{table.caption} (continued)')}}}")
        lines += [rf"\label{{tab:{table.name}}}"] if number == 0 else []
        for index, block in enumerate(blocks):
            lines += ["", r"\medskip"] if index else []
            lines += _latex_block(block, table.text_columns)
        for note in table.notes if number == len(pages) - 1 else ():
            lines += ["", rf"\par\raggedright {_latex_text(note)}"]
        texts += [*lines, r"\end{table}"]
    return "\n".join(texts) + "\n"


def _pages(blocks: Sequence[pd.DataFrame]) -> list[list[pd.DataFrame]]:
    """Blocks by page: together while they fit, a longer one in pieces."""
    pages: list[list[pd.DataFrame]] = [[]]
    room = LATEX_ROWS
    for block in blocks:
        for start in range(0, max(len(block), 1), LATEX_ROWS):
            piece = block.iloc[start : start + LATEX_ROWS]
            if len(piece) > room and pages[-1]:
                pages.append([])
                room = LATEX_ROWS
            pages[-1].append(piece)
            room -= len(piece) + 4  # of its rules and headings
    return pages


def _latex_block(block: pd.DataFrame, text_columns: int) -> list[str]:
    sides = ["l" if index < text_columns else "r" for index in range(len(block.columns))]
    headings = [_latex_heading(str(name), side) for name, side in zip(block.columns, sides, strict=True)]
    rows = [" & ".join(_latex_entry(entry) for entry in row) + r" \\" for row in block.itertuples(index=False)]
    return [
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{_latex_columns(block, text_columns)}}}",
        r"\toprule",
        " & ".join(headings) + r" \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}}",
    ]


def to_csv(table: Table) -> str:
    """The data, ten digits each."""
    return csv_text(table.data)


def csv_text(data: pd.DataFrame) -> str:
    """What the csv of a table holds, ten digits each."""
    return data.to_csv(index=False, float_format=CSV_FORMAT, lineterminator="\n")


_FORMS = {".csv": to_csv, ".md": to_markdown, ".tex": to_latex}


def write(table: Table, outputs: Mapping[str, str | Path] | Sequence[str | Path]) -> None:
    """Write the table to each path, in the form that its suffix names (csv, md, tex).

    Raises:
        UserError: another suffix.
    """
    for output in outputs.values() if isinstance(outputs, Mapping) else outputs:
        form = _FORMS.get(Path(output).suffix)
        if form is None:
            raise UserError(f"{output}: no such form of a table; name it {', '.join(_FORMS)}")
        write_text(output, form(table))
