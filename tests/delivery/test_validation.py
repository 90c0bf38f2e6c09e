"""Events, contexts, page views and users, described by objects, mappings, keywords, or partly by either."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from types import MappingProxyType, SimpleNamespace
from typing import Any

import msgspec
import pytest

from segops import Context, Event, PageView, SegOpsClient, SegOpsEventError, UserContext
from segops.core import Clock
from segops.testing import FakeClock
from segops.transports.memory import MemoryTransport
from tests.delivery.test_session import Auth
from tests.rig.harness import PUBLIC, MakeRig, Rig

TIME = "2026-04-25T14:32:00Z"


class Journal:
    """A strict client and what it sends."""

    def __init__(self, **options: Any) -> None:
        self._transport = MemoryTransport()
        self.client = SegOpsClient(transport=self._transport, worker="inline", strict=True, **options)

    def sent(self) -> list[dict[str, Any]]:
        """Return the events that were tracked since the last call."""
        assert self.client.flush()
        events = [*self._transport.events]
        self._transport.clear()
        return events


@pytest.fixture
def journal() -> Iterator[Journal]:
    journal = Journal()
    with journal.client:
        yield journal


PAGE = {"path": "/a", "url": "https://shop.example.org/a", "referrer": "https://example.com/", "title": "A"}


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.track_page_view("u-1", **PAGE, occurred_at=TIME, anonymous_id="d"),
        lambda client: client.track_page_view(
            {"userId": "u-1", **PAGE, "occurredAt": TIME, "anonymousId": "d"},
        ),
        lambda client: client.track_page_view({"user_id": "u-1", **PAGE}, occurred_at=TIME, anonymous_id="d"),
        lambda client: client.track_page_view(PageView("u-1", **PAGE), occurred_at=TIME, anonymous_id="d"),
        lambda client: client.track_page_view(PageView("u-1", **PAGE, occurred_at=TIME, anonymous_id="d")),
        lambda client: client.track_page_view(
            MappingProxyType({"user_id": "u-1", "path": "/a"}),
            **{name: value for name, value in PAGE.items() if name != "path"},
            occurred_at=TIME,
            anonymous_id="d",
        ),
    ],
)
def test_a_page_view_in_any_form(journal: Journal, call: Callable[[SegOpsClient], None]) -> None:
    call(journal.client)
    assert journal.sent() == [
        {"user_id": "u-1", "event_type": "page_viewed", "occurred_at": TIME, "payload": PAGE, "anonymous_id": "d"}
    ]


@pytest.mark.parametrize("nobody", [None, "", {}, {"userId": None}, {"user_id": ""}, PageView()])
def test_a_page_view_of_nobody_is_that_of_an_anonymous_visitor(journal: Journal, nobody: Any) -> None:
    journal.client.track_page_view(nobody)
    assert [event["user_id"] for event in journal.sent()] == ["anonymous"]


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.identify(user_id="u-1", traits={"plan": "pro"}),
        lambda client: client.identify({"user_id": "u-1", "traits": {"plan": "pro"}}),
        lambda client: client.identify({"userId": "u-1"}, traits={"plan": "pro"}),
        lambda client: client.identify(Context("u-1", {"plan": "pro"})),
        lambda client: client.identify(Context("u-1"), traits={"plan": "pro"}),
    ],
)
def test_a_context_in_any_form(journal: Journal, call: Callable[[SegOpsClient], None]) -> None:
    call(journal.client)
    [event] = journal.sent()
    assert (event["user_id"], event["event_type"]) == ("u-1", "context_identified")
    assert event["payload"] == {"plan": "pro"}


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.track({"user_id": "u-1"}, event_type="a_b", payload={"a": 1}),
        lambda client: client.track(Event("u-1", "a_b"), payload={"a": 1}),
        lambda client: client.track(Event("u-1", "a_b", payload={"a": 1}), payload=None),
    ],
)
def test_keywords_add_to_an_event(journal: Journal, call: Callable[[SegOpsClient], None]) -> None:
    call(journal.client)
    [event] = journal.sent()
    assert (event["user_id"], event["event_type"], event["payload"]) == ("u-1", "a_b", {"a": 1})


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda client: client.track({"user_id": "u"}, user_id="v", event_type="a"), "given twice.*user_id"),
        (lambda client: client.track(Event("u", "a", payload={"a": 1}), payload={}), "given twice.*payload"),
        (lambda client: client.identify({"traits": {}}, user_id="u", traits={"a": 1}), "given twice.*traits"),
        (lambda client: client.identify({"userId": "u", "trait": {}}), "'trait' .did you mean 'traits'"),
        (lambda client: client.identify({"userId": "u", "payload": {}}), "'payload' .did you mean 'traits'"),
        (lambda client: client.track_page_view({"userId": "u", "href": "/"}), "'href' .did you mean 'url'"),
        (lambda client: client.track_page_view({"path": "/"}, "/b"), "given twice.*path"),
        (lambda client: client.track_page_view(PageView("u", "/"), path="/b"), "given twice.*path"),
        (lambda client: client.track_page_view(7), "user_id must be a non-empty string"),
    ],
)
def test_what_is_ambiguous_is_a_counted_drop_if_strict(
    journal: Journal, call: Callable[[SegOpsClient], None], said: str
) -> None:
    with pytest.raises(SegOpsEventError, match=said):
        call(journal.client)
    assert journal.client.stats().dropped == {"invalid": 1}


@pytest.mark.parametrize("given", [Event("u-1", "a_b"), {"userId": "u-1", "eventType": "a_b"}])
def test_otherwise_the_object_wins_and_on_error_hears_of_it(given: Any) -> None:
    errors: list[Exception] = []
    with SegOpsClient("memory:", worker="inline", on_error=errors.append) as client:
        client.track(given, user_id="u-2", payload={"a": 1})
        assert client.flush()
        [event] = client.transport.events  # type: ignore[attr-defined]
    assert (event["user_id"], event["payload"]) == ("u-1", {"a": 1})
    [error] = errors
    assert "given twice" in str(error)
    assert "user_id" in str(error)


@dataclass
class User:
    user_id: str
    user_id_sig: str = "ab"
    email: str = "ada@example.org"


class JsUser:
    userId = "a"  # noqa: N815 - as the product's documents have it
    userIdSig = "ab"  # noqa: N815


def minted(make: MakeRig, user: object) -> tuple[Rig, list[dict[str, Any]]]:
    """Return the rig after one event of a user, and what sessions were asked for."""
    auth = Auth()
    rig = make(auth, key=PUBLIC, clock=auth.clock, get_user=lambda: user)
    rig.track("a")
    rig.client.flush()
    return rig, [msgspec.json.decode(mint.body) for mint in rig.server.mints()]


class Signed(UserContext, frozen=True):
    """A derived class with a field that nothing is sent of."""

    tenant: str | None = None


@pytest.mark.parametrize(
    "user",
    [
        UserContext(user_id="a", user_id_sig="ab"),
        {"user_id": "a", "user_id_sig": "ab"},
        {"userId": "a", "userIdSig": "ab", "anonymousId": None, "userIdTs": None},
        MappingProxyType({"user_id": "a", "userIdSig": "ab", "anonymous_id": "", "user_id_ts": 0}),
        UserContext("a", "", "ab", 0),
        User("a"),
        JsUser(),
        SimpleNamespace(user_id="a", userIdSig="ab"),
        SimpleNamespace(user_id="a", userId="a", user_id_sig="ab"),
        Signed("a", user_id_sig="ab"),
    ],
)
def test_a_user_in_any_form(make: MakeRig, user: object) -> None:
    rig, bodies = minted(make, user)
    assert bodies == [{"user_id": "a", "user_id_sig": "ab"}]
    assert rig.client.stats().delivered == 1


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"userid": "a"}, "'userid' (did you mean 'user_id'?)"),
        ({"id": "a"}, "'id' (did you mean 'user_id'?)"),
        ({"user_id": "a", "signature": "ab"}, "'signature' (did you mean 'user_id_sig'?)"),
        ({"user_id": "a", "userId": "b"}, "both spellings"),
        ({"user_id": 7}, "user_id from get_user must be a non-empty string"),
        ({"user_id": False}, "user_id from get_user must be a non-empty string"),
        ({"user_id": "\ud800"}, "lone surrogate"),
        (UserContext(user_id=0), "user_id from get_user must be a non-empty string"),  # type: ignore[arg-type]
        ({"user_id": "a", "user_id_ts": 1.5}, "user_id_ts from get_user must be whole unix seconds, got float"),
        ({"user_id": "a", "user_id_ts": "1"}, "user_id_ts from get_user must be whole unix seconds, got str"),
        ({"user_id": "a", "user_id_ts": True}, "user_id_ts from get_user must be whole unix seconds, got bool"),
        ("a", "get_user must return a UserContext"),
        (SimpleNamespace(id="a"), "get_user must return a UserContext"),
        (SimpleNamespace(user_id="a", userId="b"), "both spellings"),
        (Signed("a", tenant="t"), "unknown key in a UserContext: 'tenant'"),
        (["a"], "get_user must return a UserContext"),
    ],
)
def test_a_user_who_is_not_understood_is_nobody_else(make: MakeRig, user: object, said: str) -> None:
    rig, bodies = minted(make, user)
    assert bodies == []
    assert rig.client.stats().dropped == {"invalid": 1}
    assert said in str(rig.errors[0])


class Yesterday(Clock):
    """A clock of an application, which only overrides `time`."""

    def time(self) -> float:
        return 1_000_000_000.25


CALLS: list[Callable[[SegOpsClient], None]] = [
    lambda client: client.track(user_id="u", event_type="a_b", payload={"a": 1}),
    lambda client: client.track({"user_id": "u", "event_type": "a_b", "payload": {"a": (1,)}}),
    lambda client: client.identify(user_id="u", traits={"a": 1}),
    lambda client: client.track_page_view("u", referrer="https://chatgpt.com/"),
]


@pytest.mark.parametrize("call", CALLS)
def test_the_clock_of_the_client_says_when_an_event_happened(call: Callable[[SegOpsClient], None]) -> None:
    clock = FakeClock(start=1_800_000_000)
    journal = Journal(clock=clock)
    call(journal.client)
    clock.advance(90.5)
    call(journal.client)
    clock.jump_wall(-3600)
    call(journal.client)
    times = [event["occurred_at"] for event in journal.sent()]
    assert list(dict.fromkeys(times)) == [
        "2027-01-15T08:00:00Z",
        "2027-01-15T08:01:30.500000Z",
        "2027-01-15T07:01:30.500000Z",
    ]
    journal.client.shutdown()


@pytest.mark.parametrize("call", CALLS)
def test_any_clock_of_an_application_does(call: Callable[[SegOpsClient], None]) -> None:
    journal = Journal(clock=Yesterday())
    call(journal.client)
    assert {event["occurred_at"] for event in journal.sent()} == {"2001-09-09T01:46:40.250000Z"}
    journal.client.shutdown()


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e15, "soon"])
def test_a_clock_without_a_date_is_a_counted_drop(seconds: Any) -> None:
    clock = FakeClock(start=seconds)
    with SegOpsClient("memory:", worker="inline", clock=clock) as client:
        client.track(user_id="u", event_type="a_b")
        client.track(user_id="u", event_type="a_b", occurred_at=datetime(2026, 1, 1, tzinfo=timezone.utc))
        assert client.stats().dropped == {"invalid": 1}
