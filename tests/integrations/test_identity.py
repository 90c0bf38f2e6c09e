"""Who the user of a request is: `identify_request`, anonymous visitors, and the cookie."""

from __future__ import annotations

import asyncio
import re
import threading
import uuid
from contextvars import copy_context

import pytest

from segops import SegOpsAdmin, SegOpsClient, SegOpsError, SegOpsEventError, UserContext
from segops.integrations import (
    Policy,
    WebRequest,
    identify_request,
    request_identity,
    skip_page_view,
)
from segops.transports.memory import MemoryTransport
from tests.integrations.web_rig import PROTOCOLS, Protocol, Reply, Site, scope

pytestmark = pytest.mark.parametrize("protocol", PROTOCOLS)

KNOWN = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"


def with_cookie(value: str) -> dict[str, str]:
    return {"Cookie": f"theme=dark; segops_anonymous_id={value}; a=b"}


def new_id(reply: Reply) -> str:
    [cookie] = reply.cookies()
    return cookie.partition(";")[0].partition("=")[2]


def test_the_user_is_whom_the_application_names_last(site: Site, protocol: Protocol) -> None:
    def view() -> None:
        identify_request("u-1")
        identify_request("u-2")

    site.view = view
    site.get(protocol)
    site.view = lambda: None
    site.get(protocol)
    assert [event["user_id"] for event in site.events()] == ["u-2", "anonymous"]


def test_another_thread_with_the_context_may_name_the_user(site: Site, protocol: Protocol) -> None:
    def view() -> None:
        thread = threading.Thread(target=copy_context().run, args=(identify_request, "u-1"))
        thread.start()
        thread.join()

    site.view = view
    site.get(protocol)
    assert site.page()["user_id"] == "u-1"


def test_the_application_can_ask_who_it_is(site: Site, protocol: Protocol) -> None:
    seen: list[UserContext] = []

    def view() -> None:
        seen.append(request_identity())
        identify_request("u-1")
        seen.append(request_identity())

    site.set_policy(anonymous="cookie")
    site.view = view
    site.get(protocol, headers=with_cookie(KNOWN))
    assert seen == [UserContext(None, KNOWN), UserContext("u-1", KNOWN)]
    assert request_identity() == UserContext()


def test_a_public_key_sends_each_page_view_as_its_user(protocol: Protocol) -> None:
    site = Site()
    site.transport = MemoryTransport(offline=False)
    site.client = SegOpsClient(
        "https://api.example.org", "pk_1", transport=site.transport, worker="inline", get_user=request_identity
    )
    for user in ("u-1", "u-2"):
        site.view = lambda user=user: identify_request(user)  # type: ignore[misc]
        site.get(protocol)
    site.events()
    sessions = [str(request.body) for request in site.transport.requests if "session" in request.path]
    assert ["u-1" in session for session in sessions] == [True, False]
    assert len(sessions) == 2
    site.client.shutdown(0)


@pytest.mark.parametrize("function", [lambda: identify_request("u-1"), skip_page_view])
def test_outside_of_a_request_is_a_warning_once_or_an_error(
    site: Site, protocol: Protocol, caplog: pytest.LogCaptureFixture, function: object
) -> None:
    assert callable(function)
    function()
    function()
    assert caplog.text.count("was called outside of a request") == 1
    strict = Site(strict=True)
    strict.get(protocol)
    with pytest.raises(SegOpsError, match=r"\(\) was called outside of a request.*: call it while"):
        function()
    strict.client.shutdown(0)
    assert site.events() == []


@pytest.mark.parametrize(("user_id", "shown"), [(42, "int"), ("", "''"), (b"u", "bytes")])
def test_a_bad_user_id_is_a_counted_drop_or_an_error(
    site: Site, protocol: Protocol, user_id: object, shown: str
) -> None:
    site.view = lambda: identify_request(user_id)  # type: ignore[arg-type]
    assert site.get(protocol) == site.reply
    assert site.client.stats().dropped == {"invalid": 1}
    strict = Site(strict=True)
    strict.view = site.view
    with pytest.raises(SegOpsEventError, match=f"user_id must be a non-empty string, got {shown}"):
        strict.get(protocol)
    strict.client.shutdown(0)


