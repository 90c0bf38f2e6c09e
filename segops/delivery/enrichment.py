"""Run enrichers on the events that they ask for, and isolate their failures."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence

from segops.core.encoding import is_plain
from segops.core.errors import SegOpsPluginError
from segops.core.events import Event
from segops.core.hookspecs import Enricher
from segops.delivery.coercion import encode_event
from segops.delivery.validation import check_text, check_time

MAX_STRIKES = 5
"""Consecutive failures after which an enricher is turned off."""

SLOW = 0.1
"""Seconds. An enricher that takes longer counts as failed, because it delays every caller of `track()`."""

MAX_ADDED = 100
"""Events that an enricher may return for one."""


class _Guarded:
    """An enricher whose failures are counted."""

    def __init__(self, enricher: Enricher, report: Callable[[Exception], None]) -> None:
        self.event_types = enricher.event_types
        self.is_on = True
        self._enricher = enricher
        self._report = report
        self._strikes = 0

    def apply(self, event: Event) -> Sequence[Event]:
        """Return the enricher's result for `event`, or the event itself if the enricher fails."""
        copy = Event(event.user_id, event.event_type, event.occurred_at, dict(event.payload), event.anonymous_id)
        started = time.perf_counter()
        try:
            result = _checked(self._enricher.enrich(copy), event)
        except Exception as error:  # noqa: BLE001 - third-party code may raise anything
            _check_encodable(event)  # an event that cannot be encoded is not the plugin's fault
            self._strike(f"raised {type(error).__name__}", error)
            return (event,)
        seconds = time.perf_counter() - started
        if seconds > SLOW:
            self._strike(f"took {seconds:.1f} s, which delays every caller of track()")
        else:
            self._strikes = 0
        return result

    def _strike(self, what: str, cause: Exception | None = None) -> None:
        self._strikes += 1
        self.is_on = self._strikes < MAX_STRIKES
        end = "" if self.is_on else f"; it is turned off after {MAX_STRIKES} consecutive failures"
        error = SegOpsPluginError(f"enricher {self._enricher.name!r} {what}{end}")
        error.__cause__ = cause  # not in the message: it may quote the event
        self._report(error)


class Enrichment:
    """The enrichers of one client.

    Args:
        enrichers: In the order in which they run. An event that one adds is seen by those after it.
        report: Gets each failure.

    Attributes:
        event_types: The event types that any enricher asked for; None if one asked for all.
    """

    def __init__(self, enrichers: Iterable[Enricher], report: Callable[[Exception], None]) -> None:
        self._enrichers = [_Guarded(enricher, report) for enricher in enrichers]
        self.event_types = _wanted_by(self._enrichers)

    def apply(self, event: Event) -> Sequence[Event]:
        """Return the events to send for `event`; none if it was dropped."""
        events: Sequence[Event] = (event,)
        for enricher in self._enrichers:
            if enricher.is_on:
                events = [out for one in events for out in _through(enricher, one)]
        return events


def _wanted_by(enrichers: Sequence[_Guarded]) -> frozenset[str] | None:
    event_types: set[str] = set()
    for enricher in enrichers:
        if enricher.event_types is None:
            return None
        event_types |= enricher.event_types
    return frozenset(event_types)


def _through(enricher: _Guarded, event: Event) -> Sequence[Event]:
    if enricher.event_types is None or event.event_type in enricher.event_types:
        return enricher.apply(event)
    return (event,)


def _checked(result: Event | Iterable[Event] | None, source: Event) -> Sequence[Event]:
    """Return the events that an enricher returned, once checked. An event without a time gets that of its source.

    Raises:
        Exception: The result is invalid. Any type, since the enricher's own objects are read.
    """
    if result is None:
        return ()
    events = [result] if isinstance(result, Event) else list(itertools.islice(result, MAX_ADDED + 1))
    if len(events) > MAX_ADDED:
        raise SegOpsPluginError(f"it returned more than {MAX_ADDED} events for one")
    for event in events:
        if not isinstance(event, Event):
            raise SegOpsPluginError(f"it must return events, got {type(event).__name__}")
        check_text("user_id", event.user_id)
        check_text("event_type", event.event_type)
        if event.anonymous_id is not None:
            check_text("anonymous_id", event.anonymous_id)
        event.occurred_at = check_time(event.occurred_at or source.occurred_at)
        _check_encodable(event)
    return events


def _check_encodable(event: Event) -> None:
    if not is_plain(event.payload):
        encode_event(event)
