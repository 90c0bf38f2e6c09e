"""Every declared method over HTTP, and what is generated from the declarations."""

from __future__ import annotations

import inspect
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from segops import SegOpsAdmin, SegOpsNotFoundError
from segops.admin import SegOpsAdmin as Admin
from segops.emulator import LocalSegOps, LocalServer
from segops.emulator.registry import ROUTES
from segops.plugins.admin import Crud, Method, documented_fields, load_resources, methods_of
from tools.admin_codegen import FOLDER, REFERENCE, REGISTRY, STUB, main, make_reference, make_registry, make_stub

ROOT = Path(__file__).parents[2]
METHODS = {f"{method.namespace}.{method.name}": method for method in methods_of(load_resources())}
CALLED = [name for name, method in METHODS.items() if method.is_listed]

EVENT = {"user_id": "u-1", "event_type": "order_placed", "payload": {"total": 300}}
DEFINITION = {"logic": "AND", "conditions": [{"type": "monetary", "operator": "gte", "value": 200}]}

NEW: dict[str, dict[str, Any]] = {
    "segments": {"name": "New", "definition": DEFINITION},
    "product_segments": {"name": "New"},
    "products": {"sku": "N-1", "name": "New"},
    "schemas": {"event_type": "new_type", "properties": {}},
    "activations": {"segment": 1, "connector_type": "klaviyo", "config": {"list_id": "L", "api_key": "k"}},
    "queries": {"query_text": "new question"},
    "pages": {"slug": "new", "title": "New"},
    "competitors": {"name": "New"},
    "users": {"user_id": "new"},
    "analytics": {},
}
CHANGE: dict[str, dict[str, Any]] = {
    "products": {"name": "Changed"},
    "schemas": {"properties": {"a": {"type": "string"}}},
    "activations": {"status": "active"},
    "queries": {"category": "shoes"},
    "pages": {"title": "Changed"},
    "users": {"properties": {}},
    "analytics": {},
}

CALLS: dict[str, Callable[[SegOpsAdmin], Any]] = {
    "segments.preview": lambda admin: admin.segments.preview(DEFINITION, limit=1),
    "segments.estimate": lambda admin: admin.segments.estimate(1),
    "segments.versions": lambda admin: admin.segments.versions(1),
    "segments.recompute": lambda admin: admin.segments.recompute(1),
    "segments.recompute_and_wait": lambda admin: admin.segments.recompute_and_wait(1),
    "segments.members": lambda admin: admin.segments.members(1),
    "segments.iterate_members": lambda admin: list(admin.segments.iterate_members(1)),
    "segments.membership": lambda admin: admin.segments.membership("u-1"),
    "segments.export": lambda admin: admin.segments.export(1),
    "segments.export_status": lambda admin: admin.segments.export_status(1, 1),
    "segments.wait_for_export": lambda admin: admin.segments.wait_for_export(1, 1),
    "segments.download_export": lambda admin: admin.segments.download_export(1, io.BytesIO()),
    "segments.export_to": lambda admin: admin.segments.export_to(1, io.BytesIO()),
    "product_segments.recompute": lambda admin: admin.product_segments.recompute(1),
    "product_segments.recompute_and_wait": lambda admin: admin.product_segments.recompute_and_wait(1),
    "products.bulk_upsert": lambda admin: admin.products.bulk_upsert([{"sku": "B"}]),
    "products.score": lambda admin: admin.products.score(1),
    "products.get_score": lambda admin: admin.products.get_score(1),
    "products.score_all": lambda admin: admin.products.score_all(),
    "products.facets": lambda admin: admin.products.facets(),
    "products.schema": lambda admin: admin.products.schema(),
    "products.update_schema": lambda admin: admin.products.update_schema(fields=[], default_currency="EUR"),
    "products.import_csv": lambda admin: admin.products.import_csv(b"sku,name\nI,x\n"),
    "products.import_status": lambda admin: admin.products.import_status(1),
    "products.confirm_import": lambda admin: admin.products.confirm_import(1, confirmed=True),
    "products.import_and_wait": lambda admin: admin.products.import_and_wait(b"sku,name\nI,x\n"),
    "schemas.infer": lambda admin: admin.schemas.infer([EVENT]),
    "schemas.validate": lambda admin: admin.schemas.validate("order_placed", {"total": 1}),
    "activations.sync": lambda admin: admin.activations.sync(1),
    "users.list": lambda admin: admin.users.list(),
    "users.iterate": lambda admin: list(admin.users.iterate()),
    "users.get": lambda admin: admin.users.get("u-1"),
    "users.search": lambda admin: admin.users.search(q="u"),
    "users.events": lambda admin: admin.users.events("u-1", since="2020-01-01T00:00:00Z"),
    "users.segments": lambda admin: admin.users.segments("u-1"),
    "users.explain": lambda admin: admin.users.explain("u-1", 1),
    "users.publish_sandbox": lambda admin: admin.users.publish_sandbox(EVENT),
    "queries.run": lambda admin: admin.queries.run(1),
    "queries.results": lambda admin: admin.queries.results(1),
    "queries.simulate": lambda admin: admin.queries.simulate(query_text="shoes?"),
    "queries.dashboard": lambda admin: admin.queries.dashboard(),
    "queries.win_rate": lambda admin: admin.queries.win_rate(provider="grok"),
    "pages.bulk_generate": lambda admin: admin.pages.bulk_generate(),
    "pages.regenerate": lambda admin: admin.pages.regenerate(1),
    "pages.build": lambda admin: admin.pages.build(1, template="default"),
    "pages.publish": lambda admin: admin.pages.publish(1),
    "pages.export": lambda admin: admin.pages.export(1, format="tsx"),
    "pages.export_status": lambda admin: admin.pages.export_status(1, 1),
    "pages.wait_for_export": lambda admin: admin.pages.wait_for_export(1, 1),
    "pages.download_export": lambda admin: admin.pages.download_export(1, io.BytesIO()),
    "pages.export_to": lambda admin: admin.pages.export_to(1, io.BytesIO()),
    "pages.query": lambda admin: admin.pages.query("shoes", limit=5),
    "analytics.overview": lambda admin: admin.analytics.overview(),
    "analytics.usage": lambda admin: admin.analytics.usage(),
    "analytics.segments": lambda admin: admin.analytics.segments(),
    "analytics.overlap": lambda admin: admin.analytics.overlap(),
    "analytics.activations": lambda admin: admin.analytics.activations(),
    "identity.alias": lambda admin: admin.identity.alias("visitor", "u-1"),
    "identity.merge": lambda admin: admin.identity.merge("u-2", "u-1"),
}

