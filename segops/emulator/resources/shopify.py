"""Shopify's webhooks become events.

Source: wire-protocol.md, section 2.7.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import msgspec

from segops.emulator import times
from segops.emulator.answers import Answer, invalid, refuse
from segops.emulator.call import Call
from segops.emulator.resources.bodies import read_object
from segops.emulator.resources.tenant import setting, tenant_slug

_TOPICS = {
    "orders/create": "order_placed",
    "orders/paid": "order_paid",
    "orders/cancelled": "order_cancelled",
    "customers/create": "customer_created",
    "checkouts/create": "checkout_started",
    "checkouts/delete": "checkout_abandoned",
}


def receive(call: Call) -> Answer:
    """Receive a webhook of Shopify, signed with the secret in the tenant's settings."""
    if call.params["tenant_slug"] != tenant_slug(call.database):
        raise refuse(404, "Not found.")
    _check_signature(call)
    topic = call.headers.get("x-shopify-topic", "")
    event_type = _TOPICS.get(topic)
    if event_type is None:  # an answer other than a success would make Shopify send it again
        return Answer(200, {"queued": False})
    body = read_object(call)
    user_id = _user_id(body, body if topic == "customers/create" else body.get("customer"))
    if not user_id:
        raise invalid({"email": ["Neither an email nor a customer is given."]})
    now = times.from_unix(call.now)
    with call.database.transaction() as connection:
        connection.execute(
            "INSERT INTO events (user_id, event_type, occurred_at, received_at, payload) VALUES (?, ?, ?, ?, ?)",
            (user_id, event_type, now, now, msgspec.json.encode(_payload(body)).decode()),
        )
    return Answer(202, {"queued": True}, count=1)


def _check_signature(call: Call) -> None:
    secret = setting(call.database, "shopify_webhook_secret")
    if not secret:
        raise refuse(403, "No Shopify webhook secret is configured: set shopify_webhook_secret at /api/settings/.")
    digest = base64.b64encode(hmac.new(secret.encode(), call.body, hashlib.sha256).digest())
    if not hmac.compare_digest(digest, call.headers.get("x-shopify-hmac-sha256", "").encode()):
        raise refuse(401, "The X-Shopify-Hmac-SHA256 header does not fit the body.")


def _user_id(body: dict[str, Any], customer: Any) -> str:
    """Return the e-mail address of the customer, else the customer's id."""
    known = customer if isinstance(customer, dict) else {}
    return next((str(each) for each in (body.get("email"), known.get("email"), known.get("id")) if each), "")


def _payload(body: dict[str, Any]) -> dict[str, Any]:
    items = body.get("line_items")
    payload = {
        "order_id": body.get("id"),
        "total": _amount(body.get("total_price")),
        "currency": body.get("currency"),
        "item_count": len(items) if isinstance(items, list) else None,
        "email": body.get("email"),
        "financial_status": body.get("financial_status"),
    }
    return {name: value for name, value in payload.items() if value is not None}


def _amount(text: Any) -> float | None:
    try:
        return msgspec.convert(text, float, strict=False)
    except msgspec.ValidationError:
        return None
