"""Every request gets a documented response, is stored completely or not at all, and leaves the server running."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segops.emulator import LocalSegOps
from segops.emulator.registry import ROUTES
from segops.emulator.routing import Route
from tests.emulator.api_client import Api
from tests.emulator.local_service import Clock, Service, event

SLASHES = {"/api/ai-pages/query"}


def filled(route: Route, value: str) -> str:
    path = route.path.removeprefix("/api")
    for name in ("<int:id>", "<int:segment_id>", "<int:export_id>"):
        path = path.replace(name, "1")
    while "<" in path:
        path = path[: path.index("<")] + value + path[path.index(">") + 1 :]
    return path


def writing() -> list[Route]:
    return [route for route in ROUTES if route.method in {"POST", "PUT", "PATCH"}]


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def stocked() -> Api:
    """Return a local SegOps that has one of everything, so that paths with a number lead somewhere."""
    clock = Clock()
    segops = LocalSegOps(clock=clock)
    api = Api(Service(segops, clock, segops.handle))
    api.track(event(1), event(2))
    segment = api.segment()
    api("POST", "/product-segments/", {"name": "a"})
    api("POST", "/pim/products/", {"sku": "A", "name": "a"})
    api("POST", "/schemas/", {"event_type": "e"})
    api("POST", "/activations/", {"segment": segment, "connector_type": "outbox"})
    api("POST", "/webhooks/", {"url": "http://127.0.0.1:9/", "is_active": False})
    api("POST", "/ai-reach/queries/", {"query_text": "a"})
    api("POST", "/ai-reach/competitors/", {"name": "a"})
    api("POST", "/ai-pages/pages/", {"slug": "a"})
    return api


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_every_endpoint_wants_a_credential(route: Route) -> None:
    api = Api(_service())
    status, body = api.status(route.method, filled(route, "x"), {}, auth="")
    if "anyone" in route.admits:
        assert status in {200, 400, 404}
        return
    assert (status, set(body)) == (401, {"detail"})
    for credential in (f"ApiKey {api.segops.public_key}", "ApiKey mk_test", api.service.bearer({"user_id": "u"})):
        status, body = api.status(route.method, filled(route, "x"), {}, auth=credential)
        kind = "public" if " pk_" in credential else "session" if credential.startswith("Bearer") else "mcp"
        assert status == 403 or kind in route.admits
        assert isinstance(body, dict)


def _service() -> Service:
    clock = Clock()
    segops = LocalSegOps(clock=clock)
    return Service(segops, clock, segops.handle)


BODIES = [
    b"",
    b"{",
    b"\xff",
    b"null",
    b"[]",
    b'"text"',
    b"5",
    b'{"a":1e999}',
    b"[" * 900 + b"]" * 900,
    b'{"a":' * 900 + b"1" + b"}" * 900,
    b"[" * 100_000,
    b'{"name":"\\ud800","query_text":"\\ud800","slug":"\\ud800","sku":"\\ud800"}',
]


@pytest.mark.parametrize("route", writing(), ids=name_of)
def test_a_bad_body_gets_the_documented_error(route: Route) -> None:
    api = stocked()
    for body in BODIES:
        response = api.ask(route.method, filled(route, "x"), body)
        assert response.status < 500, (body[:20], response.body)
        if response.status >= 400:
            result = json.loads(response.body)
            assert result
            assert all(isinstance(text, str) or _is_list_of_text(text) for text in result.values())
    assert api("GET", "/segments/")["count"] >= 1


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


NAMES = sorted(
    {
        *("name", "sku", "data", "products", "definition", "event_type", "properties", "payload", "events", "segment"),
        *(
            "connector_type",
            "status",
            "config",
            "url",
            "secret",
            "is_active",
            "query_text",
            "providers",
            "tags",
            "slug",
        ),
        *("query", "title", "published", "anonymous_id", "user_id", "from_user_id", "into_user_id", "fields", "format"),
        *(
            "mapping",
            "schema",
            "confirmed",
            "segment_id",
            "queries",
            "template",
            "email",
            "password",
            "refresh",
            "kind",
        ),
        *("tenant_slug", "allowed_origins", "brand_name", "occurred_at", "description", "limit", "logic", "conditions"),
    }
)

GOOD = st.sampled_from(
    [
        "order_placed",
        "A",
        "a",
        "outbox",
        "klaviyo",
        "active",
        "html",
        "public",
        "http://127.0.0.1:9/",
        "number",
        "local",
    ]
)
ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-1, max_value=2),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    GOOD,
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=3)), inner, max_size=4),
    ),
    max_leaves=12,
)
FUZZED = st.one_of(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8), VALUES)


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Api]:
    api = stocked()
    yield api
    assert api("GET", "/segments/")["count"] >= 0
    for route in ROUTES:
        if route.method == "GET":  # whatever was stored can still be read
            assert api.ask("GET", filled(route, "user-1")).status < 500


@settings(max_examples=400)
@given(route=st.sampled_from(writing()), body=FUZZED)
def test_any_json_to_any_endpoint_gets_a_response(fuzzed: Api, route: Route, body: Any) -> None:
    response = fuzzed.ask(route.method, filled(route, "x"), body)
    assert response.status < 500, response.body
    assert not response.body or json.loads(response.body) is not None


@settings(max_examples=150)
@given(
    route=st.sampled_from([route for route in ROUTES if route.method == "GET"]),
    value=st.text(min_size=1, max_size=8),
    query=st.dictionaries(
        st.sampled_from(
            ["page", "page_size", "limit", "q", "since", "event_type", "cursor", "export_id", "segment_id"]
        ),
        st.one_of(st.text(max_size=12), st.integers().map(str)),
        max_size=4,
    ),
)
def test_any_query_to_any_endpoint_gets_a_response(
    fuzzed: Api, route: Route, value: str, query: dict[str, str]
) -> None:
    text = "&".join(f"{name}={quote(each)}" for name, each in query.items())
    path = filled(route, quote(value, safe=""))
    response = fuzzed.ask("GET", f"{path}?{text}")
    assert response.status < 500, response.body


@pytest.mark.parametrize(
    "path",
    [
        "/pim/products/abc/",
        "/pim/products/-1/",
        "/pim/products/1.0/",
        "/pim/products/99999999999999999999999/",
        "/pim/products/999999999999999999/",
        "/pim/products/%31/",
        "/pim/products/1",
        "/pim/products",
        "//pim/products/",
        "/pim/../pim/products/",
        "/pim/products/../schema/",
        "/pim/products/%2e%2e/schema/",
        "/pim/products/1/%00/",
        "/explorer/users//",
        "/PIM/products/",
        "/",
    ],
)
def test_path_tricks_are_404(both: Api, path: str) -> None:
    method = "DELETE" if path == "/" else "GET"
    status, body = both.status(method, path)
    assert status in {404, 405}
    assert set(body) == {"detail"}


def test_a_wrong_method_gets_the_allowed_ones(both: Api) -> None:
    response = both.ask("PATCH", "/pim/products/")
    assert (response.status, response.headers["allow"]) == (405, "GET, POST")
    assert both.ask("GET", "/pim/products/1/").status == 404


def test_an_empty_response_has_no_length_and_the_connection_goes_on(both: Api) -> None:
    both("POST", "/schemas/", {"event_type": "e"})
    response = both.ask("DELETE", "/schemas/1/")
    assert (response.status, response.body) == (204, b"")
    assert "content-length" not in response.headers
    assert both("GET", "/schemas/")["count"] == 0


def test_a_body_above_10_mb_is_rejected(both: Api) -> None:
    body = b'{"products":[' + b" " * (10 * 1024 * 1024) + b"]}"
    assert both.status("POST", "/pim/products/bulk/", body)[0] == 413
    assert both("GET", "/pim/products/")["count"] == 0


def test_64_levels_are_enough(both: Api) -> None:
    for depth, status in ((64, 200), (65, 400)):
        inner = b"[" * (depth - 4) + b"]" * (depth - 4)
        body = b'{"products":[{"sku":"A","data":' + b'{"a":' + inner + b"}}]}"
        assert both.status("POST", "/pim/products/bulk/", body)[0] == status


def test_what_a_resource_shows_may_be_sent_back(api: Api) -> None:
    made = api("POST", "/schemas/", {"event_type": "e", "id": 50, "created_at": "x"})
    assert made["id"] == 1
    assert api("PUT", "/schemas/1/", made)["created_at"] == made["created_at"]
    schema = api("GET", "/pim/schema/")
    assert api("PUT", "/pim/schema/", schema)["fields"] == []


_OTHER = """
import json, sys
from segops.core import Request
from segops.emulator import LocalSegOps
with LocalSegOps(sys.argv[1]) as segops:
    auth = {"Authorization": f"ApiKey {segops.secret_key}"}
    for n in range(60):
        body = {"products": [{"sku": "shared", "name": "o"}, {"sku": f"other-{n}"}]}
        response = segops.handle(Request("POST", "/api/pim/products/bulk/", auth, json.dumps(body).encode()))
        assert response.status == 200, response.body
"""


def test_two_processes_share_a_database(tmp_path: Path) -> None:
    file = tmp_path / "segops.db"
    clock = Clock()
    with LocalSegOps(file, clock=clock) as segops:
        api = Api(Service(segops, clock, segops.handle))
        with subprocess.Popen([sys.executable, "-c", _OTHER, str(file)]) as other:
            for number in range(60):
                body = {"products": [{"sku": "shared", "name": "m"}, {"sku": f"mine-{number}"}]}
                assert api.status("POST", "/pim/products/bulk/", body)[0] == 200
                api("POST", "/ai-reach/simulate/", {"query_text": "a"})
            assert other.wait(200) == 0
        assert api("GET", "/pim/products/")["count"] == 121


def test_many_threads_change_one_thing(api: Api) -> None:
    made: list[int] = []

    def create(number: int) -> None:
        made.extend(api.status("POST", "/schemas/", {"event_type": f"e{number % 2}"})[0] for _ in range(20))

    threads = [threading.Thread(target=create, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [201] * 2 + [400] * 118
