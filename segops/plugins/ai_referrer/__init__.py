"""Detect page views that come from an AI assistant.

`AiReferrers` is both the options and the plugin, and this module registers one with the defaults. A plugin of the same
name replaces it: `SegOpsClient(…, plugins=[AiReferrers(utm=True)])`. docs/ai-referrals.md is the guide.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import ClassVar, Literal, get_args

import msgspec

from segops.core import PAGE_VIEWED, Enricher, Event, SegOpsConfigError, hookimpl
from segops.plugins.ai_referrer.matcher import Matcher
from segops.plugins.ai_referrer.providers import MORE_PROVIDERS, PROVIDERS, Provider
from segops.plugins.ai_referrer.urls import query_value

__all__ = [
    "AI_REFERRAL_SESSION",
    "MORE_PROVIDERS",
    "PROVIDERS",
    "AiReferral",
    "AiReferrers",
    "Provider",
    "detect_ai_referrer",
]

AI_REFERRAL_SESSION = "ai_referral_session"

XCom = Literal["any", "grok"]


class AiReferral(msgspec.Struct, frozen=True):
    """A visit from an AI assistant: the payload of an `ai_referral_session` event.

    Attributes:
        source_provider: The id of the assistant, such as "chatgpt".
        query_hint: The question, if the referrer has it in `q`, `query`, or `search`.
        landing_url: The page that was visited, as given.
        referrer_url: The page that the visitor came from, as given; None if only `utm_source` matched.

    Source: docs/ai-referrals.md.
    """

    source_provider: str
    query_hint: str | None
    landing_url: str | None
    referrer_url: str | None

    def __repr__(self) -> str:
        """Show no URL: queries contain personal data."""
        return f"AiReferral({self.source_provider!r})"


class AiReferrers(msgspec.Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """How to detect AI referrals; also the plugin that adds them to page views.

    A host belongs to a provider if it is one of its domains or a subdomain of one.

    Attributes:
        providers: The providers to detect. To add one: `providers=(*PROVIDERS, Provider(…))`. If two have the same
            domain, the first one wins.
        more: Detect `MORE_PROVIDERS`, too.
        utm: Without a match by referrer, use `utm_source` of the landing URL; many assistants send no referrer.
        x_com: Whether every page of x.com counts as Grok ("any"), or only x.com/i/grok and below ("grok"). Browsers
            usually shorten a referrer to "https://x.com/", which "grok" does not match.

    Raises:
        SegOpsConfigError: An option or a provider is invalid.

    Source: docs/ai-referrals.md.
    """

    name: ClassVar[str] = "ai_referrer"

    providers: Iterable[Provider] = PROVIDERS
    more: bool = False
    utm: bool = False
    x_com: XCom = "any"

    def __post_init__(self) -> None:
        """Check the options and build the tables, so that nothing fails later."""
        if self.x_com not in get_args(XCom):
            raise SegOpsConfigError(f"x_com must be 'any' or 'grok', got {self.x_com!r}")
        _ = self._matcher

    @cached_property
    def _matcher(self) -> Matcher:
        providers = [*self.providers, *(MORE_PROVIDERS if self.more else ())]
        for provider in providers:
            if not isinstance(provider, Provider):
                raise SegOpsConfigError(f"providers must contain Provider(id, name, …), got {type(provider).__name__}")
        return Matcher(map(_only_grok, providers) if self.x_com == "grok" else providers)

    def detect(self, referrer: str | None, landing_url: str | None = None) -> AiReferral | None:
        """Detect whether a visit comes from an AI assistant. Never raises for any text.

        Args:
            referrer: The URL that the visitor came from, with or without scheme ("chatgpt.com/c/1").
            landing_url: The URL that was visited.

        Returns:
            None if no provider matches.
        """
        if referrer and (provider := self._matcher.by_referrer(referrer)):
            return AiReferral(provider, _query_hint(referrer), landing_url, referrer)
        if self.utm and landing_url and (provider := self._matcher.by_utm_source(landing_url)):
            return AiReferral(provider, None, landing_url, referrer or None)
        return None

    @hookimpl
    def segops_register_enrichers(self) -> list[Enricher]:
        """Register the enricher of page views."""
        return [Enricher(name=self.name, event_types=frozenset({PAGE_VIEWED}), enrich=self._enrich)]

    def _enrich(self, event: Event) -> Event | list[Event]:
        landing_url = _text(event, "url") or _text(event, "path")
        referral = self.detect(_text(event, "referrer"), landing_url)
        if referral is None:
            return event
        payload = msgspec.structs.asdict(referral)
        return [event, Event(event.user_id, AI_REFERRAL_SESSION, event.occurred_at, payload, event.anonymous_id)]


_default = AiReferrers()

# The module is a plugin, too: the default, unless the application passes another one of this name.
name = AiReferrers.name
segops_register_enrichers = _default.segops_register_enrichers


def detect_ai_referrer(
    referrer: str | None, landing_url: str | None = None, *, options: AiReferrers = _default
) -> AiReferral | None:
    """Detect whether a visit comes from an AI assistant. Never raises for any text.

    Args:
        referrer: The URL that the visitor came from, with or without scheme ("chatgpt.com/c/1").
        landing_url: The URL that was visited.
        options: The providers, and how to detect them.

    Returns:
        None if no provider matches.

    Source: docs/ai-referrals.md.
    """
    return options.detect(referrer, landing_url)


def _query_hint(referrer: str) -> str | None:
    return query_value(referrer, "q") or query_value(referrer, "query") or query_value(referrer, "search")


def _text(event: Event, key: str) -> str | None:
    value = event.payload.get(key)
    return value if isinstance(value, str) and value else None


def _only_grok(provider: Provider) -> Provider:
    domains = tuple("x.com/i/grok" if domain == "x.com" else domain for domain in provider.domains)
    return msgspec.structs.replace(provider, domains=domains)
