"""Run `segops forward`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone

import msgspec

from segops import SegOpsConfigError
from segops.brokers import DeadLetter, Source, SourceOptions, open_source
from segops.cli import Output, fail, print_message, read_key, until_stopped
from segops.environment import read_environment
from segops.forward.arguments import find_action, read_shards
from segops.forward.forwarder import Forwarder, digest_of
from segops.forward.metrics import MetricsServer
from segops.forward.report import Report
from segops.forward.status import StreamStatus

_RATE = 60.0
"""Requests per minute that every plan allows."""

_LEASE = 30.0
_TICK = 0.25


def run(args: argparse.Namespace) -> int:
    """Run an action and return the exit code.

    Raises:
        SegOpsConfigError: An argument, the key, or the stream cannot be used.
        SegOpsError: The broker or SegOps fails.
    """
    action, url = find_action(args)
    options = SourceOptions(only=read_shards(args.shards))
    if not action:
        return _forward(args, url, options)
    source = open_source(url, msgspec.structs.replace(options, digest=digest_of(read_environment().api_key or "")))
    with closing(source):
        source.check()
        if action == "status":
            return _show_status(args, source)
        letters = [each for each in source.dead_letters() if options.only is None or int(each.shard) in options.only]
        return {"list": _list, "replay": _replay, "purge": _purge}[action.split()[1]](args, source, letters)


def _forward(args: argparse.Namespace, url: str, options: SourceOptions) -> int:
    environment = read_environment()
    if environment.is_disabled:
        raise SegOpsConfigError("the SDK is disabled: unset SEGOPS_DISABLED")
    to = args.to or environment.api_url
    key = _secret_key(args)
    options = msgspec.structs.replace(
        options,
        rate=_RATE if args.rate is None else args.rate,
        lease=_LEASE if args.lease is None else args.lease,
        digest=digest_of(key or to),
    )
    with (
        until_stopped() as is_stopped,
        Forwarder(url, to, key, options, is_once=args.once) as forwarder,
        MetricsServer(None if args.metrics == "-" else args.metrics, forwarder.snapshot),
    ):
        report = Report(forwarder, is_json=args.metrics == "-")
        report.show()
        while not is_stopped.wait(_TICK) and not forwarder.is_done():
            report.show()
        forwarder.close()
        report.show(is_last=True)
    if args.once and (dropped := sum(forwarder.snapshot().dropped.values())):
        return fail(f"{dropped} event(s) are in the dead letters: see `segops forward dead list`")
    return 0


def _secret_key(args: argparse.Namespace) -> str | None:
    key = read_key(args) or read_environment().api_key
    if key is not None and key.startswith("pk_"):
        raise SegOpsConfigError("a public key (pk_) can send the events of one user only: use a secret key (sk_)")
    return key


def _show_status(args: argparse.Namespace, source: Source) -> int:
    output = Output(args)
    status = StreamStatus.of(source)
    output.show(status, table=[_shard_row(each) for each in msgspec.to_builtins(status.shards)])
    if output.format == "table":
        oldest = "" if status.oldest is None else f", the oldest since {status.oldest:.0f} s"
        print_message(
            f"{status.lag:,} event(s) wait in {status.url}{oldest}; {status.forwarders} forwarder(s), "
            f"{status.dead} dead letter(s), asked to wait {status.waits} time(s)"
        )
    return 0


def _shard_row(shard: dict[str, object]) -> dict[str, object]:
    oldest = shard["oldest"]
    return {
        "shard": shard["shard"],
        "events": shard["events"],
        "bytes": shard["bytes"],
        "oldest": f"{oldest:.0f} s" if isinstance(oldest, float) else "",
        "dead": shard["dead"],
        "forwarder": shard["holder"] or "",
    }


def _list(args: argparse.Namespace, source: Source, letters: list[DeadLetter]) -> int:
    output = Output(args)
    output.show(letters, table=[*_letter_rows(letters)])
    if output.format == "table":
        print_message(f"{len(letters)} dead letter(s) in {source.url}")
    return 0


def _letter_rows(letters: list[DeadLetter]) -> Iterator[dict[str, object]]:
    for each in letters:
        at = datetime.fromtimestamp(each.at, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
        yield {"shard": each.shard, "id": each.id, "since": at, "events": each.events, "why": each.why}


def _replay(args: argparse.Namespace, source: Source, letters: list[DeadLetter]) -> int:
    replayed = sum(source.replay(letter) for letter in letters)
    Output(args).show({"replayed": replayed}, table=f"{replayed} dead letter(s) will be sent again", is_report=True)
    return 0


def _purge(args: argparse.Namespace, source: Source, letters: list[DeadLetter]) -> int:
    if not args.assume_yes:
        raise SegOpsConfigError(f"this would permanently delete {len(letters)} dead letter(s): add --yes to confirm")
    deleted = sum(source.purge(letter) for letter in letters)
    Output(args).show({"deleted": deleted}, table=f"{deleted} dead letter(s) deleted", is_report=True)
    return 0