BODIES: dict[str, Callable[[Crud[Any], str], Any]] = {
    "list": lambda resource, _: resource.list(page_size=1),
    "iterate": lambda resource, _: list(resource.iterate()),
    "get": lambda resource, _: resource.get(1),
    "create": lambda resource, namespace: resource.create(NEW.get(namespace, {"name": "New"})),
    "update": lambda resource, namespace: resource.update(1, CHANGE.get(namespace, {"name": "Changed"})),
    "delete": lambda resource, _: resource.delete(1),
}

NOT_WRAPPED = {
    ("GET", "/api/"),  # a list of endpoints, the local SegOps's own
    ("GET", "/api/settings/"),  # likewise
    ("PUT", "/api/settings/"),
    ("PATCH", "/api/settings/"),
    ("GET", "/api/segments/<int:id>/history/"),  # likewise
    ("GET", "/api/product-segments/<int:id>/members/"),  # likewise
    ("GET", "/api/activations/<int:id>/logs/"),  # likewise
    ("GET", "/api/activations/<int:id>/outbox/"),  # likewise
    ("GET", "/api/ai-pages/public/pages/<tenant_slug>/<page_slug>/"),  # read by the public, without a key
}


def call(admin: SegOpsAdmin, name: str) -> Any:
    namespace, _, method = name.partition(".")
    if name in CALLS:
        return CALLS[name](admin)
    return BODIES[method](getattr(admin, namespace), namespace)


@pytest.fixture
def furnished(local: LocalSegOps) -> Iterator[SegOpsAdmin]:
    """One of everything, each with the number 1."""
    with LocalServer(local) as server, SegOpsAdmin(local.secret_key, base_url=server.url) as admin:
        admin.http.request("POST", "/ingestion/track/", body=EVENT)
        for namespace, body in NEW.items():
            if load_resources()[namespace].unlisted:
                continue
            old = {key: f"{value} 1" if key in {"name", "query_text"} else value for key, value in body.items()}
            unique = {"sku": "O-1", "event_type": "old_type", "slug": "old"}
            getattr(admin, namespace).create({key: unique.get(key, value) for key, value in old.items()})
        admin.products.score(1)
        admin.segments.export(1)
        admin.pages.export(1)
        admin.products.import_csv(b"sku,name\nI,x\n")
        yield admin


def matches(method: Method, path: str) -> bool:
    pattern = "".join(
        "[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"({\w+})", f"/api{method.path}")
    )
    return re.fullmatch(pattern, path) is not None


