"""The table of outcomes, which docs/reliability.md repeats and both SDKs follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from segops import RetryPolicy, SegOpsApiError, SegOpsTransportError
from segops.core import Action, admin_action, event_action
from segops.core.retry import OUTCOMES
from tests.admin.admin_rig import ok, scripted
from tests.rig.harness import build, script

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
STATUSES = [200, 202, 302, 400, 401, 403, 404, 408, 409, 413, 422, 425, 429, 500, 501, 503, 505, 599, 600]


def test_the_documentation_has_the_same_table() -> None:
    """If this fails: copy the rows."""
    rows = "".join(f"| {row.name} | {row.events.value} | {row.admin.value} | {row.reason} |\n" for row in OUTCOMES)
    assert rows in PAGE.read_text("utf-8"), rows


def test_every_status_has_one_row() -> None:
    for status in range(100, 1000):
        assert sum(status in row.matches for row in OUTCOMES if row.name != "other 5xx") <= 1
    assert OUTCOMES[-1].matches == ()


def test_the_rows_differ_only_where_events_can_wait_or_be_split() -> None:
    different = {row.name for row in OUTCOMES if row.events is not row.admin}
    assert different == {
        *("400, 413, 422", "408, 425", "501, 505", "401, 403"),
        *("untrusted certificate", "wrong configuration", "any other status"),
    }


def test_admin_calls_are_retried_after_429_5xx_and_network_errors() -> None:
    """As the product documentation says: Admin SDK, "Errors, retries, idempotency"."""
    retried = {status for status in range(100, 1000) if admin_action(status) is Action.RETRY}
    assert retried == {429, *range(500, 600)}
    assert admin_action("no response") is admin_action("untrusted certificate") is Action.RETRY


@pytest.mark.parametrize("status", STATUSES)
def test_an_admin_call_follows_the_table(status: int) -> None:
    admin, transport, _ = scripted(ok({"id": 1}, status), ok({"id": 2}))
    try:
        result: object = admin.segments.get(1).id
    except SegOpsApiError as error:
        result = error.status
    expected = {Action.ACCEPT: (1, 1), Action.RETRY: (2, 2), Action.RAISE: (status, 1)}[admin_action(status)]
    assert (result, len(transport.requests)) == expected


def test_an_admin_call_is_retried_after_a_network_error() -> None:
    admin, transport, _ = scripted(SegOpsTransportError("reset"), ok({"id": 2}))
    assert admin.segments.get(1).id == 2
    assert len(transport.requests) == 2


@pytest.mark.parametrize("status", STATUSES)
def test_a_batch_follows_the_table(status: int) -> None:
    rig = build(script(status, 202, 202), retry=RetryPolicy(base=0.001))
    rig.track("u-1", "u-2")
    is_delivered = rig.client.flush(5)
    delivered, sent = rig.client.stats().delivered, len(rig.server.requests)
    rig.client.shutdown(0)
    expected = {
        Action.ACCEPT: (True, 2, 1),
        Action.RETRY: (True, 2, 2),
        Action.SPLIT: (True, 2, 3),
        Action.HOLD: (False, 0, 1),
    }[event_action(status)]
    assert (is_delivered, delivered, sent) == expected


def test_a_request_without_a_response_has_its_rows() -> None:
    assert event_action("no response") is Action.RETRY
    assert event_action("untrusted certificate") is Action.HOLD
