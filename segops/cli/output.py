"""Print results: a table on a terminal, JSON elsewhere, or the requested format. Only data goes to stdout."""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from segops import SegOpsArgumentError
from segops.cli.tables import print_fields, print_rows
from segops.cli.terminal import has_output, is_terminal, print_message, write
from segops.plugins.admin import Items, Page, Record, documented_fields
from segops.utils import escape, format_json

_FORMULA_STARTS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?", re.ASCII)

FORMATS = ("table", "json", "jsonl", "csv")


def add_output_flags(parser: argparse.ArgumentParser, *, default: str | None = None) -> None:
    """Add the flags that `Output` reads.

    Args:
        parser: The parser of the command.
        default: The format without `-o`. Default: "table" on a terminal, "json" otherwise.
    """
    shown_default = default or "table on a terminal, json otherwise"
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o",
        "--output",
        dest="format",
        metavar="FORMAT",
        choices=FORMATS,
        default=default,
        help=f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]} (default: {shown_default})",
    )
    group.add_argument("--fields", metavar="A,B.C", help="print only these fields")
    group.add_argument(
        "--safe-csv", action="store_true", help="with -o csv: put ' before cells that a spreadsheet would run"
    )


class Output:
    """Prints results in the format that the user asked for.

    Args:
        args: The parsed command line, with the flags of `add_output_flags`.

    Attributes:
        format: "table", "json", "jsonl" or "csv".

    Raises:
        SegOpsArgumentError: A flag has no effect in this format.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.format: str = args.format or ("table" if is_terminal() else "json")
        if args.safe_csv and self.format != "csv":
            raise SegOpsArgumentError(f"--safe-csv has no effect on {self.format}: add -o csv, or leave it out")
        self._is_safe_csv: bool = args.safe_csv
        self._fields = [name.strip() for name in (args.fields or "").split(",") if name.strip()]
        self._row_count = 0
        self._found_fields: set[str] = set()

    def show(
        self, result: Any, *, table: str | Sequence[Mapping[str, Any]] | None = None, is_report: bool = False
    ) -> None:
        """Print a result.

        Args:
            result: A mapping, a struct, a list of them, or what an admin method returned. None prints `{"ok": true}`,
                so that scripts always find a document.
            table: What to print in its place as a table: a sentence, or rows of their own, whose last column is
                wrapped instead of cut. With `--fields` the result itself is printed.
            is_report: Whether the work is already done, so that a missing stdout is not a failure.

        Raises:
            OutputError: Stdout cannot be written.
        """
        if is_report and not has_output():
            return
        if table is not None and self.format == "table" and not self._fields:
            self._show_table(table)
        elif isinstance(result, Items):
            self._show_list(result)
        elif isinstance(result, Page) and (self.format != "json" or self._fields):
            self._show_list(result, {"count": result.count, "next": result.next, "previous": result.previous})
        elif isinstance(result, Page):
            self._show_document(result.to_dict())
        else:
            self._show_document({"ok": True} if result is None else msgspec.to_builtins(result))
        if is_report:
            write("", flush=True)
        self._report_missing_fields()

    def show_document(self, data: Any) -> None:
        """Print decoded JSON of any shape, null included."""
        self._show_document(data)
        self._report_missing_fields()

    def _show_table(self, table: str | Sequence[Mapping[str, Any]]) -> None:
        if isinstance(table, str):
            write(f"{escape(table, keep=chr(10))}\n")
        else:
            print_rows(table, list(table[0]) if table else [], wrap=True)

    def _show_document(self, data: Any) -> None:
        items = _items_of(data) if self.format != "json" or self._fields else None
        if items is not None:
            self._show_list(items)
        elif not isinstance(data, dict):
            _write_json(data)
        elif self.format == "table":
            print_fields(self._select(data))
        elif self.format == "csv":
            self._write_csv([data])
        elif self.format == "jsonl":
            _write_json_line(self._select(data))
        else:
            _write_json(self._select(data))

    def _show_list(self, items: Iterable[Any], envelope: Mapping[str, Any] | None = None) -> None:
        """Print a list: JSON lines as they arrive, any other format only once all items could be read."""
        if self.format == "jsonl":
            for item in items:
                _write_json_line(self._select(item))
            return
        rows = list(items)
        if self.format == "json":
            selected = [self._select(row) for row in rows]
            _write_json(selected if envelope is None else {**envelope, "results": selected})
        elif self.format == "csv":
            self._write_csv(rows)
        else:
            print_rows([self._select(row) for row in rows], self._fields or _columns_of(rows))
            if envelope is not None and envelope["next"]:
                print_message(f"Showing {len(rows)} of {envelope['count']}: add --all for the rest.")

    def _select(self, row: Any) -> Any:
        self._row_count += 1
        if not self._fields or not isinstance(row, dict):
            return row
        selected = {name: _value_at(row, name) for name in self._fields}
        self._found_fields.update(name for name, value in selected.items() if value is not None)
        return selected

    def _report_missing_fields(self) -> None:
        """Name the selected fields that no item has: they may be misspelled."""
        missing = [name for name in self._fields if name not in self._found_fields]
        if missing and self._row_count:
            print_message(f"segops: --fields: {', '.join(map(repr, missing))} not found in {self._row_count} item(s)")

    def _write_csv(self, rows: list[Any]) -> None:
        dicts = [row if isinstance(row, dict) else {"value": row} for row in rows]
        columns = self._fields or list(dict.fromkeys(name for row in dicts for name in row))
        selected = [self._select(row) for row in dicts]
        table = [columns, *([row.get(name) for name in columns] for row in selected)]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self._csv_cell(value) for value in row] for row in table)
        write(text.getvalue())

    def _csv_cell(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return None if value is None else format_json(value)
        text = f"'{value}" if self._is_safe_csv and _is_formula(value) else value
        return escape(text) if is_terminal() else text


def _items_of(data: Any) -> list[Any] | None:
    """Return the items of a list or of a list in an envelope, or None."""
    if isinstance(data, dict) and "results" in data:
        data = data["results"]
    return data if isinstance(data, list) else None


def _columns_of(rows: list[Any]) -> list[str]:
    """Return the columns of a table: the documented fields that are present, or else all, without nested values.

    Columns that are empty in all rows are left out.
    """
    dicts = [row for row in rows if isinstance(row, dict)]
    present = dict.fromkeys(name for row in dicts for name, value in row.items() if value is not None and value != "")
    documented = documented_fields(type(rows[0])) if rows and isinstance(rows[0], Record) else {}
    names = [name for name in documented if name in present] or list(present)
    flat = [name for name in names if not any(isinstance(row.get(name), dict | list) for row in dicts)]
    return flat or names


def _value_at(row: Any, path: str) -> Any:
    """Return the value at a path such as "data.price", or None."""
    for name in [path] if isinstance(row, dict) and path in row else path.split("."):
        if isinstance(row, list) and name.isdecimal() and int(name) < len(row):
            row = row[int(name)]
        else:
            row = row.get(name) if isinstance(row, dict) else None
    return row


def _is_formula(text: str) -> bool:
    """Return whether a spreadsheet would run text as a formula; a plain number is safe.

    Source: OWASP, "CSV Injection".
    """
    return text.lstrip(" ")[:1] in _FORMULA_STARTS and not _NUMBER.fullmatch(text)


def _write_json_line(value: Any) -> None:
    write(f"{_to_json(value)}\n")


def _write_json(value: Any) -> None:
    write(f"{_to_json(value, indent=2)}\n")


def _to_json(value: Any, indent: int | None = None) -> str:
    """Return JSON that stdout can encode: escaped to ASCII unless it is UTF-8."""
    is_utf8 = (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
    return format_json(value, indent, ascii_only=not is_utf8)