def test_a_new_visitor_gets_a_cookie(site: Site, protocol: Protocol) -> None:
    site.set_policy(anonymous="cookie")
    reply = site.get(protocol)
    anonymous_id = new_id(reply)
    assert uuid.UUID(anonymous_id).version == 4
    attributes = f"segops_anonymous_id={anonymous_id}; Max-Age=34128000; Path=/; HttpOnly; SameSite=Lax"
    assert reply.cookies() == [attributes]
    assert reply == site.reply._replace(headers=[*site.reply.headers, reply.headers[-1]])
    assert site.get(protocol, headers=with_cookie(anonymous_id)) == site.reply
    assert [(event["user_id"], event["anonymous_id"]) for event in site.events()] == [
        (f"anon_{anonymous_id}", anonymous_id)
    ] * 2
    secure = site.get(protocol, scheme="https").cookies()
    assert secure[0].endswith("SameSite=Lax; Secure")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "<script>",
        KNOWN.upper(),
        "4bd7a762-eb30-11f1-9eb1-02fc00000001",
        KNOWN + "0",
        f'"{KNOWN}"',
        "\xff" * 36,
    ],
)
def test_any_other_cookie_is_replaced(site: Site, protocol: Protocol, value: str) -> None:
    site.set_policy(anonymous="cookie")
    anonymous_id = new_id(site.get(protocol, headers=with_cookie(value)))
    assert uuid.UUID(anonymous_id).version == 4
    assert site.page()["anonymous_id"] == anonymous_id


@pytest.mark.parametrize(
    ("cache_control", "is_set"),
    [
        ("public", False),
        ("max-age=60, Public", False),
        ("s-maxage=60", False),
        ("max-age=60", False),
        ("private, max-age=60", True),
        ("max-age=0", True),
        ("no-store", True),
        ("no-cache, max-age=5", True),
    ],
)
def test_no_cookie_on_what_a_shared_cache_may_keep(
    site: Site,
    protocol: Protocol,
    cache_control: str,
    is_set: bool,  # noqa: FBT001
) -> None:
    site.set_policy(anonymous="cookie")
    site.reply = site.reply._replace(headers=[*site.reply.headers, ("cache-control", cache_control)])
    assert len(site.get(protocol).cookies()) == is_set
    assert ("anonymous_id" in site.page()) == is_set


@pytest.mark.parametrize("headers", [{"Sec-GPC": "1"}, {"DNT": "1"}, {"Cookie": "consent=no"}, {"HX-Request": "true"}])
@pytest.mark.parametrize("gpc", ["drop", "anonymous"])
def test_no_cookie_without_consent_or_a_page(site: Site, protocol: Protocol, gpc: str, headers: dict[str, str]) -> None:
    site.set_policy(anonymous="cookie", gpc=gpc, consent=lambda request: request.cookie("consent") != "no")
    site.view = request_identity
    assert site.get(protocol, headers=headers) == site.reply or "HX-Request" in headers
    assert all("anonymous_id" not in event for event in site.events())


def test_an_endpoint_that_asks_gets_an_id_that_the_response_keeps(site: Site, protocol: Protocol) -> None:
    seen: list[UserContext] = []
    site.set_policy(anonymous="cookie")
    site.view = lambda: seen.append(request_identity())
    site.reply = Reply(302, [("location", "/")], b"")
    reply = site.get(protocol, method="POST")
    assert seen == [UserContext(None, new_id(reply))]
    site.view = lambda: None
    assert site.get(protocol, method="POST") == site.reply


