"""AI referrals: which page views come from an AI assistant.

`AiReferrers` is both the options and the plugin; this module registers one with the defaults. A plugin of the same
name takes its place: `SegOpsClient(…, plugins=[AiReferrers(utm=True)])`. docs/ai-referrals.md is the how-to.
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
    """A visit that an AI assistant sent, as the payload of an `ai_referral_session` event.

    Attributes:
        source_provider: The id of the assistant, such as "chatgpt".
        query_hint: What the visitor asked, if the referrer says so in `q`, `query` or `search`.
        landing_url: The page that the visitor came to, as given.
        referrer_url: The page that the visitor came from, as given; None if recognised by `utm_source` alone.

    Source: wire-protocol.md, section 4.3.
    """

    source_provider: str
    query_hint: str | None
    landing_url: str | None
    referrer_url: str | None

    def __repr__(self) -> str:
        """Show no URL: queries hold personal data."""
        return f"AiReferral({self.source_provider!r})"


class AiReferrers(msgspec.Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """How AI referrals are recognised; also the plugin that adds them to page views.

    A host belongs to a provider if it equals one of its domains or is a subdomain of one; nothing else counts.

    Attributes:
        providers: Who is recognised. To add one: `providers=(*PROVIDERS, Provider(…))`. Where two claim the same
            domain, the first has it.
        more: Recognise `MORE_PROVIDERS` as well.
        utm: Where the referrer tells nothing, go by `utm_source` on the landing URL; many assistants send no referrer.
        x_com: Whether every page of x.com counts as Grok ("any"), or only x.com/i/grok and below ("grok"). Browsers
            usually cut a referrer to "https://x.com/", which "grok" then misses.

    Raises:
        SegOpsConfigError: An option or a provider is not one of these.

    Source: wire-protocol.md, section 4.2.
    """

    name: ClassVar[str] = "ai_referrer"

    providers: Iterable[Provider] = PROVIDERS
    more: bool = False
    utm: bool = False
    x_com: XCom = "any"

    def __post_init__(self) -> None:
        """Check the options and make the tables now, so that nothing fails later."""
        if self.x_com not in get_args(XCom):
            raise SegOpsConfigError(f"x_com is {self.x_com!r}: write 'any' or 'grok'")
        _ = self._matcher

    @cached_property
    def _matcher(self) -> Matcher:
        providers = [*self.providers, *(MORE_PROVIDERS if self.more else ())]
        for provider in providers:
            if not isinstance(provider, Provider):
                raise SegOpsConfigError(f"providers holds a {type(provider).__name__}: write Provider(id, name, …)")
        return Matcher(map(_only_grok, providers) if self.x_com == "grok" else providers)

    def detect(self, referrer: str | None, landing_url: str | None = None) -> AiReferral | None:
        """Say whether an AI assistant sent this visit. Never raises, whatever the text.

        Args:
            referrer: The URL that the visitor came from. A bare host ("chatgpt.com/c/1") will do.
            landing_url: The URL that the visitor came to.

        Returns:
            None if no provider is recognised.
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

# The module is a plugin too: what a client has unless it is given another of this name.
name = AiReferrers.name
segops_register_enrichers = _default.segops_register_enrichers


def detect_ai_referrer(
    referrer: str | None, landing_url: str | None = None, *, options: AiReferrers = _default
) -> AiReferral | None:
    """Say whether an AI assistant sent this visit. Never raises, whatever the text.

    Args:
        referrer: The URL that the visitor came from. A bare host ("chatgpt.com/c/1") will do.
        landing_url: The URL that the visitor came to.
        options: Who is recognised, and how.

    Returns:
        None if no provider is recognised.

    Source: wire-protocol.md, section 4.
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
