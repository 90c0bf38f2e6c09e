"""Validate, enrich, encode, and enqueue events on the caller's thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from segops.core.errors import SegOpsError, SegOpsEventError
from segops.core.events import ANONYMOUS, Event, UserContext
from segops.core.retry import Clock
from segops.delivery.enrichment import Enrichment
from segops.delivery.pipeline import Pipeline
from segops.delivery.preparation import as_event_error, check_event, encode_checked
from segops.delivery.times import wall_time
from segops.delivery.validation import Note, read_user_context

GetUser = Callable[[], "UserContext | Mapping[str, Any] | None"]

_MAX_CAUSES = 10


class _Read(Protocol):
    def __call__(self, value: object, *, keywords: Mapping[str, Any], note: Note) -> Event: ...


class Tracker:
    """The slow path of `track`: reads, checks, enriches, encodes, and enqueues any event, or drops it.

    Args:
        pipeline: Gets the events.
        enrichment: The enrichers.
        get_user: With a public key: returns the current user. None for an anonymous visitor.
        clock: Gives the time to events without one.
        strict: Whether a bad event raises.
        is_disabled: Whether the SDK is turned off, so that nothing is read or counted.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        enrichment: Enrichment,
        get_user: GetUser | None,
        clock: Clock,
        strict: bool,
        is_disabled: bool,
    ) -> None:
        self._pipeline = pipeline
        self._enrichment = enrichment
        self._get_user = get_user
        self._clock = clock
        self._strict = strict
        self._is_disabled = is_disabled

    def process(self, read: _Read, value: object, keywords: Mapping[str, Any]) -> None:
        """Read, check, enrich, encode, and enqueue an event, or drop it.

        Raises:
            SegOpsEventError: Only if strict: the event was dropped.
        """
        if self._is_disabled:
            return
        try:
            given = read(value, keywords=keywords, note=self._note)
            if value is not None and self._try_enqueue(given):  # without a value, the caller has tried already
                return
            whole = check_event(given, lambda: wall_time(self._clock))
            event_types = self._enrichment.event_types
            is_wanted = event_types is None or whole.event_type in event_types
            events = self._enrichment.apply(whole) if is_wanted else (whole,)
        except Exception as error:  # noqa: BLE001 - whatever a payload's own methods raise must not reach the host
            self._refuse(error)
            return
        if not events:
            self._pipeline.ledger.refuse("plugin")
        errors = [refused for each in events if (refused := self._put(each))]
        if errors:
            self._refuse(*errors)

    def _try_enqueue(self, event: Event) -> bool:
        """Enqueue an event by the fast path if it happens now and is the common case."""
        return not event.occurred_at and self._pipeline.queue.try_enqueue(
            event.user_id, event.event_type, event.payload, event.anonymous_id
        )

    def _put(self, event: Event) -> Exception | None:
        """Enqueue an event, or return the error: one bad event must not stop the others."""
        pipeline = self._pipeline
        try:
            queue = pipeline.queue
            encoded, coerced = encode_checked(event, queue.max_event_bytes)
            for _ in range(coerced):
                pipeline.ledger.coerced.add()
            owner = (self._current_user(),) if pipeline.has_owners else ()
            if pipeline.notifier.is_dispatching():
                pipeline.ledger.refuse("plugin")
            elif not queue.enqueue(encoded, *owner):
                return _no_room(pipeline)
        except Exception as error:  # noqa: BLE001 - whatever a payload's own methods raise must not reach the host
            return error
        return None

    def _current_user(self) -> UserContext:
        """Return the user under whose session the event must be sent, because the server records it for that user."""
        try:
            user = self._get_user() if self._get_user else UserContext(anonymous_id=ANONYMOUS)
        except Exception as error:
            raise SegOpsEventError(f"get_user raised {type(error).__name__}") from error
        return read_user_context(user)

    def _refuse(self, *errors: Exception) -> None:
        """Count and report refused events; raise the first error if strict."""
        refused = [as_event_error(error) for error in errors]
        for dropped in refused:
            self._pipeline.ledger.refuse(dropped.reason)
        if self._strict:
            raise refused[0]
        try:
            for dropped in refused:
                _let_go_of_frames(dropped)
                self.report(dropped)
        except RecursionError:
            pass  # the events are counted already: `track` must not count them again

    def _note(self, message: str) -> None:
        """Report a doubtful event that is accepted anyway; raise if strict."""
        if self._strict:
            raise SegOpsEventError(message)
        self.report(SegOpsError(message))

    def report(self, error: Exception) -> None:
        """Report an error to observers, on the worker's thread."""
        if self._pipeline.notifier.error(error):
            self._pipeline.worker.wake()


def _no_room(pipeline: Pipeline) -> SegOpsEventError:
    if pipeline.queue.is_closed:
        return SegOpsEventError("the client is closed: track before shutdown()", reason="closed")
    return SegOpsEventError("the queue is full: the server is slower than track()", reason="queue_full")


def _let_go_of_frames(error: BaseException) -> None:
    """Remove tracebacks: their frames would keep the event in memory until the error is dispatched."""
    link: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if link is None:
            return
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
