"""The built-in plugin `forward`: send what producers added to a broker, with the command `segops forward`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segops.core import Command, hookimpl

if TYPE_CHECKING:
    import argparse

    from segops.forward.status import StreamStatus, StreamWatch

__all__ = ["StreamStatus", "StreamWatch", "segops_register_commands"]


@hookimpl
def segops_register_commands() -> list[Command]:
    """Register `segops forward`."""
    text = "Send the events in a broker to SegOps; show its state and its dead letters."
    return [Command(name="forward", help=text, configure=_configure, run=_run)]


def _configure(parser: argparse.ArgumentParser) -> None:
    from segops.forward.arguments import add_arguments  # noqa: PLC0415 - loads argparse, which clients must not

    add_arguments(parser)


def _run(args: argparse.Namespace) -> int:
    from segops.forward.command import run  # noqa: PLC0415 - every client imports this module

    return run(args)


if not TYPE_CHECKING:  # type checkers would accept every misspelled name

    def __getattr__(name: str) -> Any:
        """Load a public name on first use: every client imports this module."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from segops.forward import status  # noqa: PLC0415 - as above

        return getattr(status, name)
