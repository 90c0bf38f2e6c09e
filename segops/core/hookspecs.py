"""The hooks that a plugin can implement.

Each client calls each hook once, when it is created.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import pluggy

from segops.core.errors import DropReason, SegOpsPluginError
from segops.core.events import Event
from segops.core.http import TransportFactory
from segops.core.spool import SpoolFactory

if TYPE_CHECKING:
    import argparse

PROJECT = "segops"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Enrich = Callable[[Event], "Event | Iterable[Event] | None"]
"""Receives an event and returns what to send: the event, several events in order, or None to drop it.

It may change `event.payload` at the top level.
"""


class Enricher(msgspec.Struct, frozen=True, kw_only=True):
    """A function that changes, drops, or adds events, and the event types that it is called for.

    Attributes:
        name: Shown in errors and by `segops plugins`.
        event_types: The event types that it is called for; None for all.
        enrich: The function, called on the thread that tracks. It must be quick and do no I/O.

    Raises:
        SegOpsPluginError: An attribute has the wrong type.
    """

    name: str
    event_types: frozenset[str] | None
    enrich: Enrich

    def __post_init__(self) -> None:
        types = self.event_types
        if types is not None and not (isinstance(types, frozenset) and all(isinstance(name, str) for name in types)):
            raise SegOpsPluginError(
                f"enricher {self.name!r}: event_types must be a frozenset of str or None, got {type(types).__name__}"
            )
        if not callable(self.enrich):
            raise SegOpsPluginError(
                f"enricher {self.name!r}: enrich must be callable, got {type(self.enrich).__name__}"
            )


class Observer:
    """Receives notifications about events; override the methods you need.

    The methods are called on the thread that sends, and without a lock.
    """

    def on_delivered(self, count: int, seconds: float) -> None:
        """The server accepted `count` events in one request that took `seconds`."""

    def on_retry(self, error: Exception, delay: float) -> None:
        """A request failed; the next attempt follows in `delay` seconds."""

    def on_drop(self, reason: DropReason, count: int) -> None:
        """`count` events were dropped."""

    def on_error(self, error: Exception) -> None:
        """Something failed: a request, an event, a plugin, or the spool.

        For a request that will be retried, `on_retry` is called first, with the same error.
        """


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command of the `segops` program.

    Attributes:
        name: The name, as in `segops NAME`.
        help: One line for `segops help`.
        configure: Adds the command's arguments to its parser.
        run: Does the work and returns the exit code.
    """

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


@hookspec
def segops_register_transports() -> Mapping[str, TransportFactory]:
    """Return functions that create transports, by URL scheme, in lower case and without the colon."""
    raise NotImplementedError


@hookspec
def segops_register_spools() -> Mapping[str, SpoolFactory]:
    """Return functions that create spools, by URL scheme, in lower case and without the colon."""
    raise NotImplementedError


@hookspec
def segops_register_enrichers() -> Iterable[Enricher]:
    """Return enrichers, in the order in which they run."""
    raise NotImplementedError


@hookspec
def segops_register_observers() -> Iterable[Observer]:
    """Return observers."""
    raise NotImplementedError


@hookspec
def segops_register_resources() -> Mapping[str, type[Any]]:
    """Return classes of admin resources by the name of their namespace."""
    raise NotImplementedError


@hookspec
def segops_register_commands() -> Iterable[Command]:
    """Return commands for the `segops` program."""
    raise NotImplementedError
