"""Retry-After in each format of row 12, HTTP dates, and the back-off with its budget."""

from __future__ import annotations

from email.utils import formatdate
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segops.core import SegOpsTransportError
from segops.core.retry import Backoff, Clock, RetryPolicy, http_date, retry_after
from segops.testing import FakeClock
from tests.rig.harness import MakeRig, reply, script

NOW = 1_800_000_000.0
IN_A_MINUTE = [
    formatdate(NOW + 60, usegmt=True),
    "Friday, 15-Jan-27 08:01:00 GMT",
    "Fri Jan 15 08:01:00 2027",
]
UNREADABLE = [
    "",
    ",",
    ".",
    "-5",
    "abc",
    "soon, 10",
    "5s",
    "5 10",
    "1.2.3",
    "1e3",
    "\u0665",
    "²",
    "0x10",
    "Fri, 99 Foo 2027 08:01:00 GMT",
    "::",
]


def test_the_dates_of_this_module_are_right() -> None:
    assert formatdate(NOW, usegmt=True) == "Fri, 15 Jan 2027 08:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *[("0", 0.0), ("7", 7.0), (" 7 ", 7.0), ("007", 7.0), ("300", 300.0), ("0" * 12 + "65", 65.0)],
        *[("65.3", 66.0), ("1.5", 2.0), ("120.0", 120.0), ("120.", 120.0), (".5", 1.0), ("0.000", 0.0)],
        *[("120, 120", 120.0), ("5,10", 5.0), ("\t7\t,", 7.0), (", 7", 7.0), ("65.3, 1", 66.0), ("7 , soon", 7.0)],
        *[(form, 60.0) for form in IN_A_MINUTE],
        *[(f"{form}, {form}", 60.0) for form in IN_A_MINUTE],
        *[(f"{form}, 5", 60.0) for form in IN_A_MINUTE],
    ],
)
def test_retry_after_is_read_and_obeyed(make: MakeRig, value: str, seconds: float) -> None:
    """Row 12."""
    assert retry_after({"retry-after": value}, NOW) == seconds
    rig = make(script(reply(429, retry_after=value)))
    rig.track("a")
    assert rig.client.flush()
    assert rig.server.times == [0.0, seconds]


@pytest.mark.parametrize("value", ["301", "86400", str(10**20), "9" * 5000, formatdate(NOW + 10**9, usegmt=True)])
def test_retry_after_is_clamped_to_300_seconds(make: MakeRig, value: str) -> None:
    """Row 12."""
    rig = make(script(reply(503, retry_after=value)))
    rig.track("a")
    rig.client.flush(301)
    assert rig.server.times == [0.0, 300.0]


@pytest.mark.parametrize("value", [formatdate(NOW - 60, usegmt=True), formatdate(0, usegmt=True)])
def test_a_past_date_is_now(make: MakeRig, value: str) -> None:
    """Row 12."""
    rig = make(script(reply(429, retry_after=value)))
    rig.track("a")
    assert rig.client.flush()
    assert rig.server.times == [0.0, 0.0]


@pytest.mark.parametrize("value", UNREADABLE)
def test_an_unreadable_retry_after_falls_back_to_the_back_off(make: MakeRig, value: str) -> None:
    """Row 12."""
    assert retry_after({"retry-after": value}, NOW) is None
    rig = make(script(reply(429, retry_after=value), reply(429, retry_after=value)))
    rig.track("a")
    assert rig.client.flush()
    assert rig.server.times == [0.0, 0.25, 0.75], "half of 0.5, then half of 1.0"


def test_a_date_is_compared_with_the_clock_of_the_server() -> None:
    headers = {"retry-after": formatdate(NOW + 60, usegmt=True), "date": formatdate(NOW, usegmt=True)}
    assert retry_after(headers, NOW + 86_400) == 60.0


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,9} [A-Z][a-z]{2} -?\d{1,12} \d+:\d+:\d+ \S*"))
def test_no_text_makes_the_parser_raise(text: str) -> None:
    http_date(text)
    seconds = retry_after({"retry-after": text, "date": text}, NOW)
    assert seconds is None or isinstance(seconds, float)


@given(
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=80),
    base=st.floats(0, 10),
    cap=st.floats(0, 100),
)
def test_delays_are_jittered_over_the_whole_range(draws: list[float], base: float, cap: float) -> None:
    clock = FakeClock()
    policy = RetryPolicy(base=base, cap=cap, floor=1e9)
    backoff = Backoff(policy, cast("Clock", clock))
    for failures, draw in enumerate(draws):
        clock.draw = draw
        assert backoff.failed(None) == pytest.approx(draw * min(cap, base * 2.0**failures))


@given(st.lists(st.booleans(), max_size=400), st.none() | st.floats(-10, 1e9))
def test_quick_retries_stay_within_the_budget(answers: list[bool], asked: float | None) -> None:
    policy = RetryPolicy()
    backoff = Backoff(policy, cast("Clock", FakeClock()))
    quick = successes = 0
    for answered in answers:
        if answered:
            backoff.succeeded()
            successes += 1
            continue
        delay = backoff.failed(asked)
        assert 0 <= delay <= policy.max_retry_after
        quick += delay < policy.cap and (asked is None or asked < policy.cap)
        allowed = policy.floor + policy.budget * successes
        if asked is None or asked < policy.cap:
            spaced = policy.cap * 0.5  # a jittered delay may be that long by itself
            assert quick <= allowed + sum(1 for _ in range(len(answers)) if delay >= spaced)


def test_success_resets_the_back_off(make: MakeRig) -> None:
    broken = SegOpsTransportError("refused")
    rig = make(script(broken, broken, broken, 202, broken))
    rig.track("a")
    rig.client.flush()
    before = rig.clock.monotonic()
    rig.track("b")
    rig.client.flush()
    assert rig.clock.monotonic() - before == 0.25
