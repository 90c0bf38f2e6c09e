"""What the shop tracks itself. Page views and AI referrals are tracked by the middleware."""

from __future__ import annotations

from segops import SegOpsClient
from segops.integrations import Policy, request_identity
from shop.pages import PRODUCTS

POLICY = Policy(anonymous="cookie")
"""A cookie distinguishes visitors who are not logged in. A real shop asks for consent first: `consent=`."""


def place_order(client: SegOpsClient, key: str) -> None:
    """Track the order of the current visitor."""
    product = PRODUCTS[key]
    who = request_identity()
    client.track(
        user_id=who.user_id or (f"anon_{who.anonymous_id}" if who.anonymous_id else "anonymous"),
        anonymous_id=who.anonymous_id,
        event_type="order_placed",
        payload={"product": key, "total": product.price, "currency": "EUR"},
    )
