"""The login, the keys, the settings, Shopify, and the list of endpoints."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from segops.emulator.resources.login import ACCESS_SECONDS, REFRESH_SECONDS
from tests.emulator.api_client import Api
from tests.emulator.local_service import event


def login(api: Api) -> dict[str, str]:
    user = api.segops.login
    tokens: dict[str, str] = api("POST", "/auth/token/", {"email": user.email, "password": user.password}, auth="")
    return tokens


def bearer(api: Api) -> str:
    return f"Bearer {login(api)['access']}"


def test_a_login_reads_what_a_key_reads_for_an_hour(both: Api) -> None:
    tokens = login(both)
    access = f"Bearer {tokens['access']}"
    assert both("GET", "/segments/", auth=access)["count"] == 0
    assert both.service.track(event(), access)[0] == 403
    assert both.service.session({}, "sk_x")[0] == 401
    assert both.status("POST", "/auth/session/", {}, auth=access)[0] == 403
    both.clock.now += ACCESS_SECONDS
    assert both.status("GET", "/segments/", auth=access)[0] == 401
    renewed = both("POST", "/auth/token/refresh/", {"refresh": tokens["refresh"]}, auth="")
    assert both("GET", "/segments/", auth=f"Bearer {renewed['access']}")["count"] == 0
    both.clock.now += REFRESH_SECONDS - ACCESS_SECONDS
    assert both.status("POST", "/auth/token/refresh/", {"refresh": tokens["refresh"]}, auth="")[0] == 401


def test_a_wrong_login_is_rejected(both: Api) -> None:
    user = both.segops.login
    wrong = [("x", user.password), (user.email, "x"), (user.email, "\u00e9\ud7ff")]
    for email, password in wrong:
        assert both.status("POST", "/auth/token/", {"email": email, "password": password}, auth="")[0] == 401
    assert set(both.status("POST", "/auth/token/", {}, auth="")[1]) == {"email", "password"}
    tokens = login(both)
    for token in (tokens["access"], "x.y.z", ""):
        assert both.status("POST", "/auth/token/refresh/", {"refresh": token}, auth="")[0] == 401
    assert both.status("GET", "/segments/", auth=f"Bearer {tokens['refresh']}")[0] == 401
    assert user.password not in repr(user)


def test_keys_are_made_and_revoked(both: Api) -> None:
    access = bearer(both)
    made = both("POST", "/auth/api-keys/", {"name": "Server", "tenant_slug": "local"}, auth=access)
    assert (set(made), made["name"], made["key"][:3]) == ({"id", "name", "key", "kind"}, "Server", "sk_")
    assert both.service.track(event(), f"ApiKey {made['key']}")[0] == 202
    assert both.status("DELETE", f"/auth/api-keys/{made['id']}/", auth=access) == (204, None)
    assert both.service.track(event(), f"ApiKey {made['key']}")[0] == 401
    assert both.status("DELETE", f"/auth/api-keys/{made['id']}/", auth=access)[0] == 404
    for path in ("/auth/api-keys/", "/auth/api-keys/1/"):
        assert both.status("POST" if path.endswith("ys/") else "DELETE", path, {"name": "x"})[0] == 403


def test_public_keys_have_options(both: Api) -> None:
    access = bearer(both)
    options = {"kind": "public", "allowed_origins": ["https://*.example.org"], "require_signed_user_id": True}
    made = both("POST", "/auth/api-keys/", {"name": "Shop", **options}, auth=access)
    assert (made["key"][:3], made["allowed_origins"]) == ("pk_", ["https://*.example.org"])
    assert len(bytes.fromhex(made["hmac_secret"])) == 32
    assert both.service.session({}, made["key"])[0] == 403
    assert both.service.session({}, made["key"], Origin="https://a.example.org")[0] == 200
    assert both.service.session({"user_id": "u"}, made["key"], Origin="https://a.example.org")[0] == 403
    for bad, field in (
        ({"name": ""}, "name"),
        ({"name": "x", "tenant_slug": "other"}, "tenant_slug"),
        ({"name": "x", "kind": "mcp"}, "kind"),
        ({"name": "x", "kind": "public", "allowed_origins": ["*"]}, "allowed_origins"),
    ):
        status, errors = both.status("POST", "/auth/api-keys/", bad, auth=access)
        assert (status, set(errors)) == (400, {field})


def test_settings(both: Api) -> None:
    assert both("GET", "/settings/") == {
        "tenant_slug": "local",
        "brand_name": "Your brand",
        "shopify_webhook_secret": "",
    }
    changed = both("PUT", "/settings/", {"tenant_slug": "demo", "shopify_webhook_secret": "s"})
    assert changed == {"tenant_slug": "demo", "brand_name": "Your brand", "shopify_webhook_secret": "***"}
    both("PATCH", "/settings/", {"shopify_webhook_secret": "***"})
    assert both("GET", "/settings/")["shopify_webhook_secret"] == "***"
    assert shopify(both, "orders/create", ORDER, slug="demo")[0] == 202
    assert both.status("PUT", "/settings/", {"tenant_slug": "A b"})[0] == 400


ORDER: dict[str, Any] = {
    "id": 820,
    "email": "jo@example.org",
    "total_price": "403.50",
    "currency": "USD",
    "line_items": [{}, {}],
    "financial_status": "paid",
    "customer": {"id": 7},
}


def shopify(api: Api, topic: str, body: object, secret: str = "s", slug: str = "local") -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    digest = base64.b64encode(hmac.new(secret.encode(), data, hashlib.sha256).digest()).decode()
    headers = {"X_Shopify_Hmac_SHA256": digest, "X_Shopify_Topic": topic}
    return api.status("POST", f"/ingestion/shopify/{slug}/", data, auth="", **headers)


@pytest.mark.parametrize(
    ("topic", "event_type"),
    [
        ("orders/create", "order_placed"),
        ("orders/paid", "order_paid"),
        ("orders/cancelled", "order_cancelled"),
        ("customers/create", "customer_created"),
        ("checkouts/create", "checkout_started"),
        ("checkouts/delete", "checkout_abandoned"),
    ],
)
def test_shopify_topics_become_events(both: Api, topic: str, event_type: str) -> None:
    both("PUT", "/settings/", {"shopify_webhook_secret": "s"})
    assert shopify(both, topic, ORDER) == (202, {"queued": True})
    (stored,) = both.segops.events()
    assert (stored.user_id, stored.event_type) == ("jo@example.org", event_type)
    assert stored.payload == {
        "order_id": 820,
        "total": 403.5,
        "currency": "USD",
        "item_count": 2,
        "email": "jo@example.org",
        "financial_status": "paid",
    }


def test_shopify_must_sign(both: Api) -> None:
    assert shopify(both, "orders/create", ORDER)[0] == 403
    both("PUT", "/settings/", {"shopify_webhook_secret": "s"})
    assert shopify(both, "orders/create", ORDER, secret="other")[0] == 401
    assert shopify(both, "orders/create", ORDER, slug="other")[0] == 404
    assert shopify(both, "orders/create", b"{")[0] == 400
    assert shopify(both, "orders/create", [])[0] == 400
    assert shopify(both, "orders/create", {"id": 5, "customer": "x"})[0] == 400
    assert shopify(both, "themes/update", ORDER) == (200, {"queued": False})
    assert list(both.segops.events()) == []


@pytest.mark.parametrize(
    ("topic", "body", "user_id"),
    [
        ("orders/create", {"id": 1, "customer": {"id": 7}, "total_price": "x", "line_items": 5}, "7"),
        ("orders/create", {"id": 1, "customer": {"id": 7, "email": "a@b.c"}}, "a@b.c"),
        ("customers/create", {"id": 9}, "9"),
    ],
)
def test_shopify_users(api: Api, topic: str, body: object, user_id: str) -> None:
    api("PUT", "/settings/", {"shopify_webhook_secret": "s"})
    assert shopify(api, topic, body)[0] == 202
    (stored,) = api.segops.events()
    assert stored.user_id == user_id
    assert "total" not in stored.payload


def test_the_list_of_endpoints_is_the_table(both: Api) -> None:
    listed = both("GET", "/", auth="")["endpoints"]
    assert {"POST /api/ingestion/track/", "GET /api/ai-pages/query"} <= {f"{e['method']} {e['path']}" for e in listed}
    assert all(each["does"] and each["callers"] for each in listed)
    response = both.ask("GET", "/", auth="", Accept="text/html,*/*")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "/api/explorer/users/&lt;uid&gt;/" in response.body.decode()
