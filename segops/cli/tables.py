"""Print tables for people: with rich where it is installed, plain otherwise.

Tables on a terminal are laid out by `rich.table`, in color unless `NO_COLOR` is set. In a pipe they are plain text, the
same with and without rich.
"""

from __future__ import annotations

import json
import re
import shutil
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from segops.cli.terminal import is_terminal, print_message, write
from segops.environment import allows_colors
from segops.utils import escape

_STYLES = {
    "green": {"ok", "active", "complete", "completed", "done", "true"},
    "yellow": {"warning", "pending", "queued", "mapping", "importing", "inactive"},
    "red": {"failed", "error", "expired"},
}
_STYLE_OF = {word: style for style, words in _STYLES.items() for word in words}
_MIN_WIDTH = 8
_GAP = 2

_TRAILING_SPACE = re.compile(r" +((?:\x1b\[[0-9;]*m)*)$", re.MULTILINE)

Table = list[list[str]]
"""The cells of each line, those of the header first."""


def print_rows(rows: Sequence[Any], columns: Sequence[str], *, wrap: bool = False) -> None:
    """Print a table with a line for each row; on a terminal, long cells are cut to fit.

    Args:
        rows: Mappings, or plain values.
        columns: The names of the columns.
        wrap: Whether the last column is wrapped instead of cut.
    """
    if not rows:
        print_message("No results.")
        return
    names = list(columns) or ["value"]
    cells = [[to_cell(row.get(name) if isinstance(row, Mapping) else row) for name in names] for row in rows]
    table = [[to_cell(name.upper()) for name in names], *cells]
    _print_table(table, fit_widths(table, shutil.get_terminal_size().columns if is_terminal() else None), wrap=wrap)


def print_fields(record: Mapping[str, Any]) -> None:
    """Print one object with a line for each field; long values are printed in full."""
    table = [["FIELD", "VALUE"], *([to_cell(name), to_cell(value)] for name, value in record.items())]
    _print_table(table, fit_widths(table, None), wrap=False)


def to_cell(value: Any) -> str:
    """Return a value as the text of a cell, with control characters escaped."""
    if value is None:
        return ""
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _print_table(table: Table, widths: Sequence[int], *, wrap: bool) -> None:
    text = _render_rich(table, widths, wrap=wrap) if is_terminal() else None
    write(_TRAILING_SPACE.sub(r"\1", _render_plain(table, widths, wrap=wrap) if text is None else text))


def _render_plain(table: Table, widths: Sequence[int], *, wrap: bool) -> str:
    lines = []
    for *cells, last in table:
        first, *rest = (textwrap.wrap(last, widths[-1]) or [""]) if wrap else [last]
        continued = [[""] * len(cells) + [part] for part in rest]
        lines += ["  ".join(map(_fit, row, widths)) for row in [[*cells, first], *continued]]
    return "".join(f"{line}\n" for line in lines)


def _render_rich(table: Table, widths: Sequence[int], *, wrap: bool) -> str | None:
    """Return a table rendered by rich; None if it is not installed, or the console takes no escape sequences."""
    try:
        from rich.console import Console  # noqa: PLC0415 - an extra
        from rich.table import Table as RichTable  # noqa: PLC0415 - as above
        from rich.text import Text  # noqa: PLC0415 - as above
    except ImportError:
        return None
    console = Console(
        highlight=False, width=sum(widths) + _GAP * len(widths), color_system="auto" if allows_colors() else None
    )
    if console.legacy_windows:
        return None
    grid = RichTable(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold cyan")
    for index, (name, width) in enumerate(zip(table[0], widths, strict=True)):
        wraps = wrap and index == len(widths) - 1
        grid.add_column(Text(name), width=width, no_wrap=not wraps, overflow="fold" if wraps else "ellipsis")
    for row in table[1:]:
        grid.add_row(*(Text(cell, _STYLE_OF.get(cell, "")) for cell in row))
    with console.capture() as captured:
        console.print(grid)
    return captured.get()


def fit_widths(table: Table, width: int | None) -> list[int]:
    """Return the width of each column, so that a line fits into `width` columns of a terminal; None for any width.

    The widest columns become narrower first, but none narrower than eight.
    """
    widths = [max(map(width_of, column)) for column in zip(*table, strict=True)]
    while width is not None and sum(widths) + _GAP * (len(widths) - 1) > width and max(widths) > _MIN_WIDTH:
        widths[widths.index(max(widths))] -= 1
    return widths


def width_of(text: str) -> int:
    """Return how many columns of a terminal text takes."""
    wide = sum(unicodedata.east_asian_width(char) in {"W", "F"} for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) != 0 for char in text)


def _fit(text: str, width: int) -> str:
    if width_of(text) > width:
        text = text[:width]
        while width_of(text) >= width:
            text = text[:-1]
        text += "…"
    return text + " " * (width - width_of(text))
