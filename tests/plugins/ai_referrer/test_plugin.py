"""AI referrals: the plugin on the public hook."""

from typing import Any

import pluggy
import pytest

from segops.core import PAGE_VIEWED, Enricher, Event, hookspecs
from segops.plugins import ai_referrer
from segops.plugins.ai_referrer import (
    AI_REFERRAL_SESSION,
    AiReferrers,
    detect_ai_referrer,
)

LANDING = "https://shop.example.org/k/7"


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
