"""Cases for products, schemas, activations, the escape hatch and webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from tests.compat.vendor_desk import Desk, case, fresh


@case("products.bulk_upsert")
def bulk_upsert(desk: Desk) -> None:
    old = desk.product(price=1)["sku"]
    rows = [
        {"sku": fresh("SKU"), "name": "New", "data": {"price": 120}},
        {"sku": old, "name": "Old", "data": {"price": 2}},
    ]
    done = desk.call("products.bulk_upsert", rows)
    assert done == {"created": 1, "updated": 1, "errors": []}
    for row in rows:
        ((name, data),) = desk.rows("SELECT name, data FROM products WHERE sku = ?", row["sku"])
        assert {"sku": row["sku"], "name": name, "data": json.loads(data)} == row


def upload(desk: Desk) -> tuple[dict[str, Any], str]:
    sku = fresh("CSV")
    text = f"sku,name,weight\n{sku},Lampe für Zoë,12.5\n"
    job: dict[str, Any] = desk.call("products.import_csv", {"bytes": text}, "lamps.csv")
    return job, sku


@case("products.import_csv")
def import_csv(desk: Desk) -> None:
    job, sku = upload(desk)
    assert (job["headers"], job["sample_rows"]) == (["sku", "name", "weight"], [[sku, "Lampe für Zoë", "12.5"]])
    stored = desk.stored("imports", job["job_id"])
    assert (stored["filename"], stored["status"], stored["total_rows"]) == ("lamps.csv", "mapping", 1)
    assert sku in stored["content"]
    assert desk.rows("SELECT 1 FROM products WHERE sku = ?", sku) == []


@case("products.import_status")
def import_status(desk: Desk) -> None:
    job, _ = upload(desk)
    assert desk.call("products.import_status", job["job_id"])["status"] == "mapping"
    assert desk.stored("imports", job["job_id"])["status"] == "mapping"


@case("products.confirm_import")
def confirm_import(desk: Desk) -> None:
    job, sku = upload(desk)
    done = desk.call("products.confirm_import", job["job_id"], {"confirmed": True})
    assert (done["status"], done["created"]) == ("done", 1)
    ((name, data, source),) = desk.rows("SELECT name, data, source FROM products WHERE sku = ?", sku)
    assert (name, json.loads(data), source) == ("Lampe für Zoë", {"weight": 12.5}, "csv")


@case("products.score")
def score(desk: Desk) -> None:
    product = desk.product(price=1, description="A lamp of brass. It is 20 cm high.")
    desk.call("products.score", product["id"])
    (stored,) = desk.column("SELECT score FROM product_scores WHERE product_id = ?", product["id"])
    assert desk.call("http.request", "GET", f"/pim/products/{product['id']}/score/")["score"] == stored > 0
    assert desk.stored("products", product["id"])["ai_readability_score"] == stored


@case("products.score_all")
def score_all(desk: Desk) -> None:
    desk.product(price=1)
    done = desk.call("products.score_all")
    assert [done["product_count"]] == desk.column(
        "SELECT count(*) FROM products WHERE ai_readability_score IS NOT NULL"
    )
    assert desk.rows("SELECT 1 FROM products WHERE ai_readability_score IS NULL") == []


@case("products.facets")
def facets(desk: Desk) -> None:
    desk.product(shade="pale", tags=["b", "a"])
    found = desk.call("products.facets")
    shades = desk.column(
        "SELECT DISTINCT json_extract(data, '$.shade') FROM products WHERE data LIKE '%shade%' ORDER BY 1"
    )
    assert found["shade"] == shades == ["pale"]


@case("products.schema")
def schema(desk: Desk) -> None:
    fields = [{"name": "price", "type": "price", "required": True, "description": ""}]
    desk.api("PUT", "/api/pim/schema/", {"fields": fields, "default_currency": "EUR", "default_locale": "de"})
    found = desk.call("products.schema")
    assert (found["fields"], found["default_currency"]) == (fields, "EUR")
    assert [json.loads(text) for text in desk.column("SELECT fields FROM product_schema")] == [fields]


@case("schemas.infer")
def infer(desk: Desk) -> None:
    before = desk.rows("SELECT count(*) FROM event_schemas")
    events = [
        {"user_id": "u", "event_type": "sold", "payload": payload}
        for payload in ({"total": 1}, {"total": 2.5, "by": "x"})
    ]
    found = desk.call("schemas.infer", events)
    assert found["event_type"] == "sold"
    assert {name: (each["type"], each["required"]) for name, each in found["properties"].items()} == {
        "total": ("number", True),
        "by": ("string", False),
    }
    assert desk.rows("SELECT count(*) FROM event_schemas") == before


@case("schemas.validate")
def validate(desk: Desk) -> None:
    event_type = fresh("sold")
    properties = {"total": {"type": "number", "required": True}}
    made = desk.api("POST", "/api/schemas/", {"event_type": event_type, "properties": properties})
    assert desk.call("schemas.validate", event_type, {"total": 1})["valid"] is True
    refused = desk.call("schemas.validate", event_type, {"total": "1"})
    assert (refused["valid"], len(refused["errors"])) == (False, 1)
    assert desk.stored("event_schemas", made["id"])["event_type"] == event_type
    assert desk.rows("SELECT 1 FROM events WHERE event_type = ?", event_type) == []


@case("activations.sync")
def sync(desk: Desk) -> None:
    segment = desk.segment(event_type := fresh("looked"), "u-1", "u-2")
    made = desk.api("POST", "/api/activations/", {"segment": segment, "connector_type": "outbox"})
    desk.call("activations.sync", made["id"])
    sent = "SELECT action, user_id FROM outbox WHERE activation_id = ? ORDER BY id"
    assert desk.rows(sent, made["id"]) == [("add", "u-1"), ("add", "u-2")]
    desk.track("u-3", event_type)
    desk.api("POST", f"/api/segments/{segment}/compute/")
    desk.call("activations.sync", made["id"])
    assert desk.rows(sent, made["id"])[2:] == [("add", "u-3")]
    assert desk.stored("activations", made["id"])["last_synced_at"]


@case("http.request")
def request(desk: Desk) -> None:
    name = fresh("Lumen")
    made = desk.call("http.request", "POST", "/ai-reach/competitors/", body={"name": name}, idempotent=True)
    assert desk.stored("competitors", made["id"])["name"] == name
    ours = desk.call("http.request", "GET", "/ai-reach/competitors/", query={"page_size": 1, "page": None})
    assert [ours["count"]] == desk.column("SELECT count(*) FROM competitors")


@case("http.paginate")
def paginate(desk: Desk) -> None:
    for _ in range(3):
        desk.product(price=1)
    found = desk.call("http.paginate", "/pim/products/", {"page_size": 2})
    assert sorted(each["id"] for each in found) == desk.column("SELECT id FROM products ORDER BY id")
    desk.segment(fresh("looked"))
    bare = desk.call("http.paginate", "/analytics/segments/")
    assert sorted(each["id"] for each in bare) == desk.column("SELECT id FROM segments WHERE is_active ORDER BY id")


@case("webhook.verify_webhook")
def verify_webhook(desk: Desk) -> None:
    """What is delivered is verified in a test of its own; this is the function by itself."""
    body = '{"name":"café"}'
    signed = "sha256=" + hmac.new(b"whsec_x", body.encode(), hashlib.sha256).hexdigest()
    given = [(body, signed), ({"bytes": body}, signed), (body + " ", signed), (body, None), (body, "")]
    assert [desk.call("webhook.verify_webhook", *each, "whsec_x") for each in given] == [
        True,
        True,
        False,
        False,
        False,
    ]
