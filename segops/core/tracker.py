"""Where events come in: checked, enriched, encoded and put into the buffer, all on the caller's thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from segops.core.encoding import encode_event, encode_plain, is_plain
from segops.core.enrichment import Enrichment
from segops.core.errors import SegOpsEncodingError, SegOpsEventError
from segops.core.events import (
    CONTEXT_IDENTIFIED,
    PAGE_VIEWED,
    Context,
    Event,
    PageView,
    UserContext,
    check_payload,
    check_text,
    check_time,
    read_event,
    read_user_context,
)
from segops.core.intake import OwnedEvent
from segops.core.pipeline import Pipeline

GetUser = Callable[[], "UserContext | Mapping[str, Any] | None"]

Accept = Callable[["str | None", "str | None", "Mapping[str, Any] | None", "str | None"], bool]
"""Takes the usual event, or returns False: `Intake.accept`."""

_Fields = tuple[Any, Any, Any, Any, Any]

_ANONYMOUS = "anonymous"
_MAX_CAUSES = 10


class Tracker:
    """The verbs that take events. `SegOpsClient` adds those that concern the client as a whole.

    `track` hands the usual event to the buffer at once, with one call: each further one would cost the request path of
    an application some 60 ns. All else goes the long way; see docs/performance.md.
    """

    _accept: Accept
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
            event: An `Event`, or a mapping with its fields; or else give the fields as keywords.
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
            if event is None and occurred_at is None and self._accept(user_id, event_type, payload, anonymous_id):
                return
        except Exception as error:  # noqa: BLE001 - whatever happens must not reach the host
            self._refuse(error)
        else:
            self._take(event, (user_id, event_type, occurred_at, payload, anonymous_id))

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
            if context is not None:
                user_id, traits = _traits(context)
        except Exception as error:  # noqa: BLE001 - as for track
            self._refuse(error)
        else:
            self.track(user_id=user_id, event_type=CONTEXT_IDENTIFIED, payload=traits)

    def track_page_view(
        self,
        user_id: str | PageView | None = _ANONYMOUS,
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
            user_id: Your own id for the person, or a `PageView`; None is an anonymous visitor.
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
        if self._is_disabled:
            return
        try:
            if not isinstance(user_id, PageView):
                user_id = PageView(user_id or _ANONYMOUS, path, url, referrer, title)
            payload = user_id.payload()
        except Exception as error:  # noqa: BLE001 - as for track
            self._refuse(error)
        else:
            self.track(
                user_id=user_id.user_id,
                event_type=PAGE_VIEWED,
                occurred_at=occurred_at,
                payload=payload,
                anonymous_id=anonymous_id,
            )

    def _take(self, event: Event | Mapping[str, Any] | None, fields: _Fields) -> None:
        """Take any event, or else its fields: check, enrich and encode it, or refuse it."""
        if self._is_disabled:
            return
        try:
            given = Event(*fields) if event is None else read_event(event)
            whole = Event(
                check_text("user_id", given.user_id),
                check_text("event_type", given.event_type),
                check_time(given.occurred_at) if given.occurred_at else datetime.now(timezone.utc),
                check_payload(given.payload),
                None if given.anonymous_id is None else check_text("anonymous_id", given.anonymous_id),
            )
            wanted = self._enrichment.wanted
            is_wanted = wanted is None or whole.event_type in wanted
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
            intake = pipeline.buffer.intake
            if len(encoded) > intake.max_event_bytes:
                return _too_large(encoded, intake.max_event_bytes)
            if pipeline.has_owners:
                encoded = self._owned(encoded)
            if pipeline.reporter.is_telling():
                pipeline.ledger.refuse("plugin")
            elif not intake.put(encoded):
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
            user = self._get_user() if self._get_user else UserContext(anonymous_id=_ANONYMOUS)
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
        for dropped in refused:
            _let_go_of_frames(dropped)
            self._report(dropped)

    def _report(self, error: Exception) -> None:
        if self._pipeline.reporter.error(error):
            self._pipeline.worker.wake()


def _traits(context: object) -> tuple[Any, Any]:
    if isinstance(context, Context):
        return context.user_id, context.traits
    if isinstance(context, Mapping):
        return context.get("user_id"), context.get("traits")
    raise _not_one_of(context, "a Context")


def _not_one_of(value: object, what: str) -> SegOpsEventError:
    return SegOpsEventError(f"a {type(value).__name__} is neither {what} nor a mapping: pass one, or keywords")


def _too_large(encoded: bytes, limit: int) -> SegOpsEventError:
    return SegOpsEventError(f"the event takes {len(encoded)} bytes, more than {limit}: send less", reason="too_large")


def _no_room(pipeline: Pipeline) -> SegOpsEventError:
    if pipeline.buffer.is_closed:
        return SegOpsEventError("the client is closed: track before shutdown()", reason="closed")
    return SegOpsEventError("the buffer is full: events come in faster than the server takes them", reason="queue_full")


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
