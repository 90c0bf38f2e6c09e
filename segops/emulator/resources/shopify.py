"""Shopify: turn webhooks of a shop into events."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import msgspec

from segops.emulator import times
from segops.emulator.bodies import read_object
from segops.emulator.resources.tenant import setting, tenant_slug
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import ANYONE, RequestContext, Route

_TOPICS = {
    "orders/create": "order_placed",
    "orders/paid": "order_paid",
    "orders/cancelled": "order_cancelled",
    "customers/create": "customer_created",
    "checkouts/create": "checkout_started",
    "checkouts/delete": "checkout_abandoned",
}


def receive(request: RequestContext) -> ApiResponse:
    """Receive a Shopify webhook, signed with the secret in the settings of the tenant."""
    if request.params["tenant_slug"] != tenant_slug(request.database):
        raise HTTPError(404)
    _check_signature(request)
    topic = request.headers.get("x-shopify-topic", "")
    event_type = _TOPICS.get(topic)
    if event_type is None:  # Shopify would retry anything but a success
        return ApiResponse(200, {"queued": False})
    body = read_object(request)
    user_id = _user_id(body, body if topic == "customers/create" else body.get("customer"))
    if not user_id:
        raise HTTPError(400, {"email": ["An email or a customer is required."]})
    now = times.from_unix(request.now)
    with request.database.transaction() as connection:
        connection.execute(
            "INSERT INTO events (user_id, event_type, occurred_at, received_at, payload) VALUES (?, ?, ?, ?, ?)",
            (user_id, event_type, now, now, msgspec.json.encode(_payload(body)).decode()),
        )
    return ApiResponse(202, {"queued": True}, count=1)


def _check_signature(request: RequestContext) -> None:
    secret = setting(request.database, "shopify_webhook_secret")
    if not secret:
        raise HTTPError(403, "No Shopify webhook secret is configured: set shopify_webhook_secret at /api/settings/.")
    digest = base64.b64encode(hmac.new(secret.encode(), request.body, hashlib.sha256).digest())
    if not hmac.compare_digest(digest, request.headers.get("x-shopify-hmac-sha256", "").encode()):
        raise HTTPError(401, "The X-Shopify-Hmac-SHA256 header does not match the body.")


def _user_id(body: dict[str, Any], customer: Any) -> str:
    """Return the email address of the customer, or else the customer's id."""
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


TABLES = ()
ROUTES = (Route("POST", "/api/ingestion/shopify/<tenant_slug>/", ANYONE, receive, None),)
