"""Every public method of the vendor's `segops` and `segops-admin` 0.2.2 works with `segops dev`.

Each call is made by a process of its own; what it did is looked up in the database file.
"""

from __future__ import annotations

import json

import pytest

from segops.emulator import LocalSegOps, LocalServer
from tests.compat import (
    vendor_cases_ai,
    vendor_cases_client,
    vendor_cases_crud,
    vendor_cases_resources,
    vendor_cases_segments,
)
from tests.compat.programs import Program, run
from tests.compat.vendor_desk import CASES, Desk, DevService, did, fresh
from tests.rig.waiting import wait_until
from tests.rig.webhook_receiver import WebhookReceiver

assert {
    vendor_cases_ai,
    vendor_cases_client,
    vendor_cases_crud,
    vendor_cases_resources,
    vendor_cases_segments,
}  # they fill CASES

CREATED = ("segments", "product_segments", "products", "schemas", "activations", "queries", "pages")
# The calls with which the vendor sends an Idempotency-Key.
KEYED = {
    *(f"{space}.create" for space in CREATED),
    *("segments.recompute", "segments.export", "product_segments.recompute", "products.bulk_upsert", "products.score"),
    *("products.score_all", "activations.sync", "identity.alias", "identity.merge", "queries.run"),
    *("pages.bulk_generate", "pages.regenerate", "pages.publish", "pages.export"),
}


@pytest.fixture
def desk(dev: DevService, vendor: Program) -> Desk:
    return Desk(dev, vendor)


@pytest.fixture(scope="session")
def methods(vendor: Program) -> dict[str, list[str]]:
    found: dict[str, list[str]] = run(vendor, "vendor_methods.py")
    return found


@pytest.mark.parametrize("package", CASES)
def test_no_method_is_forgotten(methods: dict[str, list[str]], package: str) -> None:
    assert sorted(CASES[package]) == sorted(methods[package])
    assert len(methods[package]) > 6


@pytest.mark.parametrize("name", sorted(CASES["segops_admin"]))
def test_a_method_of_the_admin_client(desk: Desk, name: str) -> None:
    CASES["segops_admin"][name](desk)
    keys = [request["idempotency_key"] for request in desk.asked[name]]
    if name != "http.request":  # which may or may not, as its caller likes
        assert [key is not None for key in keys] == [name in KEYED] * len(keys)


@pytest.mark.parametrize("name", sorted(CASES["segops"]))
def test_a_method_of_the_ingestion_client(dev: DevService, vendor: Program, name: str) -> None:
    desk = Desk(dev, vendor, "segops")
    CASES["segops"][name](desk)
    assert name in desk.asked


def test_refusals_are_errors_with_a_status_and_a_body(desk: Desk) -> None:
    missing = desk.fail("segments.get", 999_999)
    assert (missing["type"], missing["status"], missing["body"]) == ("SegOpsApiError", 404, {"detail": "Not found."})
    invalid = desk.fail("segments.create", {"definition": did("x")})
    assert (invalid["type"], invalid["status"]) == ("SegOpsApiError", 400)
    assert list(invalid["body"]) == ["name"]
    refused = desk.calls(("analytics.overview", (), {}), api_key="sk_of_nobody")[0]["error"]
    assert (refused["status"], list(refused["body"])) == (401, ["detail"])


def test_a_busy_server_is_asked_again_with_the_same_key(desk: Desk) -> None:
    name = fresh("Patient")
    desk.api("POST", "/_dev/faults", {"faults": ["POST /api/segments/ 503"]})
    made = desk.call("segments.create", {"name": name, "definition": did("x")})
    assert desk.column("SELECT id FROM segments WHERE name = ?", name) == [made["id"]]
    first, second = desk.asked["segments.create"]
    assert (first["status"], second["status"]) == (503, 201)
    assert first["idempotency_key"] == second["idempotency_key"] is not None


def test_who_may_not_retry_is_told_of_the_fault(desk: Desk) -> None:
    desk.api("POST", "/_dev/faults", {"faults": ["GET /api/analytics/usage/ 503"]})
    (outcome,) = desk.calls(("analytics.usage", (), {}), max_retries=0)
    assert (outcome["error"]["type"], outcome["error"]["status"]) == ("SegOpsApiError", 503)


@pytest.mark.parametrize("space", ["queries", "pages"])
def test_bare_lists_are_iterated_too(vendor: Program, space: str) -> None:
    local = LocalSegOps(bare_lists=True)
    with LocalServer(local) as server:
        create = {"queries": [{"query_text": text} for text in "abc"], "pages": [{"slug": text} for text in "abc"]}
        asked = {
            "package": "segops_admin",
            "make": "SegOpsAdmin",
            "options": {"api_key": local.secret_key, "base_url": f"{server.url}/api"},
            "calls": [*([f"{space}.create", [body], {}] for body in create[space]), [f"{space}.iterate", [], {}]],
        }
        *made, found = run(vendor, "vendor_call.py", given=json.dumps(asked))
    assert sorted(row["id"] for row in found["result"]) == [each["result"]["id"] for each in made]
    assert len(made) == 3


def test_a_delivered_webhook_is_verified(desk: Desk) -> None:
    secret, name = "whsec_zoë", fresh("Café")
    segment = desk.segment(fresh("looked"), "u-1")
    desk.api("PATCH", f"/api/segments/{segment}/", {"name": name})
    with WebhookReceiver() as server:
        hook = desk.api("POST", "/api/webhooks/", {"url": server.url, "secret": secret})
        desk.call("segments.recompute", segment)
        assert wait_until(lambda: server.received)
        desk.api("DELETE", f"/api/webhooks/{hook['id']}/")
    ((data, signature),) = server.received
    assert signature is not None
    body = data.decode()
    reported = json.loads(body)
    assert (reported["event"], reported["segment_name"], reported["member_count"]) == ("segment.recomputed", name, 1)
    given = [(body, signature), (body.replace("1", "2"), signature), (body, signature[:-1])]
    assert [desk.call("webhook.verify_webhook", *each, secret) for each in given] == [True, False, False]
