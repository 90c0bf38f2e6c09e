"""`segops demo`: send a year and a half of real purchases, and count what arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segops.core import Command, hookimpl
from segops.utils import needs_modules

if TYPE_CHECKING:
    import argparse

__all__ = ["segops_register_commands"]

_MAX_DIGITS = 18


@hookimpl
def segops_register_commands() -> list[Command]:
    """Register `segops demo`."""
    return [
        Command(
            name="demo",
            help="Send sample purchases and page views to a local SegOps, and show what it stored.",
            configure=_configure,
            run=_run,
        )
    ]


def _configure(parser: argparse.ArgumentParser) -> None:
    from segops.cli import add_output_flags  # noqa: PLC0415 - loads argparse, which clients must not

    parser.add_argument("--api-url", metavar="URL", help="send to this SegOps instead of a local one")
    parser.add_argument("--api-key", metavar="KEY", help="secret key (sk_…) for --api-url (default: SEGOPS_API_KEY)")
    parser.add_argument("--data", metavar="FILE", help="other purchases, in the format of cdnow_sample.txt")
    parser.add_argument("--limit", metavar="N", type=_parse_count, help="send only the first N purchases")
    parser.add_argument(
        "--db", metavar="FILE", help="keep the data of the local SegOps in this file (default: in memory)"
    )
    add_output_flags(parser, default="table")


def _parse_count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:_MAX_DIGITS]) > 0):
        from argparse import ArgumentTypeError  # noqa: PLC0415 - every client loads this module, and none needs argparse

        raise ArgumentTypeError(f"must be a whole number above 0, got {text[:40]!r}")
    return int(text[:_MAX_DIGITS])


def _run(args: argparse.Namespace) -> int:
    with needs_modules("the local SegOps"):
        from segops.demo.command import run  # noqa: PLC0415 - loads a server and SQLite, which clients must not

    return run(args)
