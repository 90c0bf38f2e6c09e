"""What a middleware may record: consent, privacy signals, addresses, queries, crawlers, and anonymous visitors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from inspect import iscoroutinefunction
from typing import Literal, get_args

import msgspec

from segops.core import SegOpsConfigError
from segops.integrations.request import WebRequest
from segops.plugins.ai_crawler import AiCrawler
from segops.utils import ForkLock

Gpc = Literal["drop", "anonymous", "ignore"]
Ip = Literal["none", "truncate", "full"]
Bots = Literal["count", "send", "drop"]
Anonymous = Literal["anonymous", "cookie", "skip"]
SkipReason = Literal["gpc", "consent", "anonymous", "page", "skip_page_view"]

_CHOICES = {"gpc": get_args(Gpc), "ip": get_args(Ip), "bots": get_args(Bots), "anonymous": get_args(Anonymous)}


class VisitCounts:
    """Counts the visits that are not tracked as page views. Override its methods to pass them on.

    They are called on the thread of the request, and must be quick.

    Attributes:
        skipped: How many page views were left out, by reason.
        crawlers: How many pages AI crawlers fetched, by the name of the crawler.
    """

    def __init__(self) -> None:
        self.skipped: Counter[SkipReason] = Counter()
        self.crawlers: Counter[str] = Counter()
        self._lock = ForkLock()

    def on_skip(self, reason: SkipReason) -> None:
        """Count a page view that the policy or the application left out."""
        with self._lock:
            self.skipped[reason] += 1

    def on_crawler(self, crawler: AiCrawler) -> None:
        """Count a page that an AI crawler fetched."""
        with self._lock:
            self.crawlers[crawler.name] += 1


visit_counts = VisitCounts()
"""The counts of all middleware in this process whose policy has no observer of its own."""


class Policy(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a middleware may record about visits. The defaults are the careful ones.

    Attributes:
        consent: Whether the visitor agreed to be tracked. Without consent, nothing is tracked and no
            cookie is set.
        gpc: What `Sec-GPC: 1` and `DNT: 1` mean: "drop" leaves out the page view, "anonymous" tracks it without any id
            or address, "ignore" treats it like any other.
        ip: Whether the payload contains the visitor's address: "none", "truncate" (the /24 or /48 network), or "full".
        trusted_proxies: How many proxies in front of the application append to `X-Forwarded-For` and set
            `X-Forwarded-Proto`. With 0, both are ignored.
        keep_query: Names of query parameters to record, with `*` for any text. All others are removed from the URL and
            from the referrer.
        bots: What to do with a page that an AI crawler fetched: "count" it, "send" an `ai_crawler_visit` event, or
            "drop" it. It is never a page view.
        anonymous: Who a visitor without user id is: "anonymous" for all together, "cookie" for a random id in a cookie,
            "skip" to track only users, or a function that returns an id or None.
        page: Takes the path of a page and returns the path to record, or None to track nothing. Also called for the
            path of a referrer on the same host.
        observer: Gets the visits that are not tracked.

    Raises:
        SegOpsConfigError: An option is invalid.

    Source: docs/privacy.md.
    """

    consent: Callable[[WebRequest], bool] | None = None
    gpc: Gpc = "drop"
    ip: Ip = "none"
    trusted_proxies: int = 0
    keep_query: Sequence[str] = ("utm_*",)
    bots: Bots = "count"
    anonymous: Anonymous | Callable[[WebRequest], str | None] = "anonymous"
    page: Callable[[str], str | None] | None = None
    observer: VisitCounts = visit_counts

    def __post_init__(self) -> None:
        """Check the options, so that no request meets a bad one."""
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices and not (name == "anonymous" and callable(value)):
                shown = ", ".join(repr(choice) for choice in choices)
                either = " or a function" if name == "anonymous" else ""
                raise SegOpsConfigError(f"policy.{name} must be one of {shown}{either}, got {value!r}")
        for name in ("consent", "page"):
            function = getattr(self, name)
            if function is not None and not callable(function):
                raise SegOpsConfigError(f"policy.{name} must be callable or None, got {type(function).__name__}")
        for name in ("consent", "page", "anonymous"):
            if iscoroutinefunction(getattr(self, name)):  # its result would always be true
                raise SegOpsConfigError(f"policy.{name} must be a plain function, got an async one: await it before")
        count = self.trusted_proxies
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise SegOpsConfigError(f"policy.trusted_proxies must be the number of proxies, 0 or more, got {count!r}")
        names = self.keep_query
        if (
            isinstance(names, str)
            or not isinstance(names, Sequence)
            or not all(isinstance(name, str) and name for name in names)
        ):
            raise SegOpsConfigError(f"policy.keep_query must be a tuple of names such as ('utm_*',), got {names!r}")
        if not isinstance(self.observer, VisitCounts):
            raise SegOpsConfigError(
                f"policy.observer must be a VisitCounts instance, got {type(self.observer).__name__}"
            )
