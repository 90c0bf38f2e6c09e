"""The events that a client has sent, with assertions whose failures say what differs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from segops import SegOpsClient
from segops.testing.clients import memory_transport

if TYPE_CHECKING:
    from segops.emulator import LocalSegOps

TrackedEvent = Mapping[str, Any]
"""An event as decoded JSON: `user_id`, `event_type`, `occurred_at`, `payload` and perhaps `anonymous_id`."""

_SHOWN = 10
_POLL_SECONDS = 0.01


class TrackedEvents:
    """The events that arrived since this was made, in order; every look at them flushes the client first.

    Args:
        source: A client over `memory:`, or a local SegOps.

    Raises:
        SegOpsConfigError: The client is not over `memory:`.
    """

    def __init__(self, source: SegOpsClient | LocalSegOps) -> None:
        self._client = source if isinstance(source, SegOpsClient) else None
        self._read = _reader(source)
        self._start = len(self._read())

    def __repr__(self) -> str:
        """Show no data, and flush nothing."""
        return f"TrackedEvents(start={self._start})"

    def __iter__(self) -> Iterator[TrackedEvent]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def __getitem__(self, index: int) -> TrackedEvent:
        return self._now()[index]

    def assert_tracked(
        self,
        event_type: str,
        *,
        user_id: str | None = None,
        anonymous_id: str | None = None,
        occurred_at: str | None = None,
        payload: Mapping[str, Any] | None = None,
        times: int | None = None,
        within: float = 0.0,
    ) -> TrackedEvent:
        """Assert that an event was tracked, and return the first one that matches.

        Args:
            event_type: Its type.
            user_id: Its user; None for any.
            anonymous_id: Its anonymous id; None for any.
            occurred_at: When it happened, as the event says it; None for any.
            payload: Some of its properties, also of objects inside of it; others are ignored.
            times: How many events must match; None for at least one.
            within: Seconds to wait for it, for events of other threads and processes.

        Raises:
            AssertionError: No event matches, or not `times` events do. The message shows the nearest one.
        """
        __tracebackhide__ = True
        if times is not None and times < 1:
            raise ValueError(f"times must be at least 1, got {times}: use assert_nothing_tracked")
        given = {"user_id": user_id, "anonymous_id": anonymous_id, "occurred_at": occurred_at, "payload": payload}
        expected = {"event_type": event_type, **{name: value for name, value in given.items() if value is not None}}

        end = time.monotonic() + within
        while True:
            events = self._now()
            matches = [event for event in events if not differences(expected, event)]
            if matches and times in (None, len(matches)):
                return matches[0]
            if time.monotonic() >= end:
                break
            time.sleep(_POLL_SECONDS)
        if matches:
            raise AssertionError(f"expected {times} matching events, found {len(matches)}\n{_list(matches)}")
        raise AssertionError(_describe_nearest(expected, events) + self._describe_undelivered())

    def assert_nothing_tracked(self, event_type: str | None = None) -> None:
        """Assert that no event was tracked.

        Args:
            event_type: A type; None for all.

        Raises:
            AssertionError: Events were tracked. The message lists them.
        """
        __tracebackhide__ = True
        events = [event for event in self._now() if event_type in (None, event["event_type"])]
        if events:
            raise AssertionError(f"expected no events, found {len(events)}\n{_list(events)}")

    def assert_ai_referral(
        self,
        source_provider: str,
        *,
        user_id: str | None = None,
        anonymous_id: str | None = None,
        payload: Mapping[str, Any] | None = None,
        times: int | None = None,
        within: float = 0.0,
    ) -> TrackedEvent:
        """Assert that a page view came from an AI assistant, and return the referral.

        Args:
            source_provider: The id of the assistant, such as "chatgpt".
            user_id: As for `assert_tracked`.
            anonymous_id: As for `assert_tracked`.
            payload: As for `assert_tracked`.
            times: As for `assert_tracked`.
            within: As for `assert_tracked`.

        Raises:
            AssertionError: No such referral was tracked. The message shows the nearest event.

        Source: docs/ai-referrals.md.
        """
        __tracebackhide__ = True
        return self.assert_tracked(
            "ai_referral_session",
            user_id=user_id,
            anonymous_id=anonymous_id,
            payload={**(payload or {}), "source_provider": source_provider},
            times=times,
            within=within,
        )

    def _describe_undelivered(self) -> str:
        if self._client is None:
            return ""
        stats = self._client.stats()
        count = stats.pending + sum(stats.dropped.values())
        return f"\n  the client has not delivered {count} events: see client.stats()" if count else ""

    def _now(self) -> Sequence[TrackedEvent]:
        return self._read()[self._start :]


def differences(expected: object, actual: object, path: str = "") -> dict[str, tuple[object, object]]:
    """Return where an actual value differs from the expected one, with both; a mapping may have further keys."""
    parts: list[tuple[str, object, object]]
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        parts = [
            (f"{path}[{key!r}]" if path else str(key), value, actual.get(key, _MISSING))
            for key, value in expected.items()
        ]
    elif isinstance(expected, list | tuple) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = zip(expected, actual, strict=True)
        parts = [(f"{path}[{index}]", value, other) for index, (value, other) in enumerate(pairs)]
    else:
        is_same = expected == actual and isinstance(expected, bool) == isinstance(actual, bool)  # True is not 1 in JSON
        return {} if is_same else {path: (expected, actual)}
    return {name: both for inner, value, other in parts for name, both in differences(value, other, inner).items()}


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


_MISSING = _Missing()


def _reader(source: SegOpsClient | LocalSegOps) -> Callable[[], Sequence[TrackedEvent]]:
    if isinstance(source, SegOpsClient):
        client, transport = source, memory_transport(source)

        def read() -> Sequence[TrackedEvent]:
            client.flush()
            return list(transport.events)

        return read
    return lambda: [msgspec.structs.asdict(event) for event in source.events()]


def _describe_nearest(expected: Mapping[str, object], events: Sequence[TrackedEvent]) -> str:
    lines = ["no tracked event matches", f"  expected: {_show(expected)}"]
    if not events:
        return "\n".join([*lines, "  nothing was tracked"])
    number, nearest = max(enumerate(events, 1), key=lambda item: _similarity(expected, item[1]))
    lines.append(f"  nearest:  {_show(nearest)} (event {number} of {len(events)})")
    for name, (wanted, actual) in differences(expected, nearest).items():
        lines.append(f"    {name}: expected {wanted!r}, got {actual!r}")
    return "\n".join(lines)


def _similarity(expected: Mapping[str, object], event: TrackedEvent) -> tuple[bool, int, float]:
    from difflib import SequenceMatcher  # noqa: PLC0415 - for failures only

    differing = differences(expected, event)
    is_alike = SequenceMatcher(None, str(expected["event_type"]), str(event["event_type"])).ratio()
    return "event_type" not in differing, -len(differing), is_alike


def _list(events: Sequence[TrackedEvent]) -> str:
    lines = [f"  {_show(event)}" for event in events[:_SHOWN]]
    return "\n".join([*lines, f"  … and {len(events) - _SHOWN} more"] if len(events) > _SHOWN else lines)


def _show(event: Mapping[str, object]) -> str:
    names = ("user_id", "anonymous_id", "occurred_at", "payload")
    return ", ".join([str(event["event_type"]), *(f"{name}={event[name]!r}" for name in names if event.get(name))])
