"""Recover batches from a damaged file."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from segops.spool.record import COLUMNS, Record, read_row

PAGE = 4096
_PAGE_COUNT = slice(28, 32)
"""The number of pages in the header of a database. Source: sqlite.org/fileformat2.html, section 1.3."""


def salvage(bad: Path, *, first_page: Path) -> tuple[list[Record], int | None]:
    """Read the intact rows of a damaged file, without changing it.

    A copy is read as it is, and then with the first page of an intact spool. That page is the same in all spools, so
    this undoes any damage to the header and the schema. Checksums reveal damage in a row. Damage to the tree ends a
    scan, so each scan runs from both ends.

    Args:
        bad: The damaged file.
        first_page: An intact, empty spool.

    Returns:
        The rows, and the events that the file contained; None if unknown.
    """
    copy = bad.with_name(f"{bad.name}.copy")
    journals = [copy.with_name(f"{copy.name}-{kind}") for kind in ("journal", "wal", "shm")]
    found: dict[int, Record] = {}
    try:
        shutil.copy2(bad, copy)
        with suppress(FileNotFoundError):
            shutil.copy2(bad.with_name(f"{bad.name}-journal"), journals[0])
        held = _read(copy, found)
        for journal in journals:
            journal.unlink(missing_ok=True)  # already applied, or for a page that is now replaced
        _graft(copy, first_page)
        grafted = _read(copy, found)
    finally:
        for leftover in (copy, *journals):
            leftover.unlink(missing_ok=True)
    return [found[place] for place in sorted(found)], grafted if held is None else held


def _graft(copy: Path, first_page: Path) -> None:
    page = bytearray(first_page.read_bytes()[:PAGE])
    page[_PAGE_COUNT] = (copy.stat().st_size // PAGE).to_bytes(4, "big")
    with copy.open("r+b") as file:
        file.write(page)


def _read(path: Path, found: dict[int, Record]) -> int | None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        for order in ("ASC", "DESC"):
            with suppress(sqlite3.Error):
                for row in connection.execute(f"SELECT {COLUMNS} FROM batches ORDER BY place {order}"):  # noqa: S608 - names of ours
                    record = read_row(row)
                    if record is not None and record.is_sound:
                        found.setdefault(record.place, record)
        with suppress(sqlite3.Error):
            for held, mirror in connection.execute("SELECT held, mirror FROM totals"):
                if isinstance(held, int) and held == -mirror:
                    return held
    return None
