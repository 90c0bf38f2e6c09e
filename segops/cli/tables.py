"""Tables for people: in colour where rich is installed and a terminal takes colours, plain otherwise."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from segops.cli.terminal import tell, write, writing
from segops.environment import allows_colors
from segops.utils import escape

_STYLES = {
    "green": {"ok", "active", "complete", "completed", "done", "true"},
    "yellow": {"warning", "pending", "queued", "mapping", "importing", "inactive"},
    "red": {"failed", "error", "expired"},
}
_STYLE_OF = {word: style for style, words in _STYLES.items() for word in words}
_NARROWEST = 8
_GAP = 2


def print_rows(rows: Sequence[Any], columns: Sequence[str]) -> None:
    """Print a table of rows.

    Args:
        rows: Objects, or plain values.
        columns: The names of the columns.
    """
    if not rows:
        tell("Nothing there.")
        return
    names = list(columns) or ["value"]
    cells = [[to_text(row.get(name) if isinstance(row, dict) else row) for name in names] for row in rows]
    _print([to_text(name.upper()) for name in names], cells)


def print_fields(record: Mapping[str, Any]) -> None:
    """Print one object, a field a line."""
    _print(["FIELD", "VALUE"], [[to_text(name), to_text(value)] for name, value in record.items()], cuts=False)


def to_text(value: Any) -> str:
    """Return a value as text for a terminal: what would steer the terminal is escaped."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return escape(text)


def _print(heads: list[str], rows: list[list[str]], *, cuts: bool = True) -> None:
    is_terminal = sys.stdout.isatty()
    fitted = fit(heads, rows, shutil.get_terminal_size().columns if is_terminal and cuts else None)
    if not (is_terminal and allows_colors() and _print_rich(rows, fitted)):
        write("".join(f"{'  '.join(cells).rstrip()}\n" for cells in fitted))


def _print_rich(rows: list[list[str]], fitted: list[list[str]]) -> bool:
    """Print it in colour, and say whether rich is there to do so."""
    try:
        from rich.console import Console  # noqa: PLC0415 - an extra
        from rich.text import Text  # noqa: PLC0415 - as above
    except ImportError:
        return False
    sys.stdout.flush()
    console = Console(highlight=False)
    styles = [["bold cyan"] * len(fitted[0]), *([_STYLE_OF.get(cell, "") for cell in row] for row in rows)]
    with writing():
        for cells, line_styles in zip(fitted, styles, strict=True):
            pieces = [Text(cell, style) for cell, style in zip(cells, line_styles, strict=True)]
            console.print(Text("  ").join(pieces), no_wrap=True, overflow="ignore", crop=False, soft_wrap=True)
    return True


def fit(heads: list[str], rows: list[list[str]], width: int | None) -> list[list[str]]:
    """Return all cells, those of the head first, padded or cut so that the columns stand below each other.

    Args:
        heads: The names of the columns.
        rows: The cells of each row.
        width: What a line may take; columns become no narrower than eight for it. None for any.
    """
    widths = [max(map(width_of, column)) for column in zip(heads, *rows, strict=True)]
    while width is not None and sum(widths) + _GAP * (len(widths) - 1) > width and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return [list(map(_fit, row, widths)) for row in [heads, *rows]]


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(char) in {"W", "F"} for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) != 0 for char in text)


def _fit(text: str, width: int) -> str:
    if width_of(text) > width:
        text = text[:width]
        while width_of(text) >= width:
            text = text[:-1]
        text += "…"
    return text + " " * (width - width_of(text))
