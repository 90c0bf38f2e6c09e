"""AI referrals: hosts that belong to a provider and those that do not, hints, options, and the plugin."""

import time
from typing import Any

import pluggy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segops.core import PAGE_VIEWED, Enricher, Event, SegOpsConfigError, hookspecs
from segops.plugins import ai_referrer
from segops.plugins.ai_referrer import (
    AI_REFERRAL_SESSION,
    MORE_PROVIDERS,
    PROVIDERS,
    AiReferral,
    AiReferrers,
    Provider,
    detect_ai_referrer,
)
from segops.plugins.ai_referrer.urls import ascii_host

LANDING = "https://shop.example.org/k/7"


def provider_of(referrer: str | None, landing_url: str | None = None, **options: Any) -> str | None:
    referral = detect_ai_referrer(referrer, landing_url, options=AiReferrers(**options))
    return None if referral is None else referral.source_provider


def test_the_sample_of_the_protocol() -> None:
    referrer = "https://perplexity.ai/?q=quiet+keyboards"
    assert detect_ai_referrer(referrer, LANDING) == AiReferral("perplexity", "quiet keyboards", LANDING, referrer)


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("chatgpt.com", "chatgpt"),
        ("chat.openai.com", "chatgpt"),
        ("perplexity.ai", "perplexity"),
        ("www.perplexity.ai", "perplexity"),
        ("claude.ai", "claude"),
        ("gemini.google.com", "gemini"),
        ("grok.com", "grok"),
        ("x.com", "grok"),
        ("a.b.c.x.com", "grok"),
    ],
)
def test_the_five_providers(host: str, provider: str) -> None:
    assert provider_of(f"https://{host}/") == provider


@pytest.mark.parametrize(
    "referrer",
    [
        "HTTPS://ChatGPT.COM/",
        "http://chatgpt.com",
        "https://chatgpt.com:443/c/1",
        "https://chatgpt.com:/",
        "https://chatgpt.com./",
        "https://chatgpt.com...:8443/",
        "https://user:pass@chatgpt.com/",
        "https://evil.example@chatgpt.com/",
        "https://a@b@chatgpt.com/",
        "https://chatgpt.com?x=@evil.example",
        "https://chatgpt.com#@evil.example",
        "//chatgpt.com/c/1",
        "chatgpt.com",
        "chatgpt.com/c/1",
        "chatgpt.com:443/c/1",
        "www.chatgpt.com?q=x",
        "https:\\\\chatgpt.com\\c",
        "https://chatgpt.com\\@evil.example/",
        "https:///chatgpt.com/",
        "  https://chatgpt.com/ \r\n",
        "\x00https://chatgpt.com/",
        "ht\ntps://chat\tgpt.c\rom/",
        "https://chatgpt%2Ecom/",
        "https://%63hatgpt.com/",
        "https://\uff43\uff48\uff41\uff54\uff47\uff50\uff54\uff0e\uff43\uff4f\uff4d/",
        "https://chatgpt。com/",
        "https://" + "a" * 1_000_000 + "@chatgpt.com/",
        "https://chatgpt.com/" + "a" * 1_000_000,
        "android-app://com.openai.chatgpt/",
        "Android-App://com.openai.chatgpt",
    ],
)
def test_every_way_to_write_a_host_of_chatgpt(referrer: str) -> None:
    assert provider_of(referrer) == "chatgpt"


@pytest.mark.parametrize(
    "referrer",
    [
        None,
        "",
        " ",
        "/",
        "//",
        "https://",
        "https:",
        ":",
        "@",
        "%",
        "https://netflix.com/",
        "https://notx.com/",
        "https://x.com.evil.example/",
        "https://claude.ai.evil.com/",
        "https://xn--chatgpt.com/",
        "https://openai.com/",
        "https://google.com/?q=chatgpt.com",
        "https://evil.example/chatgpt.com",
        "https://evil.example\\@chatgpt.com/",
        "https://evil.example/@chatgpt.com/",
        "https://evil.example?@chatgpt.com/",
        "https://evil.example#@chatgpt.com/",
        "https://evil.example%2F.chatgpt.com/",
        "https://evil.example%40chatgpt.com/",
        "https://evil.example%23.chatgpt.com/",
        "https://evil.example%00.chatgpt.com/",
        "https://evil.example℀.chatgpt.com/",
        "https://chatgpt%252Ecom/",
        "https://chatgpt.com@evil.example/",
        "https://chatgpt.com:pass@evil.example/",
        "https://chatgpt.com:port/",
        "https://chatgpt.com:\uff14\uff14\uff13/",
        "https://chat gpt.com/",
        "https://a b.chatgpt.com/",
        "https://.chatgpt.com/",
        "https://a..chatgpt.com/",
        "https://[chatgpt.com]/",
        "https://[::1]/",
        "https://[/",
        "https://\u0441hatgpt.com/",
        "https://xn--hatgpt-hrf.com/",
        "https://chat\u200dgpt.com/",
        "https://chatgpt\u0301.com/",
        "https://\ud800.chatgpt.com/",
        "https://%ff.chatgpt.com/",
        "https://" + "é" * 300 + ".chatgpt.com/",
        "https://" + "a." * 1_000_000 + "chatgpt.com/",
        "https://" + "\ufdfa" * 1_000 + ".chatgpt.com/",
        "/chatgpt.com",
        "mailto:someone@chatgpt.com",
        "someone@chatgpt.com",
        "ftp://chatgpt.com/",
        "http\u017f://chatgpt.com/",
        "javascript://chatgpt.com/%0a",
        "data:text/html,//chatgpt.com",
        "about:blank",
        "android-app://chatgpt.com/",
        "android-app://com.openai.chatgpt.evil/",
        "android-app://evil.com.openai.chatgpt/",
        "https://com.openai.chatgpt/",
    ],
)
def test_what_does_not_belong_to_a_provider(referrer: str | None) -> None:
    assert provider_of(referrer, more=True) is None


