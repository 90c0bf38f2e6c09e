"""Shows results: a table on a terminal, JSON elsewhere, or what was asked for. Only data goes to stdout."""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from segops import SegOpsArgumentError
from segops.cli.tables import print_fields, print_rows
from segops.cli.terminal import has_output, is_terminal, tell, write
from segops.plugins.admin import Items, Page, Record, documented_fields
from segops.utils import escape, format_json

_FORMULA_STARTS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?", re.ASCII)

FORMATS = ("table", "json", "jsonl", "csv")


def add_output_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how results are shown."""
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o",
        "--output",
        dest="form",
        choices=FORMATS,
        help="how to print it (default: a table on a terminal, JSON otherwise)",
    )
    group.add_argument(
        "--safe-csv", dest="is_safe", action="store_true", help="with -o csv: put ' before what a spreadsheet runs"
    )
    group.add_argument("--fields", dest="chosen", metavar="A,B.C", help="print only these fields")


class Output:
    """Prints results in one form.

    Args:
        words: What the parser read.

    Raises:
        SegOpsArgumentError: An option does not go with the form.
    """

    def __init__(self, words: argparse.Namespace) -> None:
        self._form = words.form or ("table" if is_terminal() else "json")
        if words.is_safe and self._form != "csv":
            raise SegOpsArgumentError(f"--safe-csv does not apply to {self._form}: add -o csv, or leave it out")
        self._is_safe = words.is_safe
        self._rows = 0
        self._seen: set[str] = set()
        self._fields = [name.strip() for name in (words.chosen or "").split(",") if name.strip()]

    def show(self, result: Any, *, is_report: bool = False) -> None:
        """Print what a method returned; nothing at all is {"ok": true}, so that scripts always find a document.

        Args:
            result: What it returned.
            is_report: Whether the work is done already, so that a missing stdout is no failure.
        """
        if is_report and not has_output():
            return
        if isinstance(result, Items):
            self._show_list(result)
        elif isinstance(result, Page) and (self._form != "json" or self._fields):
            self._show_list(result, _links(result))
        elif isinstance(result, Page):
            self._show_document(result.to_dict())
        else:
            self._show_document({"ok": True} if result is None else msgspec.to_builtins(result))
        self._tell_unseen()

    def show_document(self, data: Any) -> None:
        """Print decoded JSON, whatever it is."""
        self._show_document(data)
        self._tell_unseen()

    def _show_document(self, data: Any) -> None:
        items = _items_of(data) if self._form != "json" or self._fields else None
        if items is not None:
            self._show_list(items)
        elif not isinstance(data, dict):
            _write_json(data)
        elif self._form == "table":
            print_fields(self._pick(data))
        elif self._form == "csv":
            self._write_csv([data])
        elif self._form == "jsonl":
            _write_line(self._pick(data))
        else:
            _write_json(self._pick(data))

    def _show_list(self, items: Iterable[Any], links: Mapping[str, Any] | None = None) -> None:
        """Print many; one JSON document, or none if they cannot all be read; lines of JSON as they come."""
        if self._form == "jsonl":
            for item in items:
                _write_line(self._pick(item))
            return
        rows = list(items)
        if self._form == "json":
            picked = [self._pick(row) for row in rows]
            _write_json(picked if links is None else {**links, "results": picked})
        elif self._form == "csv":
            self._write_csv(rows)
        else:
            print_rows([self._pick(row) for row in rows], self._fields or _columns(rows))
            if links is not None and links["next"]:
                tell(f"{len(rows)} of {links['count']}: --all shows the rest")

    def _pick(self, row: Any) -> Any:
        self._rows += 1
        if not self._fields or not isinstance(row, dict):
            return row
        picked = {name: _dig(row, name) for name in self._fields}
        self._seen.update(name for name, value in picked.items() if value is not None)
        return picked

    def _tell_unseen(self) -> None:
        """Tell which of the chosen fields no item has: the name may be misspelt."""
        unseen = [name for name in self._fields if name not in self._seen]
        if unseen and self._rows:
            tell(f"segops: --fields: no value for {', '.join(map(repr, unseen))} in {self._rows} item(s)")

    def _write_csv(self, rows: list[Any]) -> None:
        dicts = [row if isinstance(row, dict) else {"value": row} for row in rows]
        columns = self._fields or list(dict.fromkeys(name for row in dicts for name in row))
        table = [columns, *(_values(self._pick(row), columns) for row in dicts)]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self._cell(value) for value in row] for row in table)
        write(text.getvalue())

    def _cell(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return None if value is None else format_json(value)
        text = f"'{value}" if self._is_safe and _is_formula(value) else value
        return escape(text) if is_terminal() else text


def _links(page: Page[Any]) -> dict[str, Any]:
    return {"count": page.count, "next": page.next, "previous": page.previous}


def _items_of(data: Any) -> list[Any] | None:
    """Return the items of a list, also of one in an envelope; None if it is no list."""
    if isinstance(data, dict) and "results" in data:
        data = data["results"]
    return data if isinstance(data, list) else None


def _columns(rows: list[Any]) -> list[str]:
    """Return the columns of a table: the documented fields that are there, or else all; none that holds more fields.

    Those that are empty in all rows are left out.
    """
    dicts = [row for row in rows if isinstance(row, dict)]
    present = dict.fromkeys(name for row in dicts for name, value in row.items() if value is not None and value != "")
    documented = documented_fields(type(rows[0])) if rows and isinstance(rows[0], Record) else {}
    names = [name for name in documented if name in present] or list(present)
    flat = [name for name in names if not any(isinstance(row.get(name), dict | list) for row in dicts)]
    return flat or names


def _dig(row: Any, path: str) -> Any:
    """Return the value at a path such as "data.price"; None where there is none."""
    for name in [path] if isinstance(row, dict) and path in row else path.split("."):
        if isinstance(row, list) and name.isdecimal() and int(name) < len(row):
            row = row[int(name)]
        else:
            row = row.get(name) if isinstance(row, dict) else None
    return row


def _values(row: Mapping[str, Any], columns: list[str]) -> list[Any]:
    return [row.get(name) for name in columns]


def _is_formula(text: str) -> bool:
    """Return whether a spreadsheet runs this text instead of showing it; a number is none.

    Source: OWASP, "CSV Injection".
    """
    return text.lstrip(" ")[:1] in _FORMULA_STARTS and not _NUMBER.fullmatch(text)


def _write_line(value: Any) -> None:
    write(f"{_json(value)}\n")


def _write_json(value: Any) -> None:
    write(f"{_json(value, indent=2)}\n")


def _json(value: Any, indent: int | None = None) -> str:
    """Return JSON that stdout can show: one that is not UTF-8 gets escapes."""
    is_utf8 = (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
    return format_json(value, indent, ascii_only=not is_utf8)
