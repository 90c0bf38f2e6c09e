"""`segops demo`: a year and a half of real purchases, sent to a SegOps and counted there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segops.core import Command, hookimpl
from segops.utils import needs_modules

if TYPE_CHECKING:
    import argparse

__all__ = ["segops_register_commands"]


@hookimpl
def segops_register_commands() -> list[Command]:
    """Register `segops demo`."""
    return [
        Command(
            name="demo",
            help="Send real purchases and page views to a SegOps on this machine, and show what it holds then.",
            configure=_add_arguments,
            run=_run,
        )
    ]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--api-url", metavar="URL", help="send to this SegOps instead of one on this machine")
    parser.add_argument("--api-key", metavar="KEY", help="the secret key (sk_...) for it (default: SEGOPS_API_KEY)")
    parser.add_argument("--data", metavar="FILE", help="other purchases, in the form of examples/data/cdnow_sample.txt")
    parser.add_argument("--limit", metavar="N", type=_count, help="send only the first N purchases")
    parser.add_argument(
        "--db", metavar="PATH", help="keep the SegOps on this machine in this file (default: in memory)"
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:18]) > 0):
        from argparse import ArgumentTypeError  # noqa: PLC0415 - every client loads this module, and none needs argparse

        raise ArgumentTypeError(f"{text[:40]!r} is not a whole number above 0")
    return int(text[:18])


def _run(arguments: argparse.Namespace) -> int:
    with needs_modules("the local SegOps"):
        from segops.demo.command import run  # noqa: PLC0415 - loads a server and SQLite, which clients must not

    return run(arguments)
