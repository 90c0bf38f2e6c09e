"""An enricher that adds the campaign of a page view."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from segops import Event

FIELDS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")


def add_campaign(event: Event) -> Event:
    """Add the UTM parameters of the URL to the payload of a page view.

    Keeps properties that the application set. Ignores URLs that cannot be parsed.
    """
    campaign = _campaign_of(event.payload.get("url"))
    if campaign:
        event.payload = {**campaign, **event.payload}
    return event


def _campaign_of(url: Any) -> dict[str, str]:
    if not isinstance(url, str):
        return {}
    try:
        query = parse_qs(urlsplit(url).query, max_num_fields=100)
    except ValueError:
        return {}
    return {field: query[field][0] for field in FIELDS if field in query}
