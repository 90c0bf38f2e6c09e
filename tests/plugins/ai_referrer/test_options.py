"""AI referrals: what each option changes."""

from typing import Any

import pytest

from segops.core import SegOpsConfigError
from segops.plugins.ai_referrer import (
    MORE_PROVIDERS,
    PROVIDERS,
    AiReferral,
    AiReferrers,
    Provider,
    detect_ai_referrer,
)

LANDING = "https://shop.example.org/k/7"


def provider_of(referrer: str | None, landing_url: str | None = None, **options: Any) -> str | None:
    referral = detect_ai_referrer(referrer, landing_url, options=AiReferrers(**options))
    return None if referral is None else referral.source_provider


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
        ("https://bard.google.com/", "gemini"),
        ("https://copilot.cloud.microsoft/", "copilot"),
        ("https://edgeservices.bing.com/edgesvc/chat", "copilot"),
        ("https://iask.ai/?q=a", "iask"),
        ("https://notebooklm.google.com/", "notebooklm"),
        ("https://yiyan.baidu.com/", "baidu"),
        ("https://chat.baidu.com/", "baidu"),
        ("https://chatglm.cn/", "chatglm"),
        ("https://app.jasper.ai/", "jasper"),
    ],
)
def test_more_providers_can_be_turned_on(url: str, provider: str) -> None:
    assert provider_of(url) is None
    assert provider_of(url, more=True) == provider


def test_a_path_does_not_stand_for_its_site() -> None:
    for search in ("https://www.bing.com/search?q=a", "https://www.baidu.com/s?wd=a", "https://www.google.com/"):
        assert provider_of(search, more=True) is None


def test_no_two_providers_of_the_tables_claim_the_same() -> None:
    tables = PROVIDERS + MORE_PROVIDERS
    for field in ("domains", "utm_sources", "android_apps"):
        claims = [claim for provider in tables for claim in getattr(provider, field)]
        assert len(claims) == len(set(claims))
    for table in (PROVIDERS, MORE_PROVIDERS):  # one of the second may add domains to one of the first
        assert len({provider.id for provider in table}) == len(table)


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
        (LANDING + "?variant=1?utm_source=chatgpt.com", "chatgpt"),
        (LANDING + "?a=1&amp;utm_source=chatgpt.com&amp;b=2", "chatgpt"),
        (LANDING + "?a=1;utm_source=chatgpt.com", "chatgpt"),
        (LANDING + "?utm_source=chatgpt.com/", "chatgpt"),
        (LANDING + "?utm_source=www.perplexity.ai", "perplexity"),
        (LANDING + "?UTM_SOURCE=WWW.Perplexity.AI/&x=1", "perplexity"),
        (LANDING + "?utm_source=https%3A%2F%2Fchatgpt.com%2F", "chatgpt"),
        (LANDING + "?utm_source=chatgpt%2Ecom", "chatgpt"),
        (LANDING + "?utm_source=chatgpt%252Ecom", "chatgpt"),
        (LANDING + "?utm%5Fsource=chatgpt.com", "chatgpt"),
        (LANDING + "%3Futm_source%3Dchatgpt.com", "chatgpt"),
        (LANDING + "?a=1%26utm_source%3Dchatgpt.com", "chatgpt"),
        (LANDING + "?utm_source=%22chatgpt.com%22", "chatgpt"),
        (LANDING + "?utm_source=chatgpt.com)", "chatgpt"),
        (LANDING + "?utm_source=newsletter&utm_source=chatgpt.com", "chatgpt"),
        (LANDING + "?utm_source=chatgpt.com?utm_source=newsletter", "chatgpt"),
        (LANDING + "?utm_source=notchatgpt.com", None),
        (LANDING + "?utm_source=chatgpt.com.evil.example", None),
        (LANDING + "?utm_source=chatgpt-com", None),
        (LANDING + "?utm_medium=chatgpt.com", None),
        (LANDING + "/utm_source=chatgpt.com", None),
        (LANDING + "?utm_source=%FF%00%ZZ", None),
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
    with pytest.raises(SegOpsConfigError, match="tuple of str"):
        Provider("acme", "Acme", bad)
    with pytest.raises(SegOpsConfigError, match="tuple of str"):
        Provider("acme", "Acme", (), (bad, bad_number))
    with pytest.raises(SegOpsConfigError, match="provider id must be"):
        Provider("", "Acme")
    with pytest.raises(SegOpsConfigError, match="x_com"):
        AiReferrers(x_com=bad)
    with pytest.raises(SegOpsConfigError, match="got str"):
        AiReferrers(providers=[bad])
