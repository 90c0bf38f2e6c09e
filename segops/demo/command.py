"""Run the demo against a local SegOps, or against any other."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from segops import Event, SegOpsConfigError, SegOpsError
from segops.cli import Output, ProgressBar, print_message
from segops.demo.data import find_sample, make_visits, read_orders, spend_of
from segops.demo.replay import Outcome, Replay
from segops.demo.report import delivery_rows, find_differences, find_losses, stored_rows, to_document
from segops.emulator import LocalSegOps, LocalServer
from segops.utils import expand_home


def run(args: argparse.Namespace) -> int:
    """Run the demo and return the exit code.

    Raises:
        SegOpsConfigError: An argument is invalid.
        SegOpsError: Some events were not delivered, or SegOps stored something else.
    """
    is_remote = args.api_url is not None or args.api_key is not None
    if is_remote and args.db is not None:
        raise SegOpsConfigError("--db configures the local SegOps: leave it out, or --api-url and --api-key")
    output = Output(args)
    orders = read_orders(Path(expand_home(args.data)) if args.data else find_sample(), args.limit)
    if is_remote:
        problems = _send_to_remote(orders, args.api_url, args.api_key, output)
    else:
        problems = _send_to_local(orders, args.db, output)
    if problems:
        raise SegOpsError("; ".join(problems))
    return 0


def _send_to_remote(orders: Sequence[Event], api_url: str | None, api_key: str | None, output: Output) -> list[str]:
    outcome = _replay(orders, api_url, api_key)
    output.show(to_document(outcome), table=delivery_rows(outcome), is_report=True)
    print_message("The demo cannot read back what this SegOps stored: look at its dashboard.")
    return find_losses(outcome)


def _send_to_local(orders: Sequence[Event], database: str | None, output: Output) -> list[str]:
    with LocalSegOps(*([] if database is None else [database])) as local, LocalServer(local) as server:
        before = local.summary()
        outcome = _replay(orders, server.url, local.secret_key)
        after = local.summary()
    output.show(to_document(outcome, after), table=delivery_rows(outcome) + stored_rows(after), is_report=True)
    kept = "The data was in memory: add --db FILE to keep it." if database is None else f"The data is in {database}."
    print_message(kept)
    users = len({order.user_id for order in orders})
    return find_losses(outcome) + find_differences(outcome, before, after, users=users, spend=spend_of(orders))


def _replay(orders: Sequence[Event], api_url: str | None, api_key: str | None) -> Outcome:
    visits = make_visits(orders)
    with ProgressBar("purchases", log_lines=True) as bar, Replay(api_url, api_key, bar) as replay:
        bar.print_message(
            f"Sending {len(orders):,} purchases and {len(visits)} page views to {replay.url or 'nowhere'}"
        )
        return replay.run(orders, visits)
