"""Each style of pagination (reliability table, row 63)."""

from __future__ import annotations

from typing import Any

import pytest

from segops import SegOpsAdmin, SegOpsNotFoundError, SegOpsResponseError
from segops.core import Request, Response
from tests.admin.admin_rig import ok, query, scripted, targets
from tests.rig.fault_server import FaultServer, respond


def items(first: int, last: int) -> list[dict[str, int]]:
    return [{"id": number} for number in range(first, last + 1)]


def envelope(results: list[Any], following: str | None, **more: Any) -> Response:
    return ok({"count": 5, "next": following, "previous": None, "results": results, **more})


def ids(found: Any) -> list[int]:
    return [item.id for item in found]


def test_a_page_knows_its_count_its_neighbours_and_its_response() -> None:
    admin, transport, _ = scripted(
        envelope(items(1, 2), "https://api.segops.ai/api/segments/?page=2&page_size=2"), envelope(items(3, 3), None)
    )
    page = admin.segments.list({"is_active": True}, page_size=2)
    assert (page.count, len(page.results), ids(page), page[0].id, ids(page[:1])) == (5, 2, [1, 2], 1, [1])
    assert page.next == "https://api.segops.ai/api/segments/?page=2&page_size=2"
    assert page.previous is None
    assert page.response.headers["content-type"] == "application/json"
    assert page.to_dict()["results"] == items(1, 2)
    assert repr(page) == "<Page of 2 Segment, 5 in total>"
    second = page.next_page()
    assert second is not None
    assert (ids(second), second.next_page()) == ([3], None)
    assert [query(request) for request in transport.requests] == [
        {"is_active": "true", "page_size": "2"},
        {"is_active": "true", "page_size": "2", "page": "2"},
    ]


def test_iterate_is_lazy_and_keeps_the_filters() -> None:
    admin, transport, _ = scripted(envelope(items(1, 2), "/api/x/?page=2"), envelope(items(3, 4), None))
    found = admin.products.iterate(page_size=2, q="shoe", color=None)
    assert transport.requests == []
    assert [next(found).id, next(found).id] == [1, 2]
    assert len(transport.requests) == 1
    assert ids(found) == [3, 4]
    assert [query(request) for request in transport.requests] == [
        {"page_size": "2", "q": "shoe"},
        {"page_size": "2", "q": "shoe", "page": "2"},
    ]
    assert list(found) == []


def test_iterate_begins_where_the_caller_says() -> None:
    admin, transport, _ = scripted(envelope(items(1, 1), "/?page=4"), envelope(items(2, 2), None))
    assert ids(admin.segments.iterate({"page": 3})) == [1, 2]
    assert [query(request)["page"] for request in transport.requests] == ["3", "4"]


def test_a_link_without_a_page_leads_to_the_next_number() -> None:
    admin, transport, _ = scripted(envelope(items(1, 1), "there is more"), envelope(items(2, 2), None))
    assert ids(admin.segments.iterate()) == [1, 2]
    assert query(transport.requests[1]) == {"page": "2"}


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/api/segments/?page=2",
        "//evil.example/?page=2",
        "ftp://x/?page=2",
        "http://[/?page=2",
        "\x00",
    ],
)
def test_a_link_to_another_origin_is_never_requested(link: str) -> None:
    """Row 63."""
    pages = [{"count": 2, "next": link, "results": items(1, 1)}, {"count": 2, "next": None, "results": items(2, 2)}]
    with (
        FaultServer(*(respond(200, ok(page).body) for page in pages)) as server,
        SegOpsAdmin("sk_1", base_url=server.url) as admin,
    ):
        assert ids(admin.segments.iterate()) == [1, 2]
    assert [received.target for received in server.journal] == ["/api/segments/", "/api/segments/?page=2"]


def test_a_loop_ends_after_each_page_was_given_once() -> None:
    """Row 63."""

    def circle(request: Request) -> Response:
        page = int(query(request).get("page", 1))
        return envelope(items(page, page), f"/api/segments/?page={page % 3 + 1}")

    admin, transport, _ = scripted(*[circle] * 10)
    assert ids(admin.segments.iterate()) == [1, 2, 3]
    assert len(transport.requests) == 4


def test_a_loop_behind_the_first_page_ends_before_a_page_is_asked_for_again() -> None:
    """Row 63."""

    def circle(request: Request) -> Response:
        page = int(query(request).get("page", 1))
        return envelope(items(page, page), f"/api/segments/?page={page + 1 if page < 4 else 2}")

    admin, transport, _ = scripted(*[circle] * 10)
    assert ids(admin.segments.iterate()) == [1, 2, 3, 4]
    assert len(transport.requests) == 4


