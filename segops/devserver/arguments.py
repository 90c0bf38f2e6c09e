"""The arguments of `segops dev`."""

from __future__ import annotations

import argparse

SERVER_OPTIONS = ("port", "host", "db", "seed", "ignore_key", "enrich", "fault", "watch")
"""The options of a server, which `segops dev` and `segops dev run` accept."""

BEFORE = "before_"
"""Prefix of the options before the action, so that argparse does not confuse them with those after it."""

_MAX_DIGITS = 18

_ACTIONS = {
    "run": "Run a command against a SegOps of its own.",
    "seed": "Load events into a running SegOps.",
    "listen": "Print events as they arrive.",
    "trigger": "Send a sample event.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options, and the actions with theirs."""
    _add_server_options(parser, BEFORE, port=8000)
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=False)
    run, seed, listen, trigger = (
        actions.add_parser(name, help=text, description=text, allow_abbrev=False) for name, text in _ACTIONS.items()
    )
    _add_run(run)
    seed.add_argument("source", metavar="cdnow|FILE", help="the sample purchases, or a file of events as JSON lines")
    _add_seed_options(seed, "", "")
    listen.add_argument("--after", metavar="ID", type=_parse_count, help="start after this event (default: now)")
    listen.add_argument("--count", metavar="N", type=_parse_count, help="exit after this many events")
    listen.add_argument("--json", action="store_true", help="print JSON lines")
    trigger.add_argument("event_type", nargs="?", metavar="EVENT", help="event type; leave it out to list all samples")
    trigger.add_argument("--user-id", metavar="ID", help="user of the event (default: ada@example.com)")
    for action in (seed, listen, trigger):
        action.add_argument(
            "--url",
            metavar="URL",
            dest="join",
            help="URL of a running `segops dev` (default: SEGOPS_API_URL, or the one started last)",
        )


def _add_run(parser: argparse.ArgumentParser) -> None:
    _add_server_options(parser, "", port=0)
    parser.add_argument(
        "--join",
        nargs="?",
        const="",
        metavar="URL",
        help="use a running `segops dev` instead (default: SEGOPS_API_URL, or the one started last)",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the command and its arguments")


def _add_server_options(parser: argparse.ArgumentParser, prefix: str, *, port: int) -> None:
    """Add the options of a server; those that are not passed are None, whatever their default."""
    add = parser.add_argument
    shown_port = port or "a free one"
    add(
        "--port",
        dest=f"{prefix}port",
        metavar="N",
        type=_parse_count,
        help=f"port to listen on (default: {shown_port})",
    )
    add("--host", dest=f"{prefix}host", metavar="ADDRESS", help="address to listen on (default: 127.0.0.1)")
    add("--db", dest=f"{prefix}db", metavar="FILE", help="keep all data in this file (default: in memory)")
    add("--seed", dest=f"{prefix}seed", metavar="cdnow|FILE", help="load events first; see `segops help dev seed`")
    _add_seed_options(parser, prefix, "with --seed FILE: ")
    add(
        "--fault",
        dest=f"{prefix}fault",
        metavar="FAULT",
        action="append",
        help="fault to inject, as in 'POST /api/ingestion/track/batch/ 503 x3' (repeatable)",
    )
    add("--watch", dest=f"{prefix}watch", metavar="URL", help="show what waits in a broker, as in redis+stream://host")


def _add_seed_options(parser: argparse.ArgumentParser, prefix: str, condition: str) -> None:
    parser.add_argument(
        "--ignore-key",
        dest=f"{prefix}ignore_key",
        metavar="NAME",
        action="append",
        help=f"{condition}ignore this key of an event (repeatable)",
    )
    parser.add_argument(
        "--enrich",
        dest=f"{prefix}enrich",
        action="store_const",
        const=True,
        help=f"{condition}run enrichers; leave it out for files of the file: transport",
    )


def _parse_count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise argparse.ArgumentTypeError(f"must be a whole number, got {text[:40]!r}")
    return int(text)
