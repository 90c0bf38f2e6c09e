"""Undocumented names are rejected by name, and never silently ignored."""

from __future__ import annotations

from typing import Any

import pytest

from segops.core import BATCH_PATH, SINGLE_PATH
from segops.emulator.registry import ROUTES
from segops.emulator.routing import Route
from tests.emulator.api_client import Api, multipart
from tests.emulator.local_service import event
from tests.emulator.resources.test_robustness import filled, name_of, stocked

FREE_BODIES = {"/api/ingestion/shopify/<tenant_slug>/", "/api/pim/import/csv/"}
"""Shopify's own format, and files."""

STRICT = [route for route in ROUTES if route.query is not None]
WRITING = [route for route in ROUTES if route.method in {"POST", "PUT", "PATCH"} and route.path not in FREE_BODIES]


def credential(api: Api, route: Route) -> str:
    if "user" in route.admits and "secret" not in route.admits:
        login = {"email": api.segops.login.email, "password": api.segops.login.password}
        return f"Bearer {api('POST', '/auth/token/', login)['access']}"
    return f"ApiKey {api.segops.public_key if 'public' in route.admits else api.segops.secret_key}"


@pytest.mark.parametrize("route", STRICT, ids=name_of)
def test_an_unknown_parameter_is_named(route: Route) -> None:
    api = stocked()
    path = filled(route, "user-1")
    status, body = api.status(route.method, f"{path}?ghost=1", {}, credential(api, route))
    assert (status, list(body)) == (400, ["ghost"])
    if route.query:
        assert all(known in body["ghost"][0] for known in route.query)


@pytest.mark.parametrize("route", WRITING, ids=name_of)
def test_an_unknown_field_is_named(route: Route) -> None:
    api = stocked()
    before = api.segops.summary()
    status, body = api.status(route.method, filled(route, "user-1"), {"ghost": 1}, credential(api, route))
    if route.path == "/api/pim/import/<int:id>/confirm/":
        assert status == 404, "the import does not exist"
        return
    assert status == 400, body
    assert "ghost" in body
    assert api.segops.summary() == before


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("properties", "payload"),
        ("timestamp", "occurred_at"),
        ("userId", "user_id"),
        ("eventType", "event_type"),
        ("anonymousId", "anonymous_id"),
        ("occured_at", "occurred_at"),
        ("messageId", None),
    ],
)
def test_an_event_with_an_unknown_field_is_rejected_by_name(both: Api, given: str, meant: str | None) -> None:
    bad = event(1, **{given: "x"})
    status, errors = both.service.track(bad)
    assert (status, list(errors)) == (400, [given])
    assert meant is None or repr(meant) in errors[given][0]
    assert both.service.batch([event(2), bad, event(3)]) == (202, {"queued": 2, "skipped": 1})
    (skip, *_) = both.segops.inspection.rejected(1)
    assert given in skip.reason
    assert both("POST", "/explorer/sandbox/publish/", event(4))["published"]
    assert both.status("POST", "/explorer/sandbox/publish/", bad)[0] == 400
    assert [stored.user_id for stored in both.segops.events()] == ["user-2", "user-3"]


def test_a_batch_has_events_only(both: Api) -> None:
    body = {"events": [event()], "sent_at": "2026-01-01T00:00:00Z"}
    assert both.service.post(BATCH_PATH, body) == (400, {"sent_at": ["Unknown field: known are events."]})
    assert both.service.post(BATCH_PATH, event())[0] == 400
    assert list(both.segops.events()) == []


def test_what_is_data_is_taken_whatever_its_names(both: Api) -> None:
    assert both.service.post(SINGLE_PATH, event(1, payload={"properties": 1, "ghost": {"a": []}}))[0] == 202
    rows = [{"sku": "A", "colour": "red", "data": {"ghost": 1}}]
    assert both("POST", "/pim/products/bulk/", {"products": rows})["created"] == 1
    body, kind = multipart(b"sku,ghost\nB,x\n")
    job = both("POST", "/pim/import/csv/", body, content_type=kind)
    assert both("POST", f"/pim/import/{job['job_id']}/confirm/", {"confirmed": True})["created"] == 1
    assert both("GET", "/pim/products/?ghost=x")["count"] == 1
    assert both.status("POST", "/pim/import/1/confirm/", {"confirmed": True, "ghost": 1})[1].keys() == {"ghost"}


@pytest.mark.parametrize(
    "condition",
    [
        {"type": "event_count", "event_type": "a", "operator": "gte", "value": 1, "window_day": 30},
        {"type": "recency", "event_type": "a", "operator": "gt", "window_days": 3, "ghost": 1},
        {"type": "monetary", "operator": "gte", "value": 1, "currency": "EUR"},
        {"type": "event_property", "event_type": "a", "property": "p", "operator": "is_set", "metric": "sum"},
        {"type": "user_property", "property": "p", "operator": "is_set", "event_type": "a"},
        {"type": "event_sequence", "events": ["a"], "window_days": 1, "stric": True},
        {"type": "segment_membership", "segment_id": 1, "operator": "in", "ghost": 1},
        {"logic": "OR", "conditions": [], "ghost": 1},
    ],
    ids=lambda condition: condition.get("type", "group"),
)
def test_an_unknown_field_of_a_condition_is_named(condition: dict[str, Any]) -> None:
    api = stocked()
    unknown = list(condition)[-1]
    for definition in ({"logic": "AND", "conditions": [condition]}, {"logic": "AND", "conditions": [], unknown: 1}):
        for path, body in (("/segments/preview/", {}), ("/segments/", {"name": "x"})):
            status, errors = api.status("POST", path, {**body, "definition": definition})
            assert (status, list(errors)) == (400, ["definition"])
            assert f"`{unknown}`" in errors["definition"][0]


def test_unknown_fields_further_in_are_named(api: Api) -> None:
    segment = api("POST", "/segments/", {"name": "x", "tenant": 1})["id"]
    for path, body, field in (
        (
            "/activations/",
            {"segment": segment, "connector_type": "klaviyo", "config": {"list_id": "a", "api_key": "b", "ghost": 1}},
            "config",
        ),
        ("/schemas/", {"event_type": "e", "properties": {"p": {"type": "string", "ghost": 1}}}, "properties"),
        ("/schemas/infer/", {"events": [{"event_type": "e", "ghost": 1}]}, "events"),
        (
            "/product-segments/",
            {
                "name": "x",
                "definition": {
                    "logic": "AND",
                    "conditions": [{"type": "product_attribute", "property": "p", "operator": "is_set", "ghost": 1}],
                },
            },
            "definition",
        ),
    ):
        status, errors = api.status("POST", path, body)
        assert (status, list(errors)) == (400, [field]), path
        assert "ghost" in str(errors)
    status, errors = api.status("PUT", "/pim/schema/", {"fields": [{"name": "x", "requird": True}]})
    assert (status, "requird" in str(errors)) == (400, True)


def test_the_query_of_a_public_page_is_anybody_s(api: Api) -> None:
    page = api("POST", "/ai-pages/pages/", {"slug": "a", "published": True})
    assert api("GET", f"/ai-pages/public/pages/local/{page['slug']}/?utm_source=chatgpt.com", auth="")["slug"] == "a"


def test_a_filter_by_what_does_not_exist_is_named(api: Api) -> None:
    assert api("GET", "/ai-reach/win-rate/?provider=chatgpt") == []
    assert "chatgpt" in str(api.status("GET", "/ai-reach/win-rate/?provider=chatgtp"))
