"""The contract of `Transport` as tests: subclass, give a fixture, run pytest.

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
"""Seconds: much for a busy machine, and yet less than the 5 s that SQLite and many clients wait by default."""
_SUCCESS = 2
_SECRET = "sk_test_conformance"  # noqa: S105 - a key to look for in reprs
_THREADS = 4
_PER_THREAD = 10
_WHEN = "2027-01-05T09:30:00Z"
_TEXTS = ["zoë", "日本語", "🛒 𝄞", "\u2028\u2029", '"\\/\b\f\n\r\t', "\u0000"]

_REFUSED = [(BATCH_PATH, b"{"), (SINGLE_PATH, b"[]"), ("/api/no-such-endpoint/", b"{}"), (SESSION_PATH, b"{}")]


class TransportConformance:
    """Tests that every transport passes; subclasses give a pytest fixture named `transport`.

    A fresh transport is wanted for each test, whose other end takes events with the transport's own `api_key`, or with
    any key if that is None.
    """

    def delivered(self, transport: Transport) -> Sequence[Mapping[str, Any]] | None:  # noqa: ARG002 - for subclasses
        """Return the events that arrived at the other end, each with `user_id`, `event_type` and `payload`.

        None, the default, leaves out the checks of what arrived.
        """
        return None

    def stalled(self) -> Transport | None:
        """Return a transport whose other end never answers; None, the default, leaves out the test of timeouts."""
        return None

    def test_a_single_event_is_accepted(self, transport: Transport) -> None:
        """The body of the single-event endpoint is one event."""
        _accepted(transport.send(_single(transport, "u-1"), timeout=_TIMEOUT))
        self._arrived(transport, ["u-1"])

    def test_a_batch_is_accepted_in_order(self, transport: Transport) -> None:
        """The body of the batch endpoint is an object with a list of up to 500 events."""
        users = [f"u-{number}" for number in range(500)]
        answer = transport.send(_batch(transport, users), timeout=_TIMEOUT)
        _accepted(answer)
        report = msgspec.json.decode(answer.body, type=dict[str, Any]) if answer.body else {}
        _check(not report.get("skipped"), f"events were skipped: {report}")
        self._arrived(transport, users)

    def test_text_arrives_unchanged(self, transport: Transport) -> None:
        """Any text that JSON can hold survives."""
        body = _encode([_event("u-1", {"text": text}) for text in _TEXTS])
        _accepted(transport.send(_request(transport, BATCH_PATH, body), timeout=_TIMEOUT))
        events = self.delivered(transport)
        if events is not None:
            arrived = [event["payload"]["text"] for event in events]
            _check(arrived == _TEXTS, f"sent {_TEXTS!r}, but {arrived!r} arrived")

    def test_no_status_raises(self, transport: Transport) -> None:
        """A refusal is an answer with its status; only a failure to get one is an error, and one of SegOps'."""
        for path, body in _REFUSED:
            answer = _answer_or_none(transport, _request(transport, path, body))
            _check(answer is None or isinstance(answer, Response), f"{path}: {answer!r} is no Response")

    def test_header_names_of_answers_are_in_lower_case(self, transport: Transport) -> None:
        """So that delivery finds `retry-after`."""
        names = list(transport.send(_single(transport, "u-1"), timeout=_TIMEOUT).headers)
        _check(names == [name.lower() for name in names], f"not in lower case: {names}")

    def test_threads_may_share_it(self, transport: Transport) -> None:
        """Several clients may send at the same time, and nothing is lost or mixed up."""
        users = [[f"u-{thread}-{number}" for number in range(_PER_THREAD)] for thread in range(_THREADS)]
        failures: list[BaseException] = []

        def send(mine: Sequence[str]) -> None:
            try:
                for user in mine:
                    _accepted(transport.send(_batch(transport, [user]), timeout=_TIMEOUT))
            except BaseException as error:  # noqa: BLE001 - raised again in the thread of the test
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
        """A second `close` does nothing; a later `send` works, or raises an error of SegOps."""
        transport.close()
        _accepted_or_none(_answer_or_none(transport, _single(transport, "u-1")))
        transport.close()
        transport.close()
        _accepted_or_none(_answer_or_none(transport, _single(transport, "u-2")))

    def test_a_timeout_is_kept(self) -> None:
        """A `send` that gets no answer ends in time, with `SegOpsTimeoutError`."""
        transport = self.stalled()
        if transport is None:
            import pytest  # noqa: PLC0415 - whoever runs this test has it

            pytest.skip("stalled() gives no transport to time out on")
        started = time.monotonic()
        try:
            answer = transport.send(_single(transport, "u-1"), timeout=_STALLED_TIMEOUT)
        except SegOpsTimeoutError:
            taken = time.monotonic() - started
            _check(taken < _STALLED_TIMEOUT + _SLACK, f"a timeout of {_STALLED_TIMEOUT} s took {taken:.1f} s")
        else:
            raise AssertionError(f"the transport of stalled() was answered: {answer!r}")
        finally:
            transport.close()

    def test_nothing_secret_is_shown(self, transport: Transport) -> None:
        """Neither the repr nor the URL holds a key or what was sent."""
        transport.send(_single(transport, "u-secret"), timeout=_TIMEOUT)
        shown = f"{transport!r} {transport.url}"
        for secret in (_key(transport), "u-secret"):
            _check(secret not in shown, f"the repr or the URL of {type(transport).__name__} shows what it must not")

    def test_its_attributes_are_of_their_types(self, transport: Transport) -> None:
        """`url` is text, `offline` a bool, `api_key` text or None."""
        _check(isinstance(transport.url, str), f"url is {transport.url!r}")
        _check(isinstance(transport.offline, bool), f"offline is {transport.offline!r}")
        _check(transport.api_key is None or isinstance(transport.api_key, str), "api_key is neither text nor None")

    def test_an_offline_transport_needs_no_key(self, transport: Transport) -> None:
        """Where there is no SegOps at the other end, no handshake is tried and no key is sent."""
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


def _accepted(answer: Response) -> None:
    _check(answer.status // 100 == _SUCCESS, f"answered with {answer.status}: {answer.body[:200]!r}")


def _accepted_or_none(answer: Response | None) -> None:
    if answer is not None:
        _accepted(answer)


def _answer_or_none(transport: Transport, request: Request) -> Response | None:
    """Return the answer, or None if the transport refuses with an error of SegOps; any other error fails the test."""
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
