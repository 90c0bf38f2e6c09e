"""What signal handlers, callbacks and frozen clocks may do: counts are right, waits end, and errors are heard first."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from segops import SegOpsClient
from segops.core import Observer, Request, Response, Transport, hookimpl
from segops.delivery.ledger import AtomicCounter
from segops.delivery.queue import PureEventQueue
from tests.rig.programs import unconfigured, unmeasured

ROOT = Path(__file__).parents[2]
LONG = 60.0
AT_ONCE = 20.0


class Slow(Transport):
    """Answers with a status after a while."""

    def __init__(self, status: int = 202, seconds: float = 0.0, during: Callable[[], None] = lambda: None) -> None:
        self.url = "http://127.0.0.1:1"
        self.status = status
        self.seconds = seconds
        self.during = during

    def send(self, request: Request, *, timeout: float) -> Response:
        del request, timeout
        self.during()
        time.sleep(self.seconds)
        return Response(self.status, {}, b"{}")


def make(transport: Transport, **options: Any) -> SegOpsClient:
    return SegOpsClient(transport=transport, api_key="sk_test_handlers", **options)


@contextmanager
def alarms(handler: Callable[[], None], first: float, every: float = 0.0) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, lambda *_: handler())
    signal.setitimer(signal.ITIMER_REAL, first, every)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("is_pure", [False, True])
def test_what_a_signal_handler_reads_is_right_while_the_same_thread_delivers(
    is_pure: bool,  # noqa: FBT001 - a parameter of the test
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if is_pure:
        monkeypatch.setattr("segops.delivery.queue.EventQueue", PureEventQueue)
    client = make(Slow(), worker="inline", batch_size=10**6)
    begun = done = reads = 0
    wrong: list[object] = []

    def read() -> None:
        nonlocal reads
        least = done
        stats = client.stats()
        reads += 1
        balanced = stats.accepted == stats.delivered + sum(stats.dropped.values()) + stats.pending
        if not (least <= stats.accepted <= begun and balanced and stats.pending >= stats.queued >= 0):
            wrong.append((least, begun, stats))

    with alarms(read, 0.0005, 0.0003):
        for number in range(30_000):
            begun += 1
            client.track(user_id="u" if number % 3 else "", event_type="x", payload={"a": 1})
            done += 1
            if number % 300 == 299:
                client.flush(AT_ONCE)
    assert not wrong
    assert reads > 100
    client.shutdown()


def test_a_tally_that_is_read_on_top_of_itself_is_right() -> None:
    tally = AtomicCounter()
    seen: list[int] = []
    with alarms(lambda: seen.append(tally.value()), 0.0005, 0.0003):
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            seen.append(tally.value())
    assert set(seen) == {0}
    tally.add()
    assert (tally.value(), tally.value()) == (1, 1)


@pytest.mark.parametrize("method", ["flush", "shutdown"])
def test_a_handler_during_an_inline_request_does_not_wait_for_itself(method: str) -> None:
    client = make(Slow(seconds=1.0), worker="inline")
    took: list[tuple[bool, float]] = []

    def handle() -> None:
        started = time.monotonic()
        took.append((getattr(client, method)(LONG), time.monotonic() - started))

    client.track(user_id="u", event_type="x")
    with alarms(handle, 0.3):
        client.flush(LONG)
    assert not took[0][0]
    assert took[0][1] < AT_ONCE
    assert client.stats().delivered == 1


def test_a_transport_that_flushes_does_not_wait_for_itself() -> None:
    answers: list[tuple[bool, float]] = []

    def flush() -> None:
        started = time.monotonic()
        answers.append((client.flush(LONG), time.monotonic() - started))

    client = make(Slow(during=flush))
    client.track(user_id="u", event_type="x")
    assert client.flush(LONG)
    assert answers[0][0] is False
    assert answers[0][1] < AT_ONCE
    client.shutdown()


class Listener(Observer):
    """Hears slowly what was dropped."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_drop(self, reason: str, count: int) -> None:
        time.sleep(0.05)
        self.heard.append(f"{reason} {count}")

    @hookimpl
    def segops_register_observers(self) -> list[Observer]:
        return [self]


