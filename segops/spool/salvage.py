"""What can still be read of a bad file."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from segops.spool.record import COLUMNS, Record, read_row

PAGE = 4096
_PAGE_COUNT = slice(28, 32)
"""Where the header of a database says how many pages it has. Source: sqlite.org/fileformat2.html, section 1.3."""


def salvage(bad: Path, *, first_page: Path) -> tuple[list[Record], int | None]:
    """Read the sound rows of a bad file, which stays as it is.

    A copy is read as it is, and then with the first page of a sound spool, for that page is the same in all of them:
    this undoes any damage to the header and the schema. Damage within a row is found by its checksum; damage to the
    tree ends a reading, and so each is done from both ends.

    Args:
        bad: The file.
        first_page: A sound spool that is empty.

    Returns:
        The rows, and how many events the file held, None if that cannot be told.
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
            journal.unlink(missing_ok=True)  # it was played back, or is for a page that is replaced now
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
