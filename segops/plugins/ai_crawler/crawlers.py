"""The table of AI crawlers, and where their operators document them."""

from __future__ import annotations

from typing import Literal

import msgspec

Purpose = Literal["training", "search_index", "user_fetch"]
"""Why a crawler visits: to train models, to fill a search index, or because a person asked for the page."""


class Crawler(msgspec.Struct, frozen=True):
    """An AI crawler.

    Attributes:
        name: What it calls itself in `User-Agent`, such as "GPTBot". Upper and lower case don't matter.
        operator: The company that runs it.
        purpose: Why it visits.
        documented_at: The operator's page about it.
        variants: Other names that it has in `User-Agent`.
    """

    name: str
    operator: str
    purpose: Purpose
    documented_at: str
    variants: tuple[str, ...] = ()


_OPENAI = "https://developers.openai.com/api/docs/bots"
_ANTHROPIC = (
    "https://support.claude.com/en/articles/"
    "8896518-does-anthropic-crawl-data-from-the-web-and-how-can-site-owners-block-the-crawler"
)
_PERPLEXITY = "https://docs.perplexity.ai/docs/resources/perplexity-crawlers"
_GOOGLE = "https://developers.google.com/search/docs/crawling-indexing/google-common-crawlers"
_GOOGLE_USERS = "https://developers.google.com/search/docs/crawling-indexing/google-user-triggered-fetchers"
_AMAZON = "https://developer.amazon.com/amazonbot"
_META = "https://developers.facebook.com/docs/sharing/webmasters/web-crawlers"

CRAWLERS: tuple[Crawler, ...] = (
    Crawler("GPTBot", "OpenAI", "training", _OPENAI),
    Crawler("OAI-SearchBot", "OpenAI", "search_index", _OPENAI),
    Crawler("ChatGPT-User", "OpenAI", "user_fetch", _OPENAI),
    Crawler("ClaudeBot", "Anthropic", "training", _ANTHROPIC),
    Crawler("Claude-SearchBot", "Anthropic", "search_index", _ANTHROPIC),
    Crawler("Claude-User", "Anthropic", "user_fetch", _ANTHROPIC),
    Crawler("PerplexityBot", "Perplexity", "search_index", _PERPLEXITY),
    Crawler("Perplexity-User", "Perplexity", "user_fetch", _PERPLEXITY),
    Crawler("Googlebot", "Google", "search_index", _GOOGLE, ("Googlebot-Image", "Googlebot-News", "Googlebot-Video")),
    Crawler("Google-CloudVertexBot", "Google", "search_index", _GOOGLE),
    Crawler("Google-NotebookLM", "Google", "user_fetch", _GOOGLE_USERS),
    Crawler("Google-Agent", "Google", "user_fetch", _GOOGLE_USERS),
    Crawler(
        "Bingbot",
        "Microsoft",
        "search_index",
        "https://www.bing.com/webmasters/help/which-crawlers-does-bing-use-8c184ec0",
    ),
    Crawler("Applebot", "Apple", "search_index", "https://support.apple.com/en-us/119829"),
    Crawler("Amazonbot", "Amazon", "training", _AMAZON),
    Crawler("Amzn-SearchBot", "Amazon", "search_index", _AMAZON),
    Crawler("Amzn-User", "Amazon", "user_fetch", _AMAZON),
    Crawler("Meta-ExternalAgent", "Meta", "training", _META),
    Crawler("Meta-WebIndexer", "Meta", "search_index", _META),
    Crawler("Meta-ExternalFetcher", "Meta", "user_fetch", _META),
    # ByteDance has no page about it: this is the one that its user agent names.
    Crawler("Bytespider", "ByteDance", "training", "https://zhanzhang.toutiao.com/"),
    Crawler("CCBot", "Common Crawl", "training", "https://commoncrawl.org/ccbot"),
    Crawler("MistralAI-User", "Mistral AI", "user_fetch", "https://docs.mistral.ai/robots"),
    Crawler(
        "DuckAssistBot",
        "DuckDuckGo",
        "user_fetch",
        "https://duckduckgo.com/duckduckgo-help-pages/results/duckassistbot",
    ),
    Crawler("YouBot", "You.com", "search_index", "https://you.com/docs/youbot"),
    Crawler("AI2Bot", "Ai2", "training", "https://allenai.org/crawler", ("Ai2Bot-Dolma",)),
)
"""The crawlers that are detected.

Tokens of robots.txt that no crawler sends, such as Google-Extended and Applebot-Extended, are not among them.
"""
