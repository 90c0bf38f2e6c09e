"""Jobs: progress that is exact, errors of what records it, a rate, and streams that pause."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from segops import Event
from segops.bulk.job import BulkJob, Progress
from segops.bulk.spool import Mark
from segops.testing import MemoryTransport
from tests.rig.fault_server import FaultServer
from tests.rig.waiting import wait_until


def read(record: Any) -> Event:
    return Event(record, "order_placed")


def job(transport: MemoryTransport, **options: Any) -> BulkJob:
    given = {"job": "j", "read": read, "patience": 30.0, "on_failed": lambda *_: None, "transport": transport}
    return BulkJob(None, None, **{**given, **options})


def send(sender: BulkJob, count: int, start: int = 1) -> None:
    for number in range(start, start + count):
        sender.send(0, number, f"u-{number}")


def test_the_job_ends_after_its_progress_is_recorded() -> None:
    marks: list[int] = []

    def record(progress: Progress) -> None:
        time.sleep(0.02)
        marks.append(progress.mark.record)

    with job(MemoryTransport(), on_progress=record) as sender:
        send(sender, 1200)
        result = sender.finish()
    assert marks == [500, 1000, 1200]
    assert (result.read, result.delivered) == (1200, 1200)


@pytest.mark.parametrize("fail_at", [500, 1000, 1200])
def test_progress_that_cannot_be_recorded_ends_the_job_there(fail_at: int) -> None:
    def record(progress: Progress) -> None:
        if progress.mark.record == fail_at:
            time.sleep(0.02)
            raise OSError("the disk is full")

    transport = MemoryTransport()
    with job(transport, on_progress=record) as sender, pytest.raises(OSError, match="the disk is full"):
        _all(sender)
    assert len(transport.events) == fail_at


def _all(sender: BulkJob) -> None:
    send(sender, 1200)
    sender.finish()


def test_a_later_run_cuts_as_the_first_one_would() -> None:
    first = MemoryTransport()
    seen: list[Progress] = []
    with job(first, on_progress=seen.append, now=None) as sender:
        send(sender, 1200)
        sender.finish()
    second = MemoryTransport()
    with job(second, begin=seen[0]) as sender:
        assert [sender.is_done(0, number) for number in (1, 500, 501)] == [True, True, False]
        send(sender, 700, start=501)
        result = sender.finish()
    assert [len(request.events) for request in _cuts(second)] == [500, 200]
    assert (result.read, result.delivered) == (1200, 1200)
    third = MemoryTransport()
    begin = Progress(Mark(0, 500, 0, 500), (Mark(0, 600), Mark(0, 750)), delivered=500)
    with job(third, begin=begin) as sender:
        send(sender, 700, start=501)
        sender.finish()
    assert [len(request.events) for request in _cuts(third)] == [100, 150, 450]


class _Cut:
    def __init__(self, body: bytes) -> None:
        self.events = body.split(b",\n")


def _cuts(transport: MemoryTransport) -> list[_Cut]:
    return [_Cut(request.body) for request in transport.requests]


def _timed(act: Callable[[], object]) -> float:
    started = time.monotonic()
    act()
    return time.monotonic() - started


def test_a_rate_spaces_the_requests() -> None:
    with job(MemoryTransport()) as fast:
        quick = _timed(lambda: _all(fast))
    with job(MemoryTransport(), per_minute=200) as slow:
        assert _timed(lambda: _all(slow)) > 0.6 + quick / 1000


def test_a_job_that_waits_for_its_turn_can_be_ended() -> None:
    with FaultServer() as server, job(MemoryTransport(), per_minute=0.5) as sender:
        del server
        send(sender, 1200)
        assert wait_until(lambda: sender.end.mark.record == 500)
    assert sender.end.mark.record == 500


def test_events_of_a_stream_that_pauses_are_sent_without_a_full_batch() -> None:
    transport = MemoryTransport()
    with job(transport, linger=0.01) as sender:
        send(sender, 3)
        sender.send(0, 4, "u-4")
        time.sleep(0.02)
        assert wait_until(lambda: len(transport.events) == 4)
