"""AI crawlers: which user agents are detected, and what a row of the table says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segops.plugins.ai_crawler import CRAWLERS, AiCrawler, Crawler, Purpose, detect_ai_crawler

GUIDE = Path(__file__).parents[3] / "docs" / "ai-crawlers.md"
WEBKIT = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko"
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4"

DOCUMENTED = {
    f"{WEBKIT}); compatible; GPTBot/1.3; +https://openai.com/gptbot": "GPTBot",
    f"{WEBKIT}) Chrome/131.0.0.0 Safari/537.36; compatible; OAI-SearchBot/1.3; +https://openai.com/searchbot": (
        "OAI-SearchBot"
    ),
    f"{WEBKIT}); compatible; ChatGPT-User/1.0; +https://openai.com/bot": "ChatGPT-User",
    f"{WEBKIT}; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)": "ClaudeBot",
    f"{WEBKIT}; compatible; Claude-User/1.0; +Claude-User@anthropic.com)": "Claude-User",
    f"{WEBKIT}; compatible; PerplexityBot/1.0; +https://perplexity.ai/perplexitybot)": "PerplexityBot",
    f"{WEBKIT}; compatible; Perplexity-User/1.0; +https://perplexity.ai/perplexity-user)": "Perplexity-User",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": "Googlebot",
    "Googlebot-Image/1.0": "Googlebot",
    f"{WEBKIT}; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/131.0.0.0 Safari/537.36": "Bingbot",
    f"{SAFARI} Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)": "Applebot",
    f"{WEBKIT}; compatible; Amazonbot/0.1; +https://developer.amazon.com/support/amazonbot) Chrome/119": "Amazonbot",
    "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)": "Meta-ExternalAgent",
    "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 "
    "(compatible; Bytespider; spider-feedback@bytedance.com)": "Bytespider",
    "Mozilla/5.0 (compatible;Bytespider;https://zhanzhang.toutiao.com/)": "Bytespider",
    "CCBot/2.0 (https://commoncrawl.org/faq/)": "CCBot",
    f"{WEBKIT}; compatible; MistralAI-User/1.0; +https://docs.mistral.ai/robots)": "MistralAI-User",
    "Mozilla/5.0 (compatible) Ai2Bot-Dolma (+https://www.allenai.org/crawler)": "AI2Bot",
}
"""User agents as operators publish them or crawlers send them."""


@pytest.mark.parametrize(("user_agent", "name"), DOCUMENTED.items())
def test_a_published_user_agent_is_detected(user_agent: str, name: str) -> None:
    crawler = detect_ai_crawler(user_agent)
    assert crawler is not None
    assert (crawler.name, crawler.verified) == (name, None)


@pytest.mark.parametrize("crawler", CRAWLERS, ids=lambda crawler: crawler.name)
def test_each_row_is_detected_by_each_of_its_names(crawler: Crawler) -> None:
    for name in (crawler.name, *crawler.variants, crawler.name.upper(), crawler.name.lower()):
        assert detect_ai_crawler(f"Mozilla/5.0 (compatible; {name}/1.0)") == AiCrawler(
            crawler.name, crawler.operator, crawler.purpose
        )


@pytest.mark.parametrize("crawler", CRAWLERS, ids=lambda crawler: crawler.name)
def test_each_row_says_where_it_is_documented_and_so_does_the_guide(crawler: Crawler) -> None:
    url = urlsplit(crawler.documented_at)
    assert (url.scheme, bool(url.hostname)) == ("https", True)
    assert crawler.purpose in get_args(Purpose)
    line = (
        f"| `{crawler.name}` | {crawler.operator} | `{crawler.purpose}` | [{url.hostname}]({crawler.documented_at}) |"
    )
    assert line in GUIDE.read_text("utf-8").splitlines()


def test_the_guide_has_no_other_rows() -> None:
    rows = re.findall(r"^\| `[^`]+` \|.*\]\(https:", GUIDE.read_text("utf-8"), re.MULTILINE)
    assert len(rows) == len(CRAWLERS) == len({crawler.name.lower() for crawler in CRAWLERS})


@pytest.mark.parametrize(
    "user_agent",
    [
        None,
        "",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
        "Google-Extended",  # names of robots.txt only
        "Applebot-Extended/1.0",
        "notgptbot/1.0",
        "GPTBots/1.0",
        "my-GPTBot/1.0",
        "GPTBot-checker/1.0",
        "GPTBot.example/1.0",
        "research/1.0 (+https://openai.com/gptbot)",
        "research/1.0 (+claudebot@anthropic.com)",
        "research/1.0 (claudebot@anthropic.com)",
        "facebookexternalhit/1.1",
        f"{'x' * 65_536} GPTBot/1.0",
        "\x00\ud800\xff",
    ],
)
def test_what_only_looks_like_a_crawler_is_not_one(user_agent: str | None) -> None:
    assert detect_ai_crawler(user_agent) is None


@given(st.text())
def test_no_text_raises(user_agent: str) -> None:
    found = detect_ai_crawler(user_agent)
    assert found is None or found.name.lower()[:5] in user_agent.lower()


@pytest.mark.parametrize("said", [True, False, None])
def test_verified_is_what_the_caller_found_out(said: bool | None) -> None:  # noqa: FBT001
    asked: list[AiCrawler] = []

    def verify(crawler: AiCrawler) -> bool | None:
        asked.append(crawler)
        return said

    crawler = detect_ai_crawler("GPTBot/1.3", verify=verify)
    assert crawler is not None
    assert crawler.verified is said
    assert detect_ai_crawler("Firefox", verify=verify) is None
    assert [each.name for each in asked] == ["GPTBot"]
    unasked = detect_ai_crawler("GPTBot/1.3")
    assert unasked is not None
    assert unasked.verified is None
