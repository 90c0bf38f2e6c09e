"""Detect AI crawlers by their user agent. docs/ai-crawlers.md is the guide."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from segops.plugins.ai_crawler.crawlers import CRAWLERS, Crawler, Purpose

__all__ = ["CRAWLERS", "AiCrawler", "Crawler", "Purpose", "detect_ai_crawler"]


class AiCrawler(msgspec.Struct, frozen=True):
    """A visit by an AI crawler.

    Attributes:
        name: The name of the crawler, such as "GPTBot".
        operator: The company that runs it, such as "OpenAI".
        purpose: "training", "search_index", or "user_fetch": a person asked an assistant about the page.
        verified: Whether the visitor is who it says; None if nobody checked. Anyone can send any user agent.

    Source: docs/ai-crawlers.md.
    """

    name: str
    operator: str
    purpose: Purpose
    verified: bool | None = None


Verify = Callable[[AiCrawler], bool | None]
"""Returns whether a visitor is the crawler that it says it is; None if that is unknown."""

_BY_NAME = {
    name.lower(): AiCrawler(crawler.name, crawler.operator, crawler.purpose)
    for crawler in CRAWLERS
    for name in (crawler.name, *crawler.variants)
}

# Not the end of a URL, and not the beginning of a mail address: both only mention a crawler.
_NAME = re.compile(r"(?<![^\s(;,])([a-z0-9-]+)(?=[/\s);,]|$)", re.ASCII | re.IGNORECASE)

_LONGEST = 1024
"""Characters of a user agent that are read; those of crawlers have some 200."""


def detect_ai_crawler(user_agent: str | None, *, verify: Verify | None = None) -> AiCrawler | None:
    """Detect whether a request comes from an AI crawler. Never raises for any text.

    Args:
        user_agent: The `User-Agent` header of the request.
        verify: Returns whether the visitor is that crawler, for example from its IP address. Called only for crawlers;
            what it raises is raised.

    Returns:
        None if the user agent names no crawler of the table.

    Source: docs/ai-crawlers.md.
    """
    for name in _NAME.findall(user_agent or "", 0, _LONGEST):
        crawler = _BY_NAME.get(name.lower())
        if crawler is not None:
            return crawler if verify is None else msgspec.structs.replace(crawler, verified=verify(crawler))
    return None
