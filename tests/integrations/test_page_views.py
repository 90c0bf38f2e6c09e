"""Which requests are page views, and what is recorded about them; the same by ASGI and by WSGI."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segops import AiReferrers, SegOpsClient
from segops.integrations import identify_request, skip_page_view
from segops.integrations.urls import query_filter, split_referrer
from tests.integrations.web_rig import PROTOCOLS, Protocol, Reply, Site

pytestmark = pytest.mark.parametrize("protocol", PROTOCOLS)


def test_a_page_view_has_its_address_and_nothing_else_of_the_request(site: Site, protocol: Protocol) -> None:
    site.get(protocol, query="color=red&utm_source=mail&token=secret", headers={"Referer": "https://blog.example/a"})
    page = site.page()
    assert page["user_id"] == "anonymous"
    assert "anonymous_id" not in page
    assert page["payload"] == {
        "path": "/shoes",
        "url": "http://shop.example.org/shoes?utm_source=mail",
        "referrer": "https://blog.example/a",
    }


@pytest.mark.parametrize(
    ("status", "content_type", "count"),
    [
        (200, "text/html", 1),
        (203, "TEXT/HTML;charset=utf-8", 1),
        (304, None, 1),
        (304, "text/html", 1),
        (304, "text/css", 0),
        (200, None, 0),
        (200, "application/json", 0),
        (200, "text/htmlx", 0),
        (302, "text/html", 0),
        (404, "text/html", 0),
        (500, "text/html", 0),
    ],
)
def test_a_page_view_is_a_successful_response_with_html(
    site: Site, protocol: Protocol, status: int, content_type: str | None, count: int
) -> None:
    site.reply = Reply(status, [("content-type", content_type)] if content_type else [], b"")
    assert site.get(protocol) == site.reply
    assert len(site.events()) == count


@pytest.mark.parametrize(
    ("headers", "count"),
    [
        ({"Sec-Purpose": "prefetch;prerender"}, 0),
        ({"Purpose": "prefetch"}, 0),
        ({"X-Moz": "prefetch"}, 0),
        ({"HX-Request": "true"}, 0),
        ({"X-Requested-With": "XMLHttpRequest"}, 0),
        ({"X-Requested-With": "com.example.browser"}, 1),  # a browser inside of an Android app
        ({"User-Agent": "kube-probe/1.33"}, 0),
        ({"User-Agent": "ELB-HealthChecker/2.0"}, 0),
        ({"User-Agent": None}, 1),
        ({"User-Agent": "curl/8", "Accept": "*/*"}, 1),
    ],
)
def test_prefetches_fragments_and_health_checks_are_none(
    site: Site, protocol: Protocol, headers: dict[str, Any], count: int
) -> None:
    site.get(protocol, headers=headers)
    assert len(site.events()) == count
    assert not site.counts.skipped


@pytest.mark.parametrize(
    ("path", "accept", "count"),
    [("/healthz", "*/*", 0), ("/api/_health", None, 0), ("/health", "text/html,*/*", 1), ("/healthy-food", "*/*", 1)],
)
def test_a_health_check_is_a_path_that_no_browser_asks_for(
    site: Site, protocol: Protocol, path: str, accept: str | None, count: int
) -> None:
    site.get(protocol, path, headers={"Accept": accept})
    assert len(site.events()) == count


@pytest.mark.parametrize(("content_type", "count"), [("text/html", 1), (None, 0)])
def test_a_304_without_a_type_counts_only_for_browsers(
    site: Site, protocol: Protocol, content_type: str | None, count: int
) -> None:
    site.reply = Reply(304, [("content-type", content_type)] if content_type else [], b"")
    site.get(protocol, headers={"Accept": "*/*"})
    assert len(site.events()) == count


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "OPTIONS"])
def test_only_get_is_a_page_view(site: Site, protocol: Protocol, method: str) -> None:
    site.get(protocol, method=method)
    assert site.events() == []


def test_skip_page_view(site: Site, protocol: Protocol) -> None:
    site.view = skip_page_view
    site.get(protocol)
    assert site.events() == []
    assert site.counts.skipped == {"skip_page_view": 1}


@pytest.mark.parametrize("name", ["Sec-GPC", "DNT"])
@pytest.mark.parametrize("gpc", ["drop", "anonymous", "ignore"])
def test_privacy_signals(site: Site, protocol: Protocol, name: str, gpc: str) -> None:
    site.view = lambda: identify_request("u-1")
    site.set_policy(gpc=gpc, ip="full")
    site.get(protocol, headers={name: "1"})
    site.get(protocol, headers={name: "0"})
    whom = [(event["user_id"], event["payload"].get("ip")) for event in site.events()]
    known = ("u-1", "192.0.2.9")
    assert whom == {"drop": [known], "anonymous": [("anonymous", None), known], "ignore": [known, known]}[gpc]
    assert site.counts.skipped == ({"gpc": 1} if gpc == "drop" else {})


def test_without_consent_there_is_no_page_view(site: Site, protocol: Protocol) -> None:
    site.set_policy(consent=lambda request: request.cookie("consent") == "yes")
    for cookie in ("consent=no", "a=1; consent=yes", "xconsent=yes", ""):
        site.get(protocol, headers={"Cookie": cookie})
    assert len(site.events()) == 1
    assert site.counts.skipped == {"consent": 3}


@pytest.mark.parametrize(
    ("ip", "peer", "recorded"),
    [
        ("none", "192.0.2.9", None),
        ("truncate", "192.0.2.9", "192.0.2.0"),
        ("full", "192.0.2.9", "192.0.2.9"),
        ("truncate", "2001:db8:1:2:3::4", "2001:db8:1::"),
        ("full", "::ffff:192.0.2.9", "192.0.2.9"),
        ("truncate", "::ffff:192.0.2.9", "192.0.2.0"),
        ("full", "/var/run/socket", None),
    ],
)
def test_the_address(site: Site, protocol: Protocol, ip: str, peer: str, recorded: str | None) -> None:
    site.set_policy(ip=ip)
    site.get(protocol, peer=peer)
    assert site.page()["payload"].get("ip") == recorded


@pytest.mark.parametrize(
    ("proxies", "forwarded", "recorded"),
    [
        (0, "203.0.113.5", "192.0.2.9"),
        (1, "203.0.113.5", "203.0.113.5"),
        (1, "198.51.100.66, 203.0.113.5", "203.0.113.5"),
        (2, "198.51.100.66, 203.0.113.5, 10.0.0.1", "203.0.113.5"),
        (2, "203.0.113.5", "203.0.113.5"),
        (1, None, "192.0.2.9"),
        (1, "<script>", None),
    ],
)
def test_a_forged_forwarded_for_is_ignored(
    site: Site, protocol: Protocol, proxies: int, forwarded: str | None, recorded: str | None
) -> None:
    site.set_policy(ip="full", trusted_proxies=proxies)
    site.get(protocol, headers={"X-Forwarded-For": forwarded})
    assert site.page()["payload"].get("ip") == recorded


@pytest.mark.parametrize(("proxies", "scheme"), [(0, "http"), (1, "https")])
def test_a_trusted_proxy_says_what_the_scheme_is(site: Site, protocol: Protocol, proxies: int, scheme: str) -> None:
    site.set_policy(trusted_proxies=proxies)
    site.get(protocol, headers={"X-Forwarded-Proto": "https"})
    assert site.page()["payload"]["url"] == f"{scheme}://shop.example.org/shoes"


@pytest.mark.parametrize(
    ("referrer", "recorded"),
    [
        (
            "https://u:p@blog.example:8443/a/b?token=secret&utm_medium=x#at=1",
            "https://blog.example:8443/a/b?utm_medium=x",
        ),
        ("https://chatgpt.com/c/1?q=red+shoes&token=secret", "https://chatgpt.com/c/1?q=red+shoes"),
        ("https://blog.example/?q=red+shoes", "https://blog.example/"),
        ("https://blog.example/?utm_source=a;token=secret", "https://blog.example/?utm_source=a"),
        ("https://blog.example/?utm_source=a?token=secret", "https://blog.example/?utm_source=a"),
        ("android-app://com.openai.chatgpt/", "android-app://com.openai.chatgpt/"),
        ("https://blog.example/caf\xc3\xa9", "https://blog.example/caf%C3%A9"),
        ("https://blog.example/a b<c>", "https://blog.example/a%20b%3Cc%3E"),
        ("https://blog.example/" + "x" * 65_536, "https://blog.example/"),
        ("https://" + "x" * 65_536, None),
        ("about:blank", None),
        ("javascript:alert(1)", None),
        ("\xff\xfe\x00\x80", None),
        ("", None),
    ],
)
def test_the_referrer(site: Site, protocol: Protocol, referrer: str, recorded: str | None) -> None:
    reply = site.get(protocol, headers={"Referer": referrer})
    assert reply == site.reply
    assert site.events()[0]["payload"].get("referrer") == recorded


def test_referrals_by_referrer_and_by_utm_are_tracked_once(site: Site, protocol: Protocol) -> None:
    site.get(protocol, headers={"Referer": "https://chatgpt.com/?q=red+shoes"})
    site.get(protocol, query="utm_source=chatgpt.com&x=1")
    site.get(protocol, query="utm_source=perplexity.ai", headers={"Referer": "https://claude.ai/"})
    site.get(protocol, query="utm_source=newsletter", headers={"Referer": "https://blog.example/"})
    found = [event["payload"] for event in site.events() if event["event_type"] == "ai_referral_session"]
    assert [(each["source_provider"], each["query_hint"]) for each in found] == [
        ("chatgpt", "red shoes"),
        ("chatgpt", None),
        ("claude", None),
    ]
    assert found[1]["landing_url"] == "http://shop.example.org/shoes?utm_source=chatgpt.com"
    assert len(site.events()) == 7


@pytest.mark.parametrize("utm", [True, False])
def test_the_clients_own_options_for_referrals_count(protocol: Protocol, utm: bool) -> None:  # noqa: FBT001
    site = Site(plugins=[AiReferrers(more=True, utm=utm)])
    site.get(protocol, query="utm_source=deepseek")
    assert [event["event_type"] for event in site.events()] == ["page_viewed", "ai_referral_session"]
    site.client.shutdown(0)


def test_referrals_can_be_turned_off(protocol: Protocol, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGOPS_PLUGINS", "-ai_referrer")
    site = Site()
    site.get(protocol, query="utm_source=chatgpt.com", headers={"Referer": "https://chatgpt.com/"})
    site.page()
    site.client.shutdown(0)


def test_page_replaces_paths_also_those_of_the_referrer(site: Site, protocol: Protocol) -> None:
    def page(path: str) -> str | None:
        return None if path == "/admin" else re.sub("^/reset/.*", "/reset/é", path)

    site.set_policy(page=page)
    site.get(protocol, "/reset/secret")
    site.get(protocol, "/shoes", headers={"Referer": "http://shop.example.org/%72eset/secret?utm_id=1"})
    site.get(protocol, "/shoes", headers={"Referer": "http://shop.example.org/admin?utm_id=secret"})
    site.get(
        protocol, "/shoes", headers={"Referer": "https://public.example/reset/secret", "Sec-Fetch-Site": "same-origin"}
    )
    site.get(protocol, "/shoes", headers={"Referer": "https://blog.example/reset/x", "Sec-Fetch-Site": "cross-site"})
    site.get(protocol, "/admin")
    assert [event["payload"]["path"] for event in site.events()] == ["/reset/%C3%A9", *["/shoes"] * 4]
    assert site.events()[1]["payload"]["referrer"] == "http://shop.example.org/reset/%C3%A9?utm_id=1"
    assert site.events()[2]["payload"]["referrer"] == "http://shop.example.org/"
    assert site.events()[3]["payload"]["referrer"] == "https://public.example/reset/%C3%A9"
    assert site.events()[4]["payload"]["referrer"] == "https://blog.example/reset/x"
    assert "secret" not in str(site.transport.events)
    assert site.counts.skipped == {"page": 1}


@pytest.mark.parametrize("host", [None, "", 'evil"><script>', "a b", "x" * 300, "\xff"])
def test_a_bad_host_leaves_out_the_url(site: Site, protocol: Protocol, host: str | None) -> None:
    site.get(protocol, headers={"Host": host})
    assert site.page()["payload"] == {"path": "/shoes"}


@pytest.mark.parametrize(
    ("path", "recorded"),
    [("/caf\u00e9/\U0001f600", "/caf%C3%A9/%F0%9F%98%80"), ("/a%b", "/a%25b"), ("/" + "x" * 9000, None)],
)
def test_unusual_paths(site: Site, protocol: Protocol, path: str, recorded: str | None) -> None:
    site.get(protocol, path)
    assert site.page()["payload"]["path"] == (recorded or path[:4096])


@pytest.mark.parametrize("bots", ["count", "send", "drop"])
def test_ai_crawlers_are_no_page_views(site: Site, protocol: Protocol, bots: str) -> None:
    site.set_policy(bots=bots, anonymous="cookie", consent=lambda _: False)
    agent = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; GPTBot/1.3; +https://openai.com/gptbot"
    reply = site.get(protocol, headers={"User-Agent": agent})
    assert reply.cookies() == []
    site.get(protocol, headers={"User-Agent": agent, "Sec-GPC": "1"})
    assert site.counts.crawlers == ({} if bots == "drop" else {"GPTBot": 1})
    if bots != "send":
        assert site.events() == []
        return
    [event] = site.events()
    assert (event["event_type"], event["user_id"]) == ("ai_crawler_visit", "ai-crawler:GPTBot")
    assert event["payload"] == {
        "name": "GPTBot",
        "operator": "OpenAI",
        "purpose": "training",
        "verified": None,
        "path": "/shoes",
        "url": "http://shop.example.org/shoes",
    }


@pytest.mark.parametrize("option", ["consent", "page", "anonymous"])
def test_a_function_that_raises_breaks_no_response(
    site: Site, protocol: Protocol, option: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> Any:
        raise RuntimeError("secret")

    site.set_policy(**{option: fail})
    for _ in range(3):
        assert site.get(protocol) == site.reply
    assert site.events() == []
    logged = caplog.text
    assert logged.count("segops.integrations.failed") == 1
    assert "RuntimeError was raised by fail()" in logged
    assert "secret" not in logged


@given(text=st.text(st.characters(max_codepoint=255)))
def test_any_referrer_and_query_is_cut_to_what_is_kept(protocol: Protocol, text: str) -> None:
    del protocol
    kept = query_filter(("utm_*", "a.b"))(text)
    assert all(
        re.match(r"(?i)utm_|a\.b", name.partition("=")[0]) for name in kept.split("&") if "%" not in name and name
    )
    assert kept.isascii()
    parts = split_referrer(text) or split_referrer("https://blog.example/" + text)
    assert parts is None or "".join(parts[:3]).isascii()


def test_a_middleware_needs_a_client(site: Site, protocol: Protocol) -> None:
    del site
    from segops.integrations import AsgiMiddleware, Policy, WsgiMiddleware  # noqa: PLC0415

    cls: Any = {"asgi": AsgiMiddleware, "wsgi": WsgiMiddleware}[protocol]
    with pytest.raises(ValueError, match="client must be a SegOpsClient, got str"):
        cls(None, "sk_1")
    with (
        SegOpsClient("memory:") as client,
        pytest.raises(ValueError, match="policy must be a Policy or None, got dict"),
    ):
        cls(None, client, policy={})
    with SegOpsClient("memory:") as client:
        cls(None, client, policy=Policy())
