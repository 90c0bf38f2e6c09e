"""`segops dev`: run a local SegOps over HTTP, with a live page, and commands that work with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segops.core import Command, hookimpl
from segops.utils import needs_modules

if TYPE_CHECKING:
    import argparse

__all__ = ["segops_register_commands"]


@hookimpl
def segops_register_commands() -> list[Command]:
    """Register `segops dev`."""
    return [
        Command(
            name="dev",
            help="Run a local SegOps with a live page of incoming events.",
            configure=_configure,
            run=_run,
        )
    ]


def _configure(parser: argparse.ArgumentParser) -> None:
    from segops.devserver.arguments import add_arguments  # noqa: PLC0415 - loads argparse, which clients must not

    add_arguments(parser)


def _run(args: argparse.Namespace) -> int:
    with needs_modules("`segops dev`", extra="dev"):
        from segops.devserver.command import run  # noqa: PLC0415 - loads a server and SQLite, which clients must not

    return run(args)