def test_a_last_page_that_is_sent_for_every_further_one_is_given_once() -> None:
    """Row 63."""

    def last(request: Request) -> Response:
        page = int(query(request).get("page", 1))
        shown = min(page, 3)
        return envelope(items(shown, shown), "more")

    admin, transport, _ = scripted(*[last] * 10)
    assert ids(admin.segments.iterate()) == [1, 2, 3]
    assert len(transport.requests) == 4


def test_a_server_that_always_sends_the_same_page_is_seen() -> None:
    """Row 63."""
    admin, transport, _ = scripted(*[envelope(items(1, 2), "/api/segments/?page=2")] * 10)
    assert ids(admin.segments.iterate()) == [1, 2]
    assert len(transport.requests) == 2


def test_a_list_that_became_shorter_ends() -> None:
    admin, _, _ = scripted(envelope(items(1, 1), "/?page=2"), ok({"detail": "Invalid page."}, 404))
    assert ids(admin.segments.iterate()) == [1]
    admin, _, _ = scripted(envelope(items(1, 1), "/?page=2"), ok({"detail": "Not found."}, 404))
    with pytest.raises(SegOpsNotFoundError):
        list(admin.segments.iterate())


def test_a_bare_array_is_one_page() -> None:
    admin, transport, _ = scripted(ok(items(1, 3)), ok([]))
    page = admin.queries.list()
    assert (page.count, page.next, page.previous, ids(page)) == (3, None, None, [1, 2, 3])
    assert list(admin.queries.iterate()) == []
    assert len(transport.requests) == 2


def test_a_cursor_is_followed_with_the_limit() -> None:
    first = ok({"members": [{"user_id": "a"}], "next_cursor": "YQ=="})
    admin, transport, _ = scripted(first, ok({"members": [{"user_id": "b"}], "next_cursor": None}))
    assert [member.user_id for member in admin.segments.iterate_members(7, page_size=1)] == ["a", "b"]
    assert [query(request) for request in transport.requests] == [{"limit": "1"}, {"limit": "1", "cursor": "YQ=="}]
    admin, transport, _ = scripted(first)
    assert admin.segments.members(7, {"limit": 1}).next == "YQ=="


def test_a_cursor_in_a_link_is_followed() -> None:
    admin, transport, _ = scripted(envelope([], "https://x/?cursor=c%2B"), envelope([], None))
    list(admin.segments.members(7).walk())
    assert query(transport.requests[1]) == {"cursor": "c+"}


def test_members_can_be_asked_for_by_page() -> None:
    admin, transport, _ = scripted(envelope([], "/?page=2", next_cursor="c"), envelope([{"user_id": "a"}], None))
    assert len(list(admin.segments.iterate_members(7, page=1))) == 1
    assert query(transport.requests[1]) == {"page": "2"}


def test_count_and_results_without_links_is_one_page() -> None:
    admin, transport, _ = scripted(ok({"count": 40, "results": [{"user_id": "a"}]}))
    page = admin.users.search(q="a", limit=1)
    assert (page.count, len(page.results), page.next_page()) == (40, 1, None)
    assert targets(transport) == ["GET /api/explorer/users/?q=a&limit=1"]
    admin, transport, _ = scripted(ok({"count": 40, "results": [{"user_id": "a"}]}))
    assert len(list(admin.users.iterate(page_size=9))) == 1
    assert query(transport.requests[0]) == {"limit": "9"}


@pytest.mark.parametrize(
    "body", [{"detail": "x"}, [1, 2], {"results": "no"}, {"a": [], "b": []}, None, 5, {"results": [1]}]
)
def test_a_body_that_is_not_a_list_is_an_error(body: Any) -> None:
    admin, _, _ = scripted(ok(body))
    with pytest.raises(SegOpsResponseError, match="expected a list of objects"):
        admin.segments.list()


def test_each_shape_of_the_local_segops(admin: SegOpsAdmin) -> None:
    for number in range(7):
        admin.segments.create(name=f"Segment {number}")
        admin.queries.create(query_text=f"Question {number}")
    for page_size in (1, 3, 7, 200):
        assert len(list(admin.segments.iterate(page_size=page_size))) == 7
        assert len(list(admin.queries.iterate(page_size=page_size))) == 7
    assert len(list(admin.segments.list(page=2, page_size=3).walk())) == 4