@given(st.text(st.characters()), st.text(st.characters()))
def test_no_text_makes_it_raise(referrer: str, landing_url: str) -> None:
    detect_ai_referrer(referrer, landing_url, options=AiReferrers(more=True, utm=True, x_com="grok"))


@given(st.text(alphabet="chatgpt.comx/\\@:?#%25[]\t \u3002\ud800\u0441é&=q", max_size=40))
def test_no_host_like_text_makes_it_raise(tail: str) -> None:
    for start in ("", "//", "https://", "https://chatgpt.com", "android-app://", "?utm_source="):
        detect_ai_referrer(start + tail, start + tail, options=AiReferrers(utm=True))


@given(st.from_regex(r"[a-z0-9.-]{0,20}", fullmatch=True))
def test_only_a_dot_makes_a_subdomain(before: str) -> None:
    host = before + "claude.ai"
    whole = before == "" or (before.endswith(".") and all(before[:-1].split(".")))
    assert (provider_of(f"https://{host}/") == "claude") is whole


def test_a_megabyte_costs_no_more_than_a_glance() -> None:
    texts = ["a" * 10**6, "https://" + "é" * 10**6, "https://x.com/?" + "q&" * 500_000, "//" + "%41" * 300_000]
    began = time.process_time()
    for text in texts:
        detect_ai_referrer(text, text, options=AiReferrers(utm=True))
    assert time.process_time() - began < 2  # a quadratic step would take minutes


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("", None),
        ("?", None),
        ("?q=", None),
        ("?q", None),
        ("?qq=no&xq=no", None),
        ("?Q=no", None),
        ("#q=no", None),
        ("?a=1#?q=no", None),
        ("?q=quiet+keyboards", "quiet keyboards"),
        ("?q=caf%C3%A9%2B%26", "café+&"),
        ("?q=a=b", "a=b"),
        ("?q=what?", "what?"),
        ("?q=one#frag", "one"),
        ("?q=%FF", "\ufffd"),
        ("?search=3&query=2&q=1", "1"),
        ("?search=3&query=2", "2"),
        ("?search=3", "3"),
        ("?q=&query=2", "2"),
        ("?q=&q=again", "again"),
        ("?q=first&q=second", "first"),
    ],
)
def test_query_hint(query: str, hint: str | None) -> None:
    referral = detect_ai_referrer("https://chatgpt.com/" + query)
    assert referral is not None
    assert referral.query_hint == hint


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://x.com/i/grok", True),
        ("https://x.com/i/grok/", True),
        ("https://x.com/i/grok/share/1?q=a", True),
        ("https://www.x.com/i/grok#top", True),
        ("x.com\\i\\grok", True),
        ("https://grok.com/", True),
        ("https://x.com/", False),
        ("https://x.com", False),
        ("https://x.com/i/groks", False),
        ("https://x.com/someone/i/grok", False),
        ("https://x.com/?/i/grok", False),
    ],
)
def test_x_com_can_be_told_from_grok_on_it(url: str, *, found: bool) -> None:
    assert (provider_of(url, x_com="grok") == "grok") is found
    assert provider_of(url) == "grok"


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://copilot.microsoft.com/", "copilot"),
        ("https://www.bing.com/chat?q=a", "copilot"),
        ("https://chat.deepseek.com/", "deepseek"),
        ("https://chat.mistral.ai/chat", "le_chat"),
        ("https://www.meta.ai/", "meta_ai"),
        ("https://you.com/search?q=a", "you"),
        ("https://chat.qwen.ai/", "qwen"),
        ("https://poe.com/", "poe"),
        ("https://www.phind.com/", "phind"),
        ("https://www.kimi.com/", "kimi"),
        ("https://duck.ai/", "duck_ai"),
        ("https://huggingface.co/chat/", "huggingchat"),
    ],
)
def test_more_providers_can_be_turned_on(url: str, provider: str) -> None:
    assert provider_of(url) is None
    assert provider_of(url, more=True) == provider


