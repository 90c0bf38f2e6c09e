"""Sample events of a shop and of a subscription service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segops import SegOpsConfigError
from segops.utils import nearest

_BOOK = {"product_id": "SKU-1042", "name": "Paper notebook, dotted", "price": 12.5, "currency": "EUR"}
_ORDER = {"order_id": "10023", "total": 74.5, "currency": "EUR", "item_count": 3, "coupon": "WELCOME10"}
_PAGE = {"path": "/notebooks", "url": "https://shop.example.org/notebooks", "title": "Notebooks"}

SAMPLES: Mapping[str, Mapping[str, Any]] = {
    "add_to_cart": {**_BOOK, "quantity": 2},
    "ai_referral_session": {**_PAGE, "referrer": "https://www.perplexity.ai/search?q=best+dotted+notebook"},
    "checkout_abandoned": {"checkout_id": "C-881", "total": 74.5, "currency": "EUR", "step": "shipping"},
    "checkout_started": {"checkout_id": "C-881", "total": 74.5, "currency": "EUR", "item_count": 3},
    "context_identified": {"name": "Ada", "plan": "pro", "country": "DE", "newsletter": True},
    "cta_clicked": {"label": "Start free trial", "placement": "hero", "path": "/"},
    "customer_created": {"source": "checkout", "country": "DE"},
    "feature_used": {"feature": "segment_builder", "duration_ms": 1840},
    "order_cancelled": {"order_id": "10023", "total": 74.5, "currency": "EUR", "reason": "changed_mind"},
    "order_completed": {**_ORDER, "product_id": "SKU-1042"},
    "order_paid": {**_ORDER, "payment_method": "card"},
    "order_placed": _ORDER,
    "page_viewed": {**_PAGE, "referrer": "https://www.google.com/"},
    "product_viewed": _BOOK,
    "purchase": _ORDER,
    "screen_viewed": {"screen": "ProductDetail", "app_version": "4.2.0"},
    "search_performed": {"query": "dotted notebook", "results": 12},
    "segops_smoke_test": {"ok": True},
    "signup_completed": {"method": "email", "plan": "free"},
    "subscription_upgraded": {"from_plan": "free", "to_plan": "pro", "mrr": 29.0, "currency": "EUR"},
    "trial_started": {"plan": "pro", "days": 14},
}
"""Payloads by event type. A referral is sent as the page view from which the SDK derives it."""


def sample(event_type: str) -> Mapping[str, Any]:
    """Return the payload of a sample.

    Raises:
        SegOpsConfigError: No sample has this type.
    """
    if event_type in SAMPLES:
        return SAMPLES[event_type]
    near = nearest(event_type, SAMPLES)
    hint = f"did you mean {near!r}? " if near else ""
    raise SegOpsConfigError(f"no sample of type {event_type[:80]!r}: {hint}run `segops dev trigger` to list all types")
