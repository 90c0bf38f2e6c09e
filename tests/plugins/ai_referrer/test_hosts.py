"""AI referrals: the hosts that belong to a provider and those that do not, and the query hint."""

import timeit
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segops.plugins.ai_referrer import (
    AiReferral,
    AiReferrers,
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
        "https://" + "a." * 121 + "chatgpt.com/",
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
        "https://" + "a." * 122 + "chatgpt.com/",
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


@pytest.mark.parametrize(
    "part", ["a", "é", "a.", "%41", "@", "\\", "é.", "\n", "?q&", "https://x.com/?q=&", "utm_source=&", "\u0323\u0300"]
)
def test_the_cost_grows_with_the_length_and_no_faster(part: str) -> None:
    options = AiReferrers(utm=True)

    def seconds(length: int) -> float:
        text = "https://chatgpt.com/?" + part * (length // len(part))
        host = "https://" + part * (length // len(part)) + ".chatgpt.com"
        return min(timeit.repeat(lambda: (options.detect(text, text), options.detect(host, host)), number=1, repeat=5))

    assert seconds(1_000_000) < 500 * seconds(20_000)  # 50 times is linear, 2,500 times is quadratic


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


@pytest.mark.parametrize("host", ["müller.example", "中文.example", "ПРИМЕР.example", "a.é.b"])
def test_other_scripts_are_written_as_the_standard_library_writes_them(host: str) -> None:
    assert ascii_host(host) == host.encode("idna").decode()


def test_sharp_s_is_a_letter_of_its_own() -> None:
    assert ascii_host("straße.example") == "xn--strae-oqa.example"