def test_a_path_does_not_stand_for_its_site() -> None:
    assert provider_of("https://www.bing.com/search?q=a", more=True) is None


def test_no_two_providers_of_the_tables_claim_the_same() -> None:
    tables = PROVIDERS + MORE_PROVIDERS
    for field in ("domains", "utm_sources", "android_apps"):
        claims = [claim for provider in tables for claim in getattr(provider, field)]
        assert len(claims) == len(set(claims))
    assert len({provider.id for provider in tables}) == len(tables)


def test_each_domain_of_the_tables_is_found() -> None:
    for provider in PROVIDERS + MORE_PROVIDERS:
        for domain in provider.domains:
            assert provider_of(f"https://www.{domain}", more=True) == provider.id
        for source in provider.utm_sources:
            assert provider_of(None, f"/?utm_source={source}", more=True, utm=True) == provider.id
        for app in provider.android_apps:
            assert provider_of(f"android-app://{app}/", more=True) == provider.id


@pytest.mark.parametrize(
    ("landing_url", "provider"),
    [
        (LANDING + "?utm_source=chatgpt.com", "chatgpt"),
        (LANDING + "?a=1&utm_source=ChatGPT.com&b=2#top", "chatgpt"),
        ("/k/7?utm_source=%70erplexity+", "perplexity"),
        (LANDING + "?utm_source=newsletter", None),
        (LANDING + "?utm_source=", None),
        (LANDING + "?xutm_source=chatgpt.com", None),
        (LANDING + "#?utm_source=chatgpt.com", None),
        ("https://chatgpt.com/", None),
        ("", None),
        (None, None),
    ],
)
def test_utm_source_can_be_turned_on(landing_url: str | None, provider: str | None) -> None:
    assert provider_of(None, landing_url) is None
    assert provider_of(None, landing_url, utm=True) == provider


def test_the_referrer_goes_before_utm_source() -> None:
    landing = LANDING + "?utm_source=chatgpt.com"
    assert provider_of("https://claude.ai/", landing, utm=True) == "claude"


def test_by_utm_source_there_is_no_hint_as_the_referrer_is_another_site() -> None:
    landing, referrer, options = LANDING + "?utm_source=chatgpt.com", "https://a.example/?q=b", AiReferrers(utm=True)
    assert options.detect(referrer, landing) == AiReferral("chatgpt", None, landing, referrer)
    assert options.detect(None, landing) == AiReferral("chatgpt", None, landing, None)
    assert options.detect("", landing) == AiReferral("chatgpt", None, landing, None)


ACME = Provider("acme", "Acme", ("acme.example", "shared.example/ai", "помощник.example"), ("acme",), ("org.acme",))


@pytest.mark.parametrize(
    "referrer",
    [
        "https://chat.acme.example/",
        "https://shared.example/ai/1",
        "https://ПОМОЩНИК.example/",
        "https://xn--h1aeeedbe7f.example/",
        "android-app://org.acme/",
    ],
)
def test_a_provider_can_be_added(referrer: str) -> None:
    options = AiReferrers(providers=(*PROVIDERS, ACME))
    assert detect_ai_referrer(referrer) is None
    assert detect_ai_referrer(referrer, options=options) == AiReferral("acme", None, None, referrer)
    assert detect_ai_referrer("https://claude.ai/", options=options) is not None


def test_providers_can_be_replaced() -> None:
    assert provider_of("https://claude.ai/", providers=[ACME]) is None


def test_the_first_of_two_providers_has_the_domain_and_the_more_exact_one_goes_first() -> None:
    ours = Provider("ours", "Ours", ("claude.ai", "team.chatgpt.com", "chatgpt.com/g/ours", "chatgpt.com/g"))
    longer = Provider("longer", "Longer", ("chatgpt.com/g/ours/2",))
    options = AiReferrers(providers=[ours, *PROVIDERS, longer])
    found = [options.detect("https://" + rest) for rest in ("claude.ai", "team.chatgpt.com", "chatgpt.com/g/ours/2")]
    assert [referral and referral.source_provider for referral in found] == ["ours", "ours", "longer"]
    assert provider_of("https://chatgpt.com/g/other", providers=[*PROVIDERS, ours]) == "ours"
    assert provider_of("https://chatgpt.com/c", providers=[*PROVIDERS, ours]) == "chatgpt"


