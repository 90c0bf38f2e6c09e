"""Limit what a plain `track()` costs, by counts and ratios rather than times.

`make bench` shows the times. If one of these fails, a change added a step to the hot path: remove it, or measure it and
explain it in docs/performance.md.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import pytest

from segops import Event
from segops.core import Clock
from segops.delivery.queue import IS_COMPILED
from tests.rig.harness import MakeRig

ROOT = Path(__file__).parents[2]
PAYLOAD = {"order_id": "ord-4567", "total": 1141.75, "quantity": 3, "currency": "USD", "is_first": False}


class Least:
    """Does what cannot be left out: it is called as `track` is, and calls one method."""

    def __init__(self, method: Callable[..., object]) -> None:
        self._method = method

    def track(
        self,
        event: object = None,  # noqa: ARG002 - as track has them
        *,
        user_id: object = None,
        event_type: object = None,
        occurred_at: object = None,  # noqa: ARG002
        payload: object = None,
        anonymous_id: object = None,
    ) -> None:
        self._method(user_id, event_type, payload, anonymous_id)


def instructions(function: Callable[[], object]) -> int:
    """Count the bytecode instructions that a call executes, in all the functions of Python that it enters."""
    count = 0

    def trace(frame: FrameType, what: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += what == "opcode"
        return trace

    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # without it Python 3.13 has no such events
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def calls(function: Callable[[], object]) -> int:
    """Count the functions that a call enters, including the methods of built-in types."""
    count = 0

    def profile(frame: FrameType, what: str, _: object) -> None:  # noqa: ARG001 - as the interpreter calls it
        nonlocal count
        count += what in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count - 2  # without the function itself and the end of the profile


@pytest.fixture
def track(make: MakeRig) -> Callable[[], None]:
    """Return a call of `track` with the usual event."""
    call = make(clock=Clock()).client.track
    return lambda: call(user_id="user-1234", event_type="order_placed", payload=PAYLOAD)


def test_the_number_of_functions_that_are_entered(track: Callable[[], None]) -> None:
    assert calls(track) <= (2 if IS_COMPILED else 12)


def look_through(*fields: Any) -> None:
    """Do the least that one in Python can: look at each property's name and kind, and write the event."""
    user_id, event_type, payload, anonymous_id = fields
    for name, value in payload.items():
        if name.__class__ is not str or value.__class__ in (dict, list):
            return
    msgspec.json.encode(Event(user_id, event_type, datetime.now(timezone.utc), payload, anonymous_id))


def test_instructions_of_the_interpreter(track: Callable[[], None]) -> None:
    least = Least("".format if IS_COMPILED else look_through).track
    floor = instructions(lambda: least(user_id="user-1234", event_type="order_placed", payload=PAYLOAD))
    assert instructions(track) / floor <= (1.6 if IS_COMPILED else 2.3)


@pytest.mark.skipif(not IS_COMPILED, reason="the bound is that of the compiled queue")
def test_an_event_that_is_an_object_takes_the_fast_path(make: MakeRig) -> None:
    client = make(clock=Clock()).client
    event = Event("user-1234", "order_placed", payload=PAYLOAD)
    assert calls(lambda: client.track(event)) <= 20, "the slow path enters more than 40"


LOOPS = """
import gc, os
from collections import deque
from datetime import datetime, timezone
import msgspec
from segops import Event, SegOpsClient
from segops.transports.memory import MemoryTransport
PAYLOAD = {"order_id": "ord-4567", "total": 1141.75, "quantity": 3, "currency": "USD", "is_first": False}
client = SegOpsClient(transport=MemoryTransport(), worker="inline", batch_size=10**6)
track, queue, encode, now = client.track, deque(), msgspec.json.Encoder().encode, datetime.now(timezone.utc)
def nothing():
    for _ in range(1000):
        pass
def floor():
    for _ in range(1000):
        queue.append(encode(Event("user-1234", "order_placed", now, PAYLOAD)))
def ours():
    for _ in range(1000):
        track(user_id="user-1234", event_type="order_placed", payload=PAYLOAD)
loops = [nothing, floor, ours]
gc.disable()
for loop in loops:
    loop()  # so that the interpreter has adapted to it
for loop in loops:
    os.getppid()  # the sign for valgrind
    loop()
os.getppid()
os._exit(0)
"""


@pytest.mark.skipif(not IS_COMPILED, reason="the bound is that of the compiled queue")
@pytest.mark.skipif(not shutil.which("valgrind"), reason="there is no valgrind to count with")
def test_instructions_of_the_machine(tmp_path: Path) -> None:
    counter = ["valgrind", "-q", "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={tmp_path}/count"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "SEGOPS"))}
    subprocess.run(
        [*counter, sys.executable, "-c", LOOPS],
        env={**kept, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
        check=True,
        timeout=100,
    )
    texts = [(tmp_path / f"count.{number}").read_text() for number in (2, 3, 4)]
    nothing, floor, ours = (int(count) for text in texts for count in re.findall(r"(?m)^totals: (\d+)", text))
    assert (ours - nothing) / (floor - nothing) <= 1.5
