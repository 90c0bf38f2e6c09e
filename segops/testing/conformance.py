"""The contract of `Transport` as tests. Derive a class, define a fixture, and run pytest.

class TestMyTransport(TransportConformance):
@pytest.fixture
def transport(self):
transport = MyTransport(...)
yield transport
transport.close()

def delivered(self, transport):
return transport.read_back()
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from segops.core import (
    BATCH_PATH,
    SESSION_PATH,
    SINGLE_PATH,
    Request,
    Response,
    SegOpsError,
    SegOpsTimeoutError,
    Transport,
)

_TIMEOUT = 10.0
_STALLED_TIMEOUT = 0.3
_SLACK = 4.0
"""Seconds: long for a busy machine, but less than the 5 s that SQLite and many clients wait by default."""
_SUCCESS = 2
_SECRET = "sk_test_conformance"  # noqa: S105 - a key to look for in reprs
_THREADS = 4
_PER_THREAD = 10
_WHEN = "2027-01-05T09:30:00Z"
_TEXTS = ["zoë", "日本語", "🛒 𝄞", "\u2028\u2029", '"\\/\b\f\n\r\t', "\u0000"]

_REFUSED = [(BATCH_PATH, b"{"), (SINGLE_PATH, b"[]"), ("/api/no-such-endpoint/", b"{}"), (SESSION_PATH, b"{}")]


class TransportConformance:
    """Tests that every transport must pass; a subclass defines a pytest fixture named `transport`.

    The fixture makes a new transport for each test. Its server accepts events with the transport's own `api_key`, or
    with any key if that is None.
    """

    def delivered(self, transport: Transport) -> Sequence[Mapping[str, Any]] | None:  # noqa: ARG002 - for subclasses
        """Return the events that the server received, each with `user_id`, `event_type`, and `payload`.

        The default, None, skips the checks of what was received.
        """
        return None

    def stalled(self) -> Transport | None:
        """Return a transport whose server never responds. The default, None, skips the test of timeouts."""
        return None

    def test_a_single_event_is_accepted(self, transport: Transport) -> None:
        """A request to the single-event endpoint contains one event."""
        _accepted(transport.send(_single(transport, "u-1"), timeout=_TIMEOUT))
        self._arrived(transport, ["u-1"])

    def test_a_batch_is_accepted_in_order(self, transport: Transport) -> None:
        """A request to the batch endpoint contains up to 500 events."""
        users = [f"u-{index}" for index in range(500)]
        response = transport.send(_batch(transport, users), timeout=_TIMEOUT)
        _accepted(response)
        report = msgspec.json.decode(response.body, type=dict[str, Any]) if response.body else {}
        _check(not report.get("skipped"), f"events were skipped: {report}")
        self._arrived(transport, users)

    def test_text_arrives_unchanged(self, transport: Transport) -> None:
        """Any text that JSON can contain arrives."""
        body = _encode([_event("u-1", {"text": text}) for text in _TEXTS])
        _accepted(transport.send(_request(transport, BATCH_PATH, body), timeout=_TIMEOUT))
        events = self.delivered(transport)
        if events is not None:
            arrived = [event["payload"]["text"] for event in events]
            _check(arrived == _TEXTS, f"sent {_TEXTS!r}, but {arrived!r} arrived")

    def test_no_status_raises(self, transport: Transport) -> None:
        """`send` returns the response whatever its status, and raises only if there is none, an error of SegOps."""
        for path, body in _REFUSED:
            response = _response_or_none(transport, _request(transport, path, body))
            _check(response is None or isinstance(response, Response), f"{path}: expected a Response, got {response!r}")

    def test_header_names_of_responses_are_in_lower_case(self, transport: Transport) -> None:
        """The dispatcher looks up `retry-after` in lower case."""
        names = list(transport.send(_single(transport, "u-1"), timeout=_TIMEOUT).headers)
        _check(names == [name.lower() for name in names], f"not in lower case: {names}")

    def test_threads_may_share_it(self, transport: Transport) -> None:
        """Several clients may send at the same time without losing or mixing up events."""
        users = [[f"u-{thread}-{index}" for index in range(_PER_THREAD)] for thread in range(_THREADS)]
        failures: list[BaseException] = []

        def send(mine: Sequence[str]) -> None:
            try:
                for user in mine:
                    _accepted(transport.send(_batch(transport, [user]), timeout=_TIMEOUT))
            except BaseException as error:  # noqa: BLE001 - re-raised by the test
                failures.append(error)

        threads = [threading.Thread(target=send, args=(mine,)) for mine in users]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        self._arrived(transport, [user for mine in users for user in mine], in_order=False)

    def test_close_may_be_repeated_and_what_was_sent_stays(self, transport: Transport) -> None:
        """A second `close` does nothing, and a later `send` works or raises an error of SegOps."""
        transport.close()
        _accepted_or_none(_response_or_none(transport, _single(transport, "u-1")))
        transport.close()
        transport.close()
        _accepted_or_none(_response_or_none(transport, _single(transport, "u-2")))

    def test_a_timeout_is_kept(self) -> None:
        """A `send` without a response raises `SegOpsTimeoutError` in time."""
        transport = self.stalled()
        if transport is None:
            import pytest  # noqa: PLC0415 - installed wherever this test runs

            pytest.skip("stalled() returns no transport")
        started = time.monotonic()
        try:
            response = transport.send(_single(transport, "u-1"), timeout=_STALLED_TIMEOUT)
        except SegOpsTimeoutError:
            taken = time.monotonic() - started
            _check(taken < _STALLED_TIMEOUT + _SLACK, f"a timeout of {_STALLED_TIMEOUT} s took {taken:.1f} s")
        else:
            raise AssertionError(f"the transport of stalled() got a response: {response!r}")
        finally:
            transport.close()

    def test_nothing_secret_is_shown(self, transport: Transport) -> None:
        """Neither the repr nor the URL contains a key or an event."""
        transport.send(_single(transport, "u-secret"), timeout=_TIMEOUT)
        shown = f"{transport!r} {transport.url}"
        for secret in (_key(transport), "u-secret"):
            _check(secret not in shown, f"the repr or the URL of {type(transport).__name__} contains a secret")

    def test_its_attributes_are_of_their_types(self, transport: Transport) -> None:
        """`url` is a str, `offline` a bool, and `api_key` a str or None."""
        _check(isinstance(transport.url, str), f"url is {transport.url!r}")
        _check(isinstance(transport.offline, bool), f"offline is {transport.offline!r}")
        _check(transport.api_key is None or isinstance(transport.api_key, str), "api_key is neither a str nor None")

    def test_an_offline_transport_needs_no_key(self, transport: Transport) -> None:
        """A transport that does not lead to SegOps gets no handshake and no key."""
        if transport.offline:
            request = Request("POST", BATCH_PATH, {"Content-Type": "application/json"}, _encode([_event("u-1", {})]))
            _accepted(transport.send(request, timeout=_TIMEOUT))

    def _arrived(self, transport: Transport, users: Sequence[str], *, in_order: bool = True) -> None:
        events = self.delivered(transport)
        if events is None:
            return
        arrived = [event["user_id"] for event in events]
        same = arrived == users if in_order else Counter(arrived) == Counter(users)
        _check(same, f"sent {len(users)} events, but these arrived: {arrived[:20]}")


def _check(condition: object, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _accepted(response: Response) -> None:
    _check(response.status // 100 == _SUCCESS, f"got status {response.status}: {response.body[:200]!r}")


def _accepted_or_none(response: Response | None) -> None:
    if response is not None:
        _accepted(response)


def _response_or_none(transport: Transport, request: Request) -> Response | None:
    """Return the response, or None if the transport raises an error of SegOps; any other error fails the test."""
    try:
        return transport.send(request, timeout=_TIMEOUT)
    except SegOpsError:
        return None


def _key(transport: Transport) -> str:
    return transport.api_key or _SECRET


def _request(transport: Transport, path: str, body: bytes) -> Request:
    headers = {"Authorization": f"ApiKey {_key(transport)}", "Content-Type": "application/json"}
    return Request("POST", path, headers, body)


def _event(user: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "user_id": user,
        "event_type": "conformance_checked",
        "occurred_at": _WHEN,
        "payload": payload,
    }


def _encode(events: Sequence[Mapping[str, Any]]) -> bytes:
    return msgspec.json.encode({"events": events})


def _single(transport: Transport, user: str) -> Request:
    return _request(transport, SINGLE_PATH, msgspec.json.encode(_event(user, {})))


def _batch(transport: Transport, users: Sequence[str]) -> Request:
    return _request(transport, BATCH_PATH, _encode([_event(user, {}) for user in users]))