def test_logout_rotates_the_cookie_on_any_response(site: Site, protocol: Protocol) -> None:
    site.set_policy(anonymous="cookie")
    site.view = lambda: identify_request(None)
    site.reply = Reply(302, [("location", "/")], b"")
    reply = site.get(protocol, method="POST", headers=with_cookie(KNOWN))
    assert re.fullmatch("[0-9a-f-]{36}", new_id(reply))
    assert new_id(reply) != KNOWN
    site.set_policy()
    assert site.get(protocol, method="POST", headers=with_cookie(KNOWN)) == site.reply


def test_a_login_links_the_visitor_to_the_user(protocol: Protocol) -> None:
    site = Site()
    site.client = SegOpsClient("local:", worker="inline")
    site.set_policy(anonymous="cookie")
    anonymous_id = new_id(site.get(protocol))
    site.view = lambda: identify_request("u-1")
    site.get(protocol, headers=with_cookie(anonymous_id))
    assert site.client.flush()
    with SegOpsAdmin(transport=site.client.transport) as admin:
        assert [event.event_type for event in admin.users.events("u-1")] == ["page_viewed", "page_viewed"]
    site.client.shutdown()


def test_skip_leaves_out_visitors_without_a_user(site: Site, protocol: Protocol) -> None:
    site.set_policy(anonymous="skip")
    site.get(protocol)
    site.view = lambda: identify_request("u-1")
    site.get(protocol)
    assert site.page()["user_id"] == "u-1"
    assert site.counts.skipped == {"anonymous": 1}


@pytest.mark.parametrize(("found", "whom"), [("v-1", "anon_v-1"), (None, "anonymous"), ("", "anonymous")])
def test_the_application_may_have_ids_of_its_own(site: Site, protocol: Protocol, found: str | None, whom: str) -> None:
    def visitor(request: WebRequest) -> str | None:
        assert request.header("X-Visitor") == request.header("x-visitor") == "v"
        assert request.header("X-Other") is None
        assert (request.method, request.path, request.query) == ("GET", "/shoes", "a=1")
        assert "v" not in repr(request)
        return found

    site.set_policy(anonymous=visitor)
    assert site.get(protocol, query="a=1", headers={"X-Visitor": "v"}) == site.reply
    assert site.page()["user_id"] == whom


@pytest.mark.parametrize(
    "options",
    [
        {"gpc": "ignored"},
        {"ip": "yes"},
        {"bots": None},
        {"anonymous": "cookies"},
        {"anonymous": None},
        {"consent": True},
        {"page": "x"},
        {"trusted_proxies": -1},
        {"trusted_proxies": True},
        {"trusted_proxies": "1"},
        {"keep_query": "utm_*"},
        {"keep_query": ("",)},
        {"keep_query": (1,)},
        {"keep_query": iter(["utm_*"])},
        {"observer": object()},
    ],
)
def test_a_bad_policy_is_refused_by_name(protocol: Protocol, options: dict[str, object]) -> None:
    del protocol
    [name] = options
    with pytest.raises(ValueError, match=rf"policy.{name} must be .*, got "):
        Policy(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["consent", "page", "anonymous"])
def test_an_async_function_is_refused(protocol: Protocol, name: str) -> None:
    """Its result would be true without being asked."""
    del protocol

    async def no(_: object) -> bool:
        return False

    with pytest.raises(ValueError, match=f"policy.{name} must be a plain function, got an async one"):
        Policy(**{name: no})  # type: ignore[arg-type]


def test_cookies_in_several_lines_are_read(site: Site, protocol: Protocol) -> None:
    if protocol == "wsgi":
        pytest.skip("servers join them")
    site.set_policy(anonymous="cookie")
    request = scope("GET", "/", "", [("Cookie", "a=b"), ("Cookie", f"segops_anonymous_id={KNOWN}"), ("Host", "h")])
    asyncio.run(site.serve_asgi(request))
    assert site.page()["anonymous_id"] == KNOWN