@pytest.mark.parametrize("name", CALLED)
def test_a_method_reaches_the_endpoint_that_it_declares(name: str, furnished: SegOpsAdmin, local: LocalSegOps) -> None:
    before = len(local.requests())
    result = call(furnished, name)
    seen = local.requests()[before:]
    assert seen
    assert all(record.status // 100 == 2 for record in seen), seen
    method = METHODS[name]
    used = [METHODS[f"{method.namespace}.{each}"] for each in method.uses] or [method]
    for record in seen:
        known = [
            each
            for each in [*used, *METHODS.values()]
            if each.http_method == record.method and matches(each, record.path)
        ]
        assert known, record
        assert (record.idempotency_key is not None) == (record.method != "GET")
    if method.http_method:
        assert [record.method for record in seen] == [method.http_method]
        assert matches(method, seen[0].path)
    expected = str(method.signature.return_annotation).partition("[")[0].replace("'", "")
    if expected not in {"None", "int", "R", "Items"}:
        assert type(result).__name__ == expected


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if not method.is_listed])
def test_a_method_without_an_endpoint_says_so(name: str, furnished: SegOpsAdmin) -> None:
    with pytest.raises(SegOpsNotFoundError):
        call(furnished, name)


def test_documented_fields_are_what_the_local_segops_sends(furnished: SegOpsAdmin) -> None:
    missing = {
        name: sorted(set(documented_fields(kind.record)) - set(getattr(furnished, name).get(1)))
        for name, kind in load_resources().items()
        if issubclass(kind, Crud) and not kind.unlisted
    }
    assert not any(missing.values()), missing


def test_the_local_segops_and_the_methods_agree() -> None:
    declared = {
        (method.http_method, re.sub(r"{\w+}", "<>", f"/api{method.path}"))
        for method in METHODS.values()
        if method.http_method and method.is_listed
    }
    routes = {
        (route.method, re.sub(r"<[\w:]+>", "<>", route.path)): (route.method, route.path)
        for route in ROUTES
        if "secret" in route.admits or "anyone" in route.admits
    }
    ours = {key: route for key, route in routes.items() if not route[1].startswith(("/api/ingestion", "/api/auth"))}
    webhooks = {key for key in ours if key[1].startswith("/api/webhooks/")}  # the local SegOps's own
    assert declared - ours.keys() == set()
    assert {ours[key] for key in ours.keys() - declared - webhooks if key[0] != "PUT"} - NOT_WRAPPED == set()


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_method_is_typed_and_documented(method: Method) -> None:
    assert method.summary.endswith(".")
    assert method.signature.return_annotation is not inspect.Signature.empty
    names = re.findall(r"{(\w+)}", method.path)
    parameters = method.signature.parameters
    assert [name for name in names if name not in parameters and name != "export_id"] == []
    for name, parameter in parameters.items():
        assert parameter.annotation is not inspect.Parameter.empty
        assert re.search(rf"^    {name}: .+\.", method.doc, re.MULTILINE), f"{name} is not documented"
    if method.uses:
        assert {f"{method.namespace}.{name}" for name in method.uses} <= METHODS.keys()
    assert method.http_method in {"GET", "POST", "PUT", "PATCH", "DELETE", ""}
    assert bool(method.http_method) != bool(method.uses)
    assert method.is_mutation == (method.http_method not in {"GET", ""})
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", method.verb)


def test_verbs_are_unique_within_a_namespace() -> None:
    assert len({(method.namespace, method.verb) for method in METHODS.values()}) == len(METHODS)


def test_the_documented_methods_are_there() -> None:
    crud = ["list", "iterate", "get", "create", "update", "delete"]
    documented = {
        "segments": "recompute members membership export preview",
        "product_segments": "recompute",
        "products": "bulk_upsert import_csv score score_all facets schema",
        "schemas": "infer validate",
        "activations": "sync",
        "users": "search get events segments explain",
        "queries": "run results simulate dashboard win_rate",
        "pages": "bulk_generate regenerate build publish export query",
        "analytics": "overview usage segments overlap activations",
    }
    for namespace, names in documented.items():
        assert {f"{namespace}.{name}" for name in [*crud, *names.split()]} <= METHODS.keys()


def test_what_is_made_from_the_methods_is_up_to_date(tmp_path: Path) -> None:
    assert (ROOT / REGISTRY).read_text("utf-8") == make_registry(ROOT), "run: python -m tools.admin_codegen"
    assert (ROOT / STUB).read_text("utf-8") == make_stub(), "run: python -m tools.admin_codegen"
    assert (ROOT / REFERENCE).read_text("utf-8") == make_reference(), "run: python -m tools.admin_codegen"
    (tmp_path / "docs").mkdir()
    (tmp_path / FOLDER).mkdir(parents=True)
    for module in (ROOT / FOLDER).glob("[a-z]*.py"):
        (tmp_path / FOLDER / module.name).touch()
    main(tmp_path)
    assert (tmp_path / REFERENCE).read_text("utf-8") == make_reference()


def test_the_reference_has_every_method() -> None:
    headings = re.findall(r"^### (.+)$", make_reference(), re.MULTILINE)
    assert headings == list(METHODS)
    assert list(Admin(base_url="memory:").namespaces) == list(load_resources())
