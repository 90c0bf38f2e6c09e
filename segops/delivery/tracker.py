"""Where events come in: checked, enriched, encoded and put into the buffer, all on the caller's thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from segops.core.encoding import encode_plain, is_plain
from segops.core.errors import SegOpsEncodingError, SegOpsError, SegOpsEventError
from segops.core.events import ANONYMOUS, CONTEXT_IDENTIFIED, Context, Event, PageView, UserContext
from segops.core.retry import Clock, wall_time
from segops.delivery.coercion import encode_event
from segops.delivery.enrichment import Enrichment
from segops.delivery.pipeline import Pipeline
from segops.delivery.queue import OwnedEvent
from segops.delivery.validation import (
    Note,
    check_payload,
    check_text,
    check_time,
    read_context,
    read_event,
    read_page_view,
    read_user_context,
)

GetUser = Callable[[], "UserContext | Mapping[str, Any] | None"]

TryEnqueue = Callable[["str | None", "str | None", "Mapping[str, Any] | None", "str | None"], bool]
"""Takes the usual event, or returns False: `EventQueue.try_enqueue`."""

_MAX_CAUSES = 10


class _Read(Protocol):
    def __call__(self, value: object, *, keywords: Mapping[str, Any], note: Note) -> Event: ...


class Tracker:
    """The verbs that take events. `SegOpsClient` adds those that concern the client as a whole.

    `track` hands the usual event to the buffer at once, with one call: each further one would cost the request path of
    an application some 60 ns. All else goes the long way; see docs/performance.md.
    """

    _try_enqueue: TryEnqueue
    _clock: Clock
    _enrichment: Enrichment
    _get_user: GetUser | None
    _is_disabled: bool
    _pipeline: Pipeline
    _strict: bool

    def track(
        self,
        event: Event | Mapping[str, Any] | None = None,
        *,
        user_id: str | None = None,
        event_type: str | None = None,
        occurred_at: str | datetime | None = None,
        payload: Mapping[str, Any] | None = None,
        anonymous_id: str | None = None,
    ) -> None:
        """Record that a user did something. Never blocks, never raises.

        A bad event is counted as dropped, and passed to `on_error` and the log; with `strict=True` it raises.

        Args:
            event: An `Event`, or a mapping with its fields; or else give the fields as keywords. If both give a field,
                that of `event` is taken, and `on_error` is told.
            user_id: Your own id for the person.
            event_type: What happened, as "order_placed".
            occurred_at: When, as ISO 8601 text or datetime (a naive one is taken as UTC). Default, also for "": now.
            payload: Any JSON properties.
            anonymous_id: A device or visitor id.

        Raises:
            SegOpsEventError: Only with `strict=True`: the event was dropped.

        Source: typescript-sdk.md, "track".
        """
        try:
            if event is None and occurred_at is None and self._try_enqueue(user_id, event_type, payload, anonymous_id):
                return
            keywords = {
                "user_id": user_id,
                "event_type": event_type,
                "occurred_at": occurred_at,
                "payload": payload,
                "anonymous_id": anonymous_id,
            }
            self._process(read_event, event, keywords)
        except SegOpsEventError:
            raise  # with `strict`; it is counted
        except Exception:  # of `_process`, only what the stack has no room for: not even for a call of `next`
            for _ in self._pipeline.ledger.unexplained:
                break
            if self._strict:
                raise

    def identify(
        self,
        context: Context | Mapping[str, Any] | None = None,
        *,
        user_id: str | None = None,
        traits: Mapping[str, Any] | None = None,
    ) -> None:
        """Record the traits of a user, as a `context_identified` event. Never blocks, never raises.

        Args:
            context: A `Context`, or a mapping with its fields; or else give the fields as keywords.
            user_id: Your own id for the person.
            traits: Any JSON properties; they replace those recorded before.

        Raises:
            SegOpsEventError: Only with `strict=True`: the event was dropped.

        Source: typescript-sdk.md, "identify".
        """
        try:
            if context is None and self._try_enqueue(user_id, CONTEXT_IDENTIFIED, traits, None):
                return
            self._process(read_context, context, {"user_id": user_id, "traits": traits})
        except SegOpsEventError:
            raise  # as for track
        except Exception:
            for _ in self._pipeline.ledger.unexplained:
                break
            if self._strict:
                raise

    def track_page_view(
        self,
        user_id: str | PageView | Mapping[str, Any] | None = ANONYMOUS,
        path: str | None = None,
        *,
        url: str | None = None,
        referrer: str | None = None,
        title: str | None = None,
        occurred_at: str | datetime | None = None,
        anonymous_id: str | None = None,
    ) -> None:
        """Record a page view, and an `ai_referral_session` after it if an AI assistant sent the visitor.

        Never blocks, never raises. A server has no document to ask, so pass what the request says.

        Args:
            user_id: Your own id for the person; None is an anonymous visitor. Or a `PageView`, or a mapping with its
                fields.
            path: The path of the page. Default: that of `url`.
            url: The full URL of the page.
            referrer: The full URL that the visitor came from: the `Referer` header.
            title: The title of the page.
            occurred_at: When, as for `track`.
            anonymous_id: A device or visitor id.

        Raises:
            SegOpsEventError: Only with `strict=True`: the event was dropped.

        Source: typescript-sdk.md, "trackPageView"; wire-protocol.md, section 4.
        """
        try:
            keywords = {
                "path": path,
                "url": url,
                "referrer": referrer,
                "title": title,
                "occurred_at": occurred_at,
                "anonymous_id": anonymous_id,
            }
            self._process(read_page_view, user_id, keywords)
        except SegOpsEventError:
            raise  # as for track
        except Exception:
            for _ in self._pipeline.ledger.unexplained:
                break
            if self._strict:
                raise

    def _process(self, read: _Read, value: object, keywords: Mapping[str, Any]) -> None:
        """Take any event: read, check, enrich and encode it, or refuse it."""
        if self._is_disabled:
            return
        try:
            given = read(value, keywords=keywords, note=self._note)
            whole = Event(
                check_text("user_id", given.user_id),
                check_text("event_type", given.event_type),
                check_time(given.occurred_at) if given.occurred_at else wall_time(self._clock),
                check_payload(given.payload),
                None if given.anonymous_id is None else check_text("anonymous_id", given.anonymous_id),
            )
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
        """Put an event into the buffer, or return why not: one of several must not take the others with it."""
        pipeline = self._pipeline
        try:
            encoded = self._encode(event)
            queue = pipeline.queue
            if len(encoded) > queue.max_event_bytes:
                return _too_large(encoded, queue.max_event_bytes)
            if pipeline.has_owners:
                encoded = self._owned(encoded)
            if pipeline.notifier.is_dispatching():
                pipeline.ledger.refuse("plugin")
            elif not queue.enqueue(encoded):
                return _no_room(pipeline)
        except Exception as error:  # noqa: BLE001 - whatever a payload's own methods raise must not reach the host
            return error
        return None

    def _encode(self, event: Event) -> bytes:
        try:
            if is_plain(event.payload):
                return encode_plain(event)
        except (UnicodeEncodeError, TypeError):
            pass  # there is more to convert than the payload
        encoded, coerced = encode_event(event)
        for _ in range(coerced):
            self._pipeline.ledger.coerced.add()
        return encoded

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
        refused = [_as_event_error(error) for error in errors]
        for dropped in refused:
            self._pipeline.ledger.refuse(dropped.reason)
        if self._strict:
            raise refused[0]
        try:
            for dropped in refused:
                _let_go_of_frames(dropped)
                self._report(dropped)
        except RecursionError:
            pass  # the events are counted; `track` must not count them again

    def _note(self, message: str) -> None:
        """Report what is doubtful about an event that is taken all the same; `strict` takes none that is."""
        if self._strict:
            raise SegOpsEventError(message)
        self._report(SegOpsError(message))

    def _report(self, error: Exception) -> None:
        if self._pipeline.notifier.error(error):
            self._pipeline.worker.wake()


def _too_large(encoded: bytes, limit: int) -> SegOpsEventError:
    return SegOpsEventError(f"the event takes {len(encoded)} bytes, more than {limit}: send less", reason="too_large")


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


def _as_event_error(error: Exception) -> SegOpsEventError:
    if isinstance(error, SegOpsEventError):
        return error
    if isinstance(error, RecursionError):
        return SegOpsEncodingError("the payload refers to itself or is nested too deeply: send flat properties")
    dropped = SegOpsEventError(f"the event could not be read: {type(error).__name__} was raised")
    dropped.__cause__ = error  # not in the message: it may quote the event
    return dropped
