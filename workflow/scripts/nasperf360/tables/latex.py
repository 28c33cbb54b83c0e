"""How tables are set in LaTeX: signs, widths of columns, rows by page; for a text of 5.5 by 9 inches at 8 points."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import pandas as pd

LETTERS = 85  # that a line holds
SCALED = 105  # that it holds when scaled down to what can still be read
LINES = 50  # that a page holds, caption and headings of the first block aside
HEADING = 14  # letters of a line of a heading
LETTER = 0.56  # em: of most words no more
LIST = 20  # letters beyond which an entry of a column of numbers is a list of them
LONG_WORD = 16  # letters from which on a word may be broken between lines

_SIGNS = {
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


@dataclass(frozen=True)
class Columns:
    """The columns of a block.

    Args:
        widths: letters that a line of each holds.
        longest: letters of its longest entry, which is wrapped where that is more.
        words: how many leading columns hold words; they are set flush left, the others flush right.
    """

    widths: list[int]
    longest: list[int]
    words: int

    def side(self, index: int) -> str:
        """``l`` or ``r``."""
        return "l" if index < self.words else "r"

    def __str__(self) -> str:
        return "".join(
            self.side(index) if width == full else _wrapped(self.side(index), width)
            for index, (width, full) in enumerate(zip(self.widths, self.longest, strict=True))
        )


def _wrapped(side: str, width: int) -> str:
    ragged = r"\raggedright" if side == "l" else r"\raggedleft"
    return rf">{{{ragged}\arraybackslash}}p{{{width * LETTER:.1f}em}}"


Page = tuple[list[tuple[Columns, pd.DataFrame]], Sequence[str]]
"""Rows of blocks, and the notes below them."""


def text(words: str) -> str:
    """Words with LaTeX's signs for those that it has no letters for."""
    return " ".join(_word(word) for word in words.split())


def _word(word: str) -> str:
    """A word; a long one, like a path, an address or a digest, may be broken behind its marks and every few letters."""
    since, parts = 0, []
    for character in word:
        parts.append(_SIGNS.get(character, character))
        since += 1
        if len(word) > LONG_WORD and (character in "/._-=,:" or since == LONG_WORD):
            parts.append(r"\allowbreak{}")
            since = 0
    return "".join(parts)


def _heading(name: str) -> list[str]:
    """The heading of a column in short lines; its unit, after the first comma, starts a line of its own."""
    return [line for part in name.split(", ", 1) for line in wrap(part, HEADING) or [""]]


def columns_of(block: pd.DataFrame, words: int) -> Columns:
    """How the columns of a block are set: where a line cannot hold them, the longest entries are wrapped.

    Args:
        block: a frame of text.
        words: how many leading columns hold words; of the others only lists of numbers are wrapped.
    """
    names = list(map(str, block.columns))
    longest = [max([*map(len, _heading(name)), *map(len, block[name])]) for name in names]
    widths, gaps = list(longest), 2 * len(longest)
    if sum(longest) + gaps > SCALED:
        narrowest = [
            max([*map(len, _heading(name)), *map(_longest_word, block[name])])
            if index < words or longest[index] > LIST
            else longest[index]
            for index, name in enumerate(names)
        ]
        while sum(widths) + gaps > LETTERS and widths != narrowest:
            _, widest = max((width, index) for index, width in enumerate(widths) if width > narrowest[index])
            widths[widest] -= 1
    return Columns(widths, longest, words)


def _longest_word(words: str) -> int:
    return max((min(len(word), LONG_WORD) for word in words.split()), default=0)


def pages(blocks: Sequence[pd.DataFrame], words: int, notes: Sequence[str]) -> list[Page]:
    """Blocks by page: below each other while they fit, a longer one in pieces, and the notes below the last.

    Args:
        blocks: frames of text.
        words: how many leading columns hold words.
        notes: lines below the table.
    """
    found: list[list[tuple[Columns, pd.DataFrame]]] = [[]]
    room = LINES
    for block in blocks:
        columns = columns_of(block, words)
        heights = [_height(columns, row) for row in block.itertuples(index=False)]
        room -= 4  # its rules and headings
        start = 0
        for row, height in enumerate(heights):
            if height > room:
                if row > start:
                    found[-1].append((columns, block.iloc[start:row]))
                found.append([])
                start, room = row, LINES
            room -= height
        found[-1].append((columns, block.iloc[start:]))
    if sum(-(-len(note) // LETTERS) for note in notes) > room:
        found.append([])
    return [(pieces, notes if number == len(found) - 1 else ()) for number, pieces in enumerate(found)]


def _height(columns: Columns, row: Sequence[str]) -> int:
    return max((-(-len(entry) // width) for entry, width in zip(row, columns.widths, strict=True) if width), default=1)


def tabular(columns: Columns, names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a ``tabular``, scaled down where it is wider than the text.

    Args:
        columns: as :func:`pages` gives them.
        names: the headings.
        rows: entries in LaTeX.
    """
    headings = []
    for index, name in enumerate(names):
        lines = [text(line) for line in _heading(name)]
        stack = rf"\shortstack[{columns.side(index)}]{{" + r" \\ ".join(lines) + "}"
        headings.append(lines[0] if len(lines) == 1 else stack)
    return [
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(headings) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}}",
    ]
