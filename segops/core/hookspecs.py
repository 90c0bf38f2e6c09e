"""The hooks: what a plugin can add.

Each client calls each hook once, when it is made, and freezes what it got; nothing here runs per event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import pluggy

from segops.core.errors import DropReason, SegOpsPluginError
from segops.core.events import Event
from segops.core.http import TransportFactory

if TYPE_CHECKING:
    import argparse

PROJECT = "segops"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Enrich = Callable[[Event], "Event | Iterable[Event] | None"]
"""Looks at one event and returns what is to be sent in its place.

The event itself (changed or not), None to drop it, or several events in the order in which they are to be sent.
`event.payload` is a dict of its own that may be changed at the top level.
"""


class Enricher(msgspec.Struct, frozen=True, kw_only=True):
    """An enrichment and the events that it wants.

    Attributes:
        name: How it is named in reports and in `segops plugins`.
        event_types: The event types that it is called for; None for all. Events of other types cost it nothing.
        enrich: The function, called on the thread that tracks. It must be quick and do no I/O.

    Raises:
        SegOpsPluginError: An attribute has the wrong type.
    """

    name: str
    event_types: frozenset[str] | None
    enrich: Enrich

    def __post_init__(self) -> None:
        wants = self.event_types
        if wants is not None and not (isinstance(wants, frozenset) and all(isinstance(kind, str) for kind in wants)):
            raise SegOpsPluginError(f"event_types of enricher {self.name!r} is no frozenset of text, and not None")
        if not callable(self.enrich):
            raise SegOpsPluginError(f"enrich of enricher {self.name!r} is a {type(self.enrich).__name__}, no function")


class Observer:
    """Hears what became of events; override what is of interest.

    Called off the caller's thread, never under a lock, and never twice for the same event.
    """

    def on_delivered(self, count: int, seconds: float) -> None:
        """`count` events were taken by the server, by a request that took `seconds`."""

    def on_retry(self, error: Exception, delay: float) -> None:
        """A request failed; the next one follows in `delay` seconds."""

    def on_drop(self, reason: DropReason, count: int) -> None:
        """`count` events were dropped."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command of the `segops` program.

    Attributes:
        name: The word after `segops`.
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
    """Return transports by URL scheme, in lower case and without the colon."""
    raise NotImplementedError


@hookspec
def segops_register_enrichers() -> Iterable[Enricher]:
    """Return enrichers, in the order in which they are to run."""
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
