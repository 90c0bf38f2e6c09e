"""What can be written after `segops dev`."""

from __future__ import annotations

import argparse

SERVER_OPTIONS = ("port", "host", "db", "seed", "ignore_key", "enrich", "fault")
"""The options of a server, which `segops dev` and `segops dev run` take."""

BEFORE = "before_"
"""In front of those that stand before the action, so that argparse does not mistake them for those behind it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options, and the actions with theirs."""
    _add_server_options(parser, BEFORE, port=8000)
    actions = parser.add_subparsers(
        title="with a SegOps that runs already", dest="action", metavar="ACTION", required=False
    )
    _add_run(actions.add_parser("run", help="run a command with a SegOps of its own", allow_abbrev=False))
    seed = actions.add_parser("seed", help="load events into the running one", allow_abbrev=False)
    seed.add_argument("what", metavar="cdnow|FILE", help="the real purchases, or a file of events, one JSON a line")
    _add_seed_options(seed, "", "")
    listen = actions.add_parser("listen", help="show events as they arrive", allow_abbrev=False)
    listen.add_argument("--after", metavar="ID", type=_number, help="start after this event (default: now)")
    listen.add_argument("--count", metavar="N", type=_number, help="end after so many events")
    listen.add_argument("--json", action="store_true", help="print each event as a line of JSON")
    trigger = actions.add_parser("trigger", help="send a sample event", allow_abbrev=False)
    trigger.add_argument("event_type", nargs="?", metavar="EVENT", help="its type; without it, the samples are listed")
    trigger.add_argument("--user-id", metavar="ID", help="whose it is (ada@example.com)")
    for action in (seed, listen, trigger):
        action.add_argument(
            "--url", metavar="URL", dest="join", help="where it runs (default: SEGOPS_API_URL, or the one started last)"
        )


def _add_run(parser: argparse.ArgumentParser) -> None:
    _add_server_options(parser, "", port=0)
    parser.add_argument(
        "--join",
        nargs="?",
        const="",
        metavar="URL",
        help="use one that runs already instead: this, that of SEGOPS_API_URL, or the one started last",
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the command and its arguments")


def _add_server_options(parser: argparse.ArgumentParser, prefix: str, *, port: int) -> None:
    """Add the options of a server; those that are not given are None, whatever they stand for."""
    add = parser.add_argument
    add("--port", dest=f"{prefix}port", metavar="N", type=_number, help=f"where to listen; 0 for a free port ({port})")
    add("--host", dest=f"{prefix}host", metavar="ADDRESS", help="the address to listen on (127.0.0.1)")
    add("--db", dest=f"{prefix}db", metavar="PATH", help="keep everything in this file (default: in memory)")
    add("--seed", dest=f"{prefix}seed", metavar="cdnow|FILE", help="load events first; see `segops dev seed`")
    _add_seed_options(parser, prefix, "with --seed FILE: ")
    add(
        "--fault",
        dest=f"{prefix}fault",
        metavar="FAULT",
        action="append",
        help="misbehave, such as 'POST /api/ingestion/track/batch/ 503 x3'; may be repeated",
    )


def _add_seed_options(parser: argparse.ArgumentParser, prefix: str, when: str) -> None:
    parser.add_argument(
        "--ignore-key",
        dest=f"{prefix}ignore_key",
        metavar="NAME",
        action="append",
        help=f"{when}skip this key of an event; may be repeated",
    )
    parser.add_argument(
        "--enrich",
        dest=f"{prefix}enrich",
        action="store_const",
        const=True,
        help=f"{when}run enrichers, for files of other programs",
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):  # noqa: PLR2004 - as many digits as fit in 64 bits
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number")
    return int(text)
