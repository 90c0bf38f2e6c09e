"""Validate, enrich, encode, and enqueue events on the caller's thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from segops.core.errors import SegOpsError, SegOpsEventError
from segops.core.events import ANONYMOUS, Event, UserContext
from segops.core.retry import Clock, wall_time
from segops.delivery.enrichment import Enrichment
from segops.delivery.pipeline import Pipeline
from segops.delivery.preparation import as_event_error, check_event, encode_checked
from segops.delivery.queue import OwnedEvent
from segops.delivery.validation import Note, read_user_context

GetUser = Callable[[], "UserContext | Mapping[str, Any] | None"]

_MAX_CAUSES = 10


class _Read(Protocol):
    def __call__(self, value: object, *, keywords: Mapping[str, Any], note: Note) -> Event: ...


class Tracker:
    """The slow path of `track`: reads, checks, enriches, encodes, and enqueues any event, or drops it.

    Args:
        pipeline: What the events enter.
        enrichment: The enrichers.
        get_user: With a public key: returns who the current user is; None for an anonymous visitor.
        clock: Says when an event happened that does not say it itself.
        strict: Whether a bad event raises.
        is_disabled: Whether the SDK is turned off: nothing is read or counted.
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

    def _put(self, event: Event) -> Exception | None:
        """Enqueue an event, or return why not: one of several must not take the others with it."""
        pipeline = self._pipeline
        try:
            queue = pipeline.queue
            encoded, coerced = encode_checked(event, queue.max_event_bytes)
            for _ in range(coerced):
                pipeline.ledger.coerced.add()
            if pipeline.has_owners:
                encoded = self._owned(encoded)
            if pipeline.notifier.is_dispatching():
                pipeline.ledger.refuse("plugin")
            elif not queue.enqueue(encoded):
                return _no_room(pipeline)
        except Exception as error:  # noqa: BLE001 - whatever a payload's own methods raise must not reach the host
            return error
        return None

    def _owned(self, encoded: bytes) -> bytes:
        """Tie the event to whoever the user is now: the server books it under the session that it is sent with."""
        try:
            user = self._get_user() if self._get_user else UserContext(anonymous_id=ANONYMOUS)
        except Exception as error:
            raise SegOpsEventError(f"get_user raised {type(error).__name__}") from error
        event = OwnedEvent(encoded)
        event.owner = read_user_context(user)
        return event

    def _refuse(self, *errors: Exception) -> None:
        """Count and report events that do not get in; raise the first of the errors if the application wants that."""
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
            pass  # the events are counted; `track` must not count them again

    def _note(self, message: str) -> None:
        """Report what is doubtful about an event that is taken all the same; `strict` takes none that is."""
        if self._strict:
            raise SegOpsEventError(message)
        self.report(SegOpsError(message))

    def report(self, error: Exception) -> None:
        """Report an error to the host, off its threads."""
        if self._pipeline.notifier.error(error):
            self._pipeline.worker.wake()


def _no_room(pipeline: Pipeline) -> SegOpsEventError:
    if pipeline.queue.is_closed:
        return SegOpsEventError("the client is closed: track before shutdown()", reason="closed")
    return SegOpsEventError("the queue is full: the server is slower than track()", reason="queue_full")


def _let_go_of_frames(error: BaseException) -> None:
    """Cut the tracebacks off: their frames hold the event, which would stay in memory until the error is told."""
    link: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if link is None:
            return
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