@pytest.mark.parametrize("worker", ["thread", "inline"])
@pytest.mark.parametrize("method", ["flush", "shutdown"])
def test_the_host_has_heard_of_it_when_a_call_returns(method: str, worker: Any) -> None:
    for _ in range(5):
        errors: list[Exception] = []

        def hear(error: Exception, errors: list[Exception] = errors) -> None:
            time.sleep(0.05)
            errors.append(error)

        listener = Listener()
        client = make(Slow(400), on_error=hear, plugins=[listener], worker=worker)
        client.track(user_id="u", event_type="x")
        assert not getattr(client, method)(LONG)
        assert len(errors) == 1
        assert listener.heard == ["rejected 1"]
        client.shutdown()


def test_a_report_that_hangs_is_waited_for_no_longer_than_the_call_may_take() -> None:
    release = threading.Event()
    client = make(Slow(400), on_error=lambda _: release.wait(LONG) and None)
    client.track(user_id="u", event_type="x")
    started = time.monotonic()
    assert not client.flush(0.5)
    client.shutdown(0.5)
    assert time.monotonic() - started < AT_ONCE
    release.set()


def test_what_is_given_up_during_a_request_that_hangs_is_reported_before_shutdown_returns() -> None:
    errors: list[Exception] = []
    client = make(Slow(seconds=5.0), on_error=errors.append, batch_size=1)
    client.track(user_id="u", event_type="x")
    time.sleep(0.3)
    client.track(user_id="v", event_type="x")
    assert not client.shutdown(0.5)
    assert [getattr(error, "reason", None) for error in errors] == ["undeliverable"]


def test_an_event_after_the_end_starts_no_thread_and_is_reported() -> None:
    errors: list[Exception] = []
    client = make(Slow(), on_error=errors.append)
    client.track(user_id="u", event_type="x")
    client.shutdown()
    before = set(threading.enumerate())
    for _ in range(3):
        client.track(user_id="u", event_type="x")
    assert set(threading.enumerate()) <= before
    assert len(errors) == 3
    assert client.stats().dropped == {"closed": 3}


def test_a_callback_may_close_the_client_while_it_is_being_closed() -> None:
    took: list[float] = []

    def close(_: Exception) -> None:
        started = time.monotonic()
        client.shutdown(LONG)
        took.append(time.monotonic() - started)

    client = make(Slow(400), on_error=close)
    client.track(user_id="u", event_type="x")
    client.shutdown(LONG)
    assert took
    assert max(took) < AT_ONCE


QUIET = """
import sys
from segops import SegOpsClient
client = SegOpsClient("http://127.0.0.1:9", "sk_x", on_error=lambda error: print("heard"))
{setup}
client.track(user_id="", event_type="x")
client.flush(5)
client.shutdown(0)
"""


@pytest.mark.parametrize(
    ("setup", "lines"), [("", 0), ("import logging; logging.basicConfig()", 1)], ids=["default", "set up"]
)
def test_with_on_error_nothing_is_printed_unless_the_application_has_set_up_a_log(setup: str, lines: int) -> None:
    done = _run(QUIET.format(setup=setup))
    assert done.stdout == "heard\n"
    assert done.stderr.count("\n") == lines


FROZEN = """
import sys, threading, time, urllib.request
real = time.monotonic
before = "{when}" == "before"
def freeze():
    time.time = lambda: 1705276800.0
    time.monotonic = time.perf_counter = lambda: 1000.0
if before:
    freeze()
import segops
if not before:
    freeze()
client = segops.SegOpsClient("{url}", "sk_x", worker="{worker}", flush_interval=0.2, timeout=0.5)
client.track(user_id="u", event_type="x")
print(client.flush(1), client.shutdown(1), client.stats().pending)
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("worker", ["thread", "inline"])
def test_waits_end_although_a_test_has_frozen_time(worker: str, when: str) -> None:
    done = _run(FROZEN.format(url="http://127.0.0.1:9", worker=worker, when=when))
    assert done.stdout == "False False 0\n"


def _run(code: str) -> subprocess.CompletedProcess[str]:
    environment = {**unconfigured(unmeasured()), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=LONG, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done
