"""Does what `segops spool` is asked for."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from segops import SegOpsClient, SegOpsConfigError, SegOpsError, Stats
from segops.cli.terminal import is_terminal, report, write
from segops.environment import read_environment
from segops.spool.contents import export_spool, inspect_spool, purge_spool
from segops.utils import absolute_path, escape, escape_json, format_json

_CLOSING = 2.0
_TELLING = 30.0


def run(arguments: argparse.Namespace) -> int:
    """Do it and return the exit code.

    Raises:
        SegOpsConfigError: An argument cannot be used, or there is no such spool.
        SegOpsError: The spool cannot be read, or not everything was delivered.
    """
    given = arguments.path or read_environment().spool
    if not given:
        raise SegOpsConfigError("which spool? Give --path FILE, or set SEGOPS_SPOOL")
    actions: dict[str, Callable[[argparse.Namespace, Path], int]] = {
        "inspect": _inspect,
        "send": _send,
        "export": _export,
        "purge": _purge,
    }
    return actions[arguments.action](arguments, Path(absolute_path("the spool", given)))


def _inspect(arguments: argparse.Namespace, path: Path) -> int:
    waiting = inspect_spool(path)
    if not _is_table(arguments):
        write(_json(waiting))
        return 0
    rows = [("STORED", "EVENTS", "BYTES", "ATTEMPTS", "KEY", "STATE")]
    rows += [
        (
            datetime.fromtimestamp(batch.created_at, timezone.utc).strftime("%Y-%m-%d %H:%M:%S"),
            str(batch.events),
            str(batch.bytes),
            str(batch.attempts),
            batch.key_kind,
            "damaged" if not batch.is_sound else "held by a running process" if batch.is_held else "waiting",
        )
        for batch in waiting
    ]
    write(_table(rows))
    write(f"\n{sum(batch.events for batch in waiting)} event(s) in {len(waiting)} batch(es)\n")
    return 0


def _send(arguments: argparse.Namespace, path: Path) -> int:
    if not path.exists():
        raise SegOpsConfigError(f"there is no spool {str(path)!r}: give the path that the client was given")
    errors: list[Exception] = []
    client = SegOpsClient(arguments.api_url, arguments.api_key, spool=path, on_error=errors.append)
    client.flush(arguments.timeout)
    client.shutdown(_CLOSING)
    stats = client.stats()
    _wait_for(errors, stats)
    counts = {"found": stats.adopted, "delivered": stats.delivered, "dropped": stats.dropped, "left": stats.pending}
    if _is_table(arguments):
        report(_table([tuple(name.upper() for name in counts), tuple(map(str, counts.values()))]))
    else:
        report(_json(counts))
    if errors:
        raise errors[-1]
    if stats.pending or stats.dropped:
        raise SegOpsError(f"{stats.adopted - stats.delivered} event(s) were not delivered")
    return 0


def _wait_for(errors: list[Exception], stats: Stats) -> None:
    """Wait for the first error to be told, if there is one: the worker's thread may be late with it."""
    deadline = time.monotonic() + _TELLING
    while stats.last_error is not None and not errors and time.monotonic() < deadline:
        time.sleep(0.01)


def _export(_arguments: argparse.Namespace, path: Path) -> int:
    for event in export_spool(path):
        write(f"{escape_json(event.decode()) if is_terminal() else event.decode()}\n")
    return 0


def _purge(arguments: argparse.Namespace, path: Path) -> int:
    if not arguments.yes:
        events = sum(batch.events for batch in inspect_spool(path) if not batch.is_held)
        raise SegOpsConfigError(f"this would delete {events} event(s) for good: say --yes if that is what you want")
    gone, kept = purge_spool(path)
    if _is_table(arguments):
        report(f"{gone} event(s) deleted, {kept} held by running processes\n")
    else:
        report(_json({"deleted": gone, "held": kept}))
    return 0


def _is_table(arguments: argparse.Namespace) -> bool:
    return bool(arguments.output == "table" or (arguments.output is None and is_terminal()))


def _json(value: object) -> str:
    return f"{format_json(msgspec.to_builtins(value), indent=2)}\n"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    cells = [[escape(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "".join(
        f"{'  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()}\n" for row in cells
    )
