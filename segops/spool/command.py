"""Run the actions of `segops spool`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from segops import SegOpsClient, SegOpsConfigError, SegOpsError, Stats
from segops.cli import Output, print_message, write
from segops.environment import read_environment
from segops.spool.contents import Waiting, export_spool, inspect_spool, purge_spool
from segops.utils import absolute_path, escape_json

_SHUTDOWN_TIMEOUT = 2.0
_ERROR_TIMEOUT = 30.0


def run(args: argparse.Namespace) -> int:
    """Run an action and return the exit code.

    Raises:
        SegOpsConfigError: An argument is invalid, or the spool does not exist.
        SegOpsError: The spool cannot be read, or some events were not delivered.
    """
    path = args.path or read_environment().spool
    if not path:
        raise SegOpsConfigError("no spool given: pass --path FILE or set SEGOPS_SPOOL")
    actions: dict[str, Callable[[argparse.Namespace, Path], int]] = {
        "inspect": _inspect,
        "send": _send,
        "export": _export,
        "purge": _purge,
    }
    return actions[args.action](args, Path(absolute_path("the spool", path)))


def _inspect(args: argparse.Namespace, path: Path) -> int:
    output = Output(args)
    batches = inspect_spool(path)
    output.show(batches, table=[_table_row(batch) for batch in batches])
    write("", flush=True)  # what cannot be written is an error by itself, without a summary of it
    if output.format == "table":
        print_message(f"{sum(batch.events for batch in batches)} event(s) in {len(batches)} batch(es)")
    return 0


def _table_row(batch: Waiting) -> dict[str, object]:
    stored_at = datetime.fromtimestamp(batch.created_at, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    state = "damaged" if not batch.is_sound else "in use by a running process" if batch.is_held else "waiting"
    return {
        "stored": stored_at,
        "events": batch.events,
        "bytes": batch.bytes,
        "attempts": batch.attempts,
        "key": batch.key_kind,
        "state": state,
    }


def _send(args: argparse.Namespace, path: Path) -> int:
    if not path.exists():
        raise SegOpsConfigError(f"spool {str(path)!r} does not exist: pass the path that the client uses")
    output = Output(args)
    errors: list[Exception] = []
    client = SegOpsClient(args.api_url, args.api_key, spool=path, on_error=errors.append)
    client.flush(args.timeout)
    client.shutdown(_SHUTDOWN_TIMEOUT)
    stats = client.stats()
    _wait_for_error(errors, stats)
    counts = {"found": stats.adopted, "delivered": stats.delivered, "dropped": stats.dropped, "left": stats.pending}
    output.show(counts, is_report=True)
    if errors:
        raise errors[-1]
    if stats.pending or stats.dropped:
        raise SegOpsError(f"{stats.adopted - stats.delivered} of {stats.adopted} event(s) were not delivered")
    return 0


def _wait_for_error(errors: list[Exception], stats: Stats) -> None:
    """Wait for the first call of `on_error`, if there is an error: the worker may be late to report it."""
    deadline = time.monotonic() + _ERROR_TIMEOUT
    while stats.last_error is not None and not errors and time.monotonic() < deadline:
        time.sleep(0.01)


def _export(_args: argparse.Namespace, path: Path) -> int:
    for event in export_spool(path):
        write(f"{escape_json(event.decode())}\n")
    return 0


def _purge(args: argparse.Namespace, path: Path) -> int:
    output = Output(args)
    if not args.assume_yes:
        events = sum(batch.events for batch in inspect_spool(path) if not batch.is_held)
        raise SegOpsConfigError(f"this would permanently delete {events} event(s): add --yes to confirm")
    deleted, held = purge_spool(path)
    sentence = f"{deleted} event(s) deleted, {held} in use by running processes"
    output.show({"deleted": deleted, "held": held}, table=sentence, is_report=True)
    return 0
