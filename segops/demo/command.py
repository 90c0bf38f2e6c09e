"""Runs the demo: against a SegOps that it starts itself, or against any other."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from segops import Event, SegOpsConfigError, SegOpsError
from segops.cli.terminal import report
from segops.demo.data import find_sample, make_visits, read_orders, spend_of
from segops.demo.progress import Progress
from segops.demo.replay import Outcome, Replay
from segops.demo.report import describe_delivery, describe_holding, find_differences, find_losses
from segops.emulator import LocalSegOps, LocalServer
from segops.utils import escape, expand_home


def run(arguments: argparse.Namespace) -> int:
    """Do what `segops demo` is asked for and return the exit code.

    Raises:
        SegOpsConfigError: An argument cannot be used.
        SegOpsError: Something was not delivered, or SegOps holds something else than was sent.
    """
    is_elsewhere = arguments.api_url is not None or arguments.api_key is not None
    if is_elsewhere and arguments.db is not None:
        raise SegOpsConfigError("--db is for a SegOps on this machine: leave it out, or --api-url and --api-key")
    orders = read_orders(Path(expand_home(arguments.data)) if arguments.data else find_sample(), arguments.limit)
    if is_elsewhere:
        complaints = _send_elsewhere(orders, arguments.api_url, arguments.api_key)
    else:
        complaints = _send_here(orders, arguments.db)
    if complaints:
        raise SegOpsError("; ".join(complaints))
    return 0


def _send_elsewhere(orders: Sequence[Event], api_url: str | None, api_key: str | None) -> list[str]:
    outcome = _replay(orders, api_url, api_key)
    _print(describe_delivery(outcome))
    _print("\nWhat that SegOps holds now is not read back from here: look at its dashboard.")
    return find_losses(outcome)


def _send_here(orders: Sequence[Event], database: str | None) -> list[str]:
    with LocalSegOps(*([] if database is None else [database])) as local, LocalServer(local) as server:
        before = local.summary()
        outcome = _replay(orders, server.url, local.secret_key)
        after = local.summary()
    _print(describe_delivery(outcome))
    _print(f"\n{describe_holding(after)}")
    _print(
        f"\n{'It was held in memory: keep it with --db FILE.' if database is None else f'It is kept in {database}.'}"
    )
    users = len({order.user_id for order in orders})
    return find_losses(outcome) + find_differences(outcome, before, after, users=users, spend=spend_of(orders))


def _replay(orders: Sequence[Event], api_url: str | None, api_key: str | None) -> Outcome:
    visits = make_visits(orders)
    with Replay(api_url, api_key) as replay, Progress(sys.stderr, len(orders)) as progress:
        progress.say(f"Sending {len(orders):,} purchases and {len(visits)} page views to {replay.where or 'nowhere'}")
        return replay.run(orders, visits, progress)


def _print(text: str) -> None:
    report(escape(f"{text}\n", keep="\n"))