def test_the_options_do_not_change() -> None:
    mine = [ACME]
    options = AiReferrers(providers=mine)
    mine.clear()
    assert options.detect("https://acme.example/") is not None
    with pytest.raises(AttributeError):
        options.utm = True  # type: ignore[misc]


@pytest.mark.parametrize(
    "host", ["https://acme.example", "*.acme.example", "acme.example:443", "", "a b", "/chat", "é" * 300]
)
def test_a_domain_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(SegOpsConfigError, match="not a host name"):
        AiReferrers(providers=[Provider("acme", "Acme", (host,))])
    with pytest.raises(SegOpsConfigError, match="not a host name"):
        AiReferrers(providers=[Provider("acme", "Acme", (), (), (host,))])


def test_wrong_options_are_refused() -> None:
    bad: Any = "acme.example"
    bad_number: Any = 7
    with pytest.raises(SegOpsConfigError, match="tuple of text"):
        Provider("acme", "Acme", bad)
    with pytest.raises(SegOpsConfigError, match="tuple of text"):
        Provider("acme", "Acme", (), (bad, bad_number))
    with pytest.raises(SegOpsConfigError, match="id of a provider"):
        Provider("", "Acme")
    with pytest.raises(SegOpsConfigError, match="x_com"):
        AiReferrers(x_com=bad)
    with pytest.raises(SegOpsConfigError, match="holds a str"):
        AiReferrers(providers=[bad])


@pytest.mark.parametrize("host", ["müller.example", "中文.example", "ПРИМЕР.example", "a.é.b"])
def test_other_scripts_are_written_as_the_standard_library_writes_them(host: str) -> None:
    assert ascii_host(host) == host.encode("idna").decode()


def test_sharp_s_is_a_letter_of_its_own() -> None:
    assert ascii_host("straße.example") == "xn--strae-oqa.example"


def enricher_of(plugin: object) -> Enricher:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, plugin.name)  # type: ignore[attr-defined]
    manager.check_pending()
    [[enricher]] = manager.hook.segops_register_enrichers()
    assert isinstance(enricher, Enricher)
    return enricher


def page_view(**payload: Any) -> Event:
    return Event("u-1", PAGE_VIEWED, "2027-01-05T09:30:00Z", payload, "device-1")


@pytest.mark.parametrize("plugin", [ai_referrer, AiReferrers()])
def test_module_and_object_are_plugins_on_the_public_hook(plugin: object) -> None:
    enricher = enricher_of(plugin)
    assert enricher.name == "ai_referrer"
    assert enricher.event_types == frozenset({PAGE_VIEWED})


def test_a_page_view_from_an_assistant_is_followed_by_a_referral() -> None:
    referrer = "https://perplexity.ai/?q=quiet+keyboards"
    event = page_view(path="/k/7", url=LANDING, referrer=referrer)
    assert enricher_of(ai_referrer).enrich(event) == [
        event,
        Event(
            "u-1",
            AI_REFERRAL_SESSION,
            "2027-01-05T09:30:00Z",
            {
                "source_provider": "perplexity",
                "query_hint": "quiet keyboards",
                "landing_url": LANDING,
                "referrer_url": referrer,
            },
            "device-1",
        ),
    ]


@pytest.mark.parametrize(
    ("payload", "landing_url"),
    [
        ({"url": LANDING, "path": "/p"}, LANDING),
        ({"path": "/p"}, "/p"),
        ({"url": "", "path": "/p"}, "/p"),
        ({}, None),
        ({"url": 7}, None),
    ],
)
def test_the_landing_url_is_the_url_or_else_the_path(payload: dict[str, Any], landing_url: str | None) -> None:
    result = enricher_of(ai_referrer).enrich(page_view(referrer="https://claude.ai/", **payload))
    assert isinstance(result, list)
    assert result[1].payload["landing_url"] == landing_url


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"referrer": None},
        {"referrer": ""},
        {"referrer": 7},
        {"referrer": b"https://x.com/"},
        {"referrer": ["x.com"]},
        {"referrer": "https://netflix.com/"},
    ],
)
def test_any_other_page_view_passes_unchanged(payload: dict[str, Any]) -> None:
    event = page_view(**payload)
    assert enricher_of(ai_referrer).enrich(event) is event


def test_the_plugin_goes_by_its_options() -> None:
    event = page_view(url=LANDING + "?utm_source=chatgpt.com")
    assert enricher_of(ai_referrer).enrich(event) is event
    assert isinstance(enricher_of(AiReferrers(utm=True)).enrich(event), list)


def test_the_repr_of_a_referral_shows_no_url() -> None:
    assert repr(detect_ai_referrer("https://claude.ai/?q=secret", LANDING)) == "AiReferral('claude')"
