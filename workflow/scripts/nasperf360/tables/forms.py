"""A table in four forms: csv with every digit, Markdown, HTML and LaTeX for readers, from one description."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from nasperf360.errors import UserError
from nasperf360.files import write_text
from nasperf360.tables import latex

SIMULATED = "Simulated data: these numbers come from simulated raw data and say nothing about the benchmark."
CSV_FORMAT = "%.10g"  # ten digits: the last bits of a mean would differ between platforms


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


def _markdown_entry(text: str) -> str:
    return f"**{_markdown_text(text)}**" if isinstance(text, Bold) else _markdown_text(text)


def _latex_entry(text: str) -> str:
    return rf"\textbf{{{latex.text(text)}}}" if isinstance(text, Bold) else latex.text(text)


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


_HTML = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 14px/1.45 system-ui, sans-serif; margin: 1rem; }}
table {{ border-collapse: collapse; margin: 1rem 0; }}
th, td {{ padding: 0.25rem 0.6rem; border-bottom: 1px solid #8885; text-align: left; vertical-align: top; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
</style>
<body>
{body}
</body>
</html>
"""


def _html_entry(text: str) -> str:
    escaped = html.escape(text)
    return f"<strong>{escaped}</strong>" if isinstance(text, Bold) else escaped


def html_body(table: Table) -> str:
    """The table's caption, blocks and notes in HTML, the word on simulated data first."""
    parts = [f'<p class="simulated"><strong>{html.escape(SIMULATED)}</strong></p>'] if table.simulated else []
    parts.append(f"<p>{html.escape(table.caption)}</p>")
    for block in table.blocks:
        kinds = ["" if index < table.text_columns else ' class="number"' for index in range(len(block.columns))]
        head = "".join(
            f'<th scope="col"{kind}>{html.escape(str(column))}</th>'
            for kind, column in zip(kinds, block.columns, strict=True)
        )
        rows = [
            "".join(f"<td{kind}>{_html_entry(entry)}</td>" for kind, entry in zip(kinds, row, strict=True))
            for row in block.itertuples(index=False)
        ]
        body = "\n".join(f"<tr>{row}</tr>" for row in rows)
        parts.append(f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>")
    if table.notes:
        parts.append("<ul>\n" + "\n".join(f"<li>{html.escape(note)}</li>" for note in table.notes) + "\n</ul>")
    return "\n".join(parts)


def to_html(table: Table) -> str:
    """The table as a page of its own, as Snakemake's report shows it."""
    return _HTML.format(title=html.escape(table.name), body=html_body(table))


def to_latex(table: Table) -> str:
    """The table as a ``table`` environment, or several of a page each; needs the packages booktabs, array and graphicx.

    It fits a text width of 5.5 inches: long entries are wrapped, and what is too wide all the same is scaled down.
    """
    caption = f"{SIMULATED} {table.caption}" if table.simulated else table.caption
    lines: list[str] = []
    for number, (pieces, notes) in enumerate(latex.pages(table.blocks, table.text_columns, table.notes)):
        lines += ["", r"\begin{table}", r"\addtocounter{table}{-1}"] if number else [r"\begin{table}"]
        lines += [r"\centering", r"\footnotesize", r"\setlength{\tabcolsep}{3.5pt}"]
        lines.append(rf"\caption{{{latex.text(f'{table.caption} (continued)' if number else caption)}}}")
        lines += [] if number else [rf"\label{{tab:{table.name}}}"]
        for index, (columns, piece) in enumerate(pieces):
            rows = [[_latex_entry(entry) for entry in row] for row in piece.itertuples(index=False)]
            lines += ["", r"\medskip"] if index else []
            lines += latex.tabular(columns, list(map(str, piece.columns)), rows)
        for note in notes:
            lines += ["", rf"\par\raggedright {latex.text(note)}"]
        lines.append(r"\end{table}")
    return "\n".join(lines) + "\n"


def to_csv(table: Table) -> str:
    """The data, ten digits each."""
    return csv_text(table.data)


def csv_text(data: pd.DataFrame) -> str:
    """What the csv of a table holds, ten digits each."""
    return data.to_csv(index=False, float_format=CSV_FORMAT, lineterminator="\n")


_FORMS = {".csv": to_csv, ".md": to_markdown, ".html": to_html, ".tex": to_latex}


def write(table: Table, outputs: Mapping[str, str | Path] | Sequence[str | Path]) -> None:
    """Write the table to each path, in the form that its suffix names (csv, md, html, tex).

    Raises:
        UserError: another suffix.
    """
    for output in outputs.values() if isinstance(outputs, Mapping) else outputs:
        form = _FORMS.get(Path(output).suffix)
        if form is None:
            raise UserError(f"{output}: no such form of a table; name it {', '.join(_FORMS)}")
        write_text(output, form(table))
