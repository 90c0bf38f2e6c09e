"""When an event happened that says nothing of it: now, as `datetime.now` has it, or the time to which a test went."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import freezegun
import pytest
import time_machine

from tests.delivery.queues import FIELDS, both_kinds, each_kind, make, take, time_of
from tests.rig.tracking import Outcome

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
FROZEN = datetime(2012, 1, 14, 3, 21, 34, 500_000, tzinfo=timezone.utc)
ROOT = Path(__file__).parents[2]


def now() -> datetime:
    return datetime.now(timezone.utc)


def read(text: str) -> datetime:
    """Read RFC 3339 in UTC; `fromisoformat` of Python 3.10 knows no Z."""
    assert RFC3339.fullmatch(text), text
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@each_kind
def test_it_is_between_two_looks_at_the_clock_also_from_one_second_to_the_next(kind: Any) -> None:
    queue = make(kind)
    time.sleep(0.995 - time.time() % 1 if time.time() % 1 < 0.99 else 0)
    last = now()
    end = last.replace(microsecond=0) + timedelta(seconds=1, milliseconds=5)
    while last < end:
        assert queue.try_enqueue(*FIELDS)
        after = now()
        assert last <= read(time_of(take(queue)[0])) <= after
        last = after


CLOCK = """
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static struct timespec shown;
static int is_set;
void set_clock(long seconds, long nanoseconds)
{
    shown = (struct timespec){seconds, nanoseconds};
    is_set = 1;
}
int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (is_set && clock == CLOCK_REALTIME) {
        *now = shown;
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, clock, now);
}
"""
ON_A_SET_CLOCK = """
import ctypes, os, sys
from datetime import datetime, timezone
from segops.core.encoding import encode_plain
from tests.delivery.queues import FIELDS, KINDS, make, take, time_of
set_clock = ctypes.CDLL(os.environ["LD_PRELOAD"]).set_clock
set_clock.argtypes = [ctypes.c_long, ctypes.c_long]
queues = [make(kind) for kind in KINDS.values()]
for seconds in (0, 1, 951782399, 951782400, 1798761599, 2147483647, 2147483648, 4102444800, 9223372035, 0):
    for nanoseconds in (0, 1, 999, 1000, 1999, 123456789, 999999000, 999999999):
        set_clock(seconds, nanoseconds)
        for queue in queues:
            assert queue.try_enqueue(*FIELDS)
            shown = time_of(take(queue)[0])
            expected = encode_plain(datetime.now(timezone.utc)).decode().strip('"')
            assert shown == expected, (type(queue), shown, expected)
            assert ("." in shown) == (nanoseconds >= 1000), shown
sys.stdout.write("all the same")
"""


@both_kinds
@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs LD_PRELOAD and a C compiler")
def test_it_is_written_as_datetime_writes_it_whatever_the_clock_of_the_machine_says(tmp_path: Path) -> None:
    source, library = tmp_path / "clock.c", tmp_path / "clock.so"
    source.write_text(CLOCK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True, timeout=60)
    done = subprocess.run(
        [sys.executable, "-c", ON_A_SET_CLOCK],
        env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("all the same", "")


@pytest.fixture(params=["freezegun", "time-machine"])
def freeze(request: pytest.FixtureRequest) -> Callable[[], AbstractContextManager[Any]]:
    """Return what stops the clock at `FROZEN`."""
    if request.param == "freezegun":
        return lambda: freezegun.freeze_time(FROZEN)
    return lambda: time_machine.travel(FROZEN, tick=False)


def test_frozen_time_is_what_events_carry(freeze: Callable[[], AbstractContextManager[Any]]) -> None:
    before = now()
    with freeze():
        assert read(Outcome(payload={"a": 1}).event["occurred_at"]) == FROZEN
        assert read(Outcome(payload={"a": [1.5, None]}, anonymous_id="a-1").event["occurred_at"]) == FROZEN
    assert before <= read(Outcome(payload={"a": 1}).event["occurred_at"]) <= now()


@each_kind
def test_while_time_is_frozen_no_queue_asks_another_clock(
    kind: Any, freeze: Callable[[], AbstractContextManager[Any]]
) -> None:
    queue = make(kind)
    with freeze():
        shown = {time_of(event) for event in _accepted(queue)}
    assert shown <= {"2012-01-14T03:21:34.500000Z"}


def _accepted(queue: Any) -> Iterator[bytes]:
    queue.try_enqueue(*FIELDS)
    yield from take(queue)


LOADED_IN_THE_PAST = """
import sys
import time_machine
from datetime import datetime, timezone
with time_machine.travel(datetime(2012, 1, 14, 3, 21, 34, tzinfo=timezone.utc)):
    from tests.rig.tracking import Outcome
    sys.stdout.write(Outcome(payload={"a": 1}).event["occurred_at"][:17])
today = datetime.now(timezone.utc)
assert Outcome(payload={"a": 1}).event["occurred_at"][:4] >= str(today.year)
"""


def test_it_may_be_loaded_after_a_test_went_to_another_time() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED_IN_THE_PAST],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("2012-01-14T03:21:", "")


LOADED_WHILE_FROZEN = """
import freezegun
with freezegun.freeze_time("2026-01-02 03:04:05"):
    from datetime import datetime
    from segops import SegOpsClient
    with SegOpsClient("memory:", worker="inline", strict=True) as client:
        client.track(user_id="u-1", event_type="x")
        client.track(user_id="u-1", event_type="x", payload={"at": datetime.now()}, occurred_at=datetime(2025, 1, 1))
    for event in client.transport.events:
        print(event["occurred_at"], event.get("payload"))
"""


def test_the_sdk_may_be_loaded_while_time_is_frozen() -> None:
    code = [sys.executable, "-W", "ignore", "-c", LOADED_WHILE_FROZEN]
    done = subprocess.run(code, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "2026-01-02T03:04:05Z None",
        "2025-01-01T00:00:00Z {'at': '2026-01-02T03:04:05'}",
    ]
