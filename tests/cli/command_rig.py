"""A local SegOps with one of everything, and arguments for each command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from segops import SegOpsAdmin, SegOpsClient
from segops.emulator import LocalSegOps, LocalServer

DEFINITION = {"logic": "AND", "conditions": [{"type": "monetary", "operator": "gte", "value": 200}]}
PRODUCTS = {
    "logic": "AND",
    "conditions": [{"type": "product_attribute", "property": "price", "operator": "gte", "value": 1}],
}
EVENT = {"user_id": "u-1", "event_type": "order_placed", "payload": {"total": 10}}


def fill_in(word: str, names: Mapping[str, str]) -> str:
    """Put names in the place of their braces; other braces are JSON."""
    for name, value in names.items():
        word = word.replace(f"{{{name}}}", value)
    return word


FILES: Mapping[str, object] = {
    "segment.json": {"name": "From a file", "definition": DEFINITION},
    "definition.json": DEFINITION,
    "event.json": EVENT,
    "events.json": [EVENT],
    "payload.json": {"total": 3},
    "rows.json": [{"sku": "B-1", "name": "Boot", "data": {"price": 90}}],
    "schema.json": {"fields": [{"name": "price", "type": "number"}], "default_currency": "EUR"},
    "products.json": {"name": "Cheap", "definition": PRODUCTS},
    "mapping.json": {"mapping": {"sku": "sku", "name": "name"}},
}

CRUD = {
    "list": ["--page-size=1"],
    "iterate": [],
    "get": ["{id}"],
    "update": ["{id}", "--{field}={new}"],
    "delete": ["{spare}", "--yes"],
}

CASES: dict[str, list[str]] = {
    "segments create": ["{dir}/segment.json"],
    "segments preview": ["{dir}/definition.json", "--limit=5"],
    "segments estimate": ["{segments}"],
    "segments versions": ["{segments}"],
    "segments recompute": ["{segments}"],
    "segments recompute-and-wait": ["{segments}", "--timeout=100"],
    "segments members": ["{segments}", "--limit=1", "--all"],
    "segments iterate-members": ["{segments}", "--page-size", "1"],
    "segments membership": ["u-1"],
    "segments export": ["{segments}", "--format=csv"],
    "segments export-status": ["{segments}", "{segment_export}"],
    "segments wait-for-export": ["{segments}", "{segment_export}"],
    "segments download-export": ["{segment_export}", "{dir}/downloaded.csv"],
    "segments export-to": ["{segments}", "{dir}/members.csv"],
    "product-segments create": ["-f", "{dir}/products.json"],
    "product-segments recompute": ["{product_segments}"],
    "product-segments recompute-and-wait": ["{product_segments}"],
    "products create": ["--sku=C-1", "--name=Cap", '--data={"price": 3}'],
    "products bulk-upsert": ["{dir}/rows.json"],
    "products score": ["{products}"],
    "products get-score": ["{products}"],
    "products score-all": [],
    "products facets": [],
    "products schema": [],
    "products update-schema": ["{dir}/schema.json"],
    "products import": ["{dir}/products.csv"],
    "products import-status": ["{import}"],
    "products confirm-import": ["{import}", "{dir}/mapping.json"],
    "products import-and-wait": ["{dir}/products.csv"],
    "schemas create": ["--event-type=order_paid", '--properties={"total": {"type": "number"}}'],
    "schemas infer": ["{dir}/events.json"],
    "schemas validate": ["order_placed", "{dir}/payload.json"],
    "activations create": [
        "--segment={segments}",
        "--connector-type=klaviyo",
        '--config={"list_id": "l", "api_key": "k"}',
    ],
    "activations sync": ["{activations}"],
    "users list": ["--page-size=1"],
    "users iterate": [],
    "users get": ["u-1"],
    "users create": ["--user-id=u-9"],
    "users update": ["u-1", "--properties={}"],
    "users delete": ["u-1", "--yes"],
    "users search": ["--q=u-"],
    "users events": ["u-1", "--event-type=order_placed"],
    "users segments": ["u-1"],
    "users explain": ["u-1", "{segments}"],
    "users publish-sandbox": ["{dir}/event.json"],
    "queries create": ["--query-text=best boots"],
    "queries run": ["{queries}"],
    "queries results": ["{queries}"],
    "queries simulate": ["--query-text=best caps", "--providers=claude,gemini"],
    "queries dashboard": [],
    "queries win-rate": [],
    "pages create": ["--slug=fresh", "--query={queries}"],
    "pages bulk-generate": [],
    "pages regenerate": ["{pages}"],
    "pages build": ["{pages}", "--template=plain"],
    "pages publish": ["{pages}"],
    "pages export": ["{pages}", "--format=html"],
    "pages export-status": ["{pages}", "{page_export}"],
    "pages wait-for-export": ["{pages}", "{page_export}"],
    "pages download-export": ["{page_export}", "{dir}/page.html"],
    "pages export-to": ["{pages}", "{dir}/exported.html"],
    "pages query": ["shoes", "--limit=3"],
    "analytics list": [],
    "analytics iterate": [],
    "analytics get": ["1"],
    "analytics create": [],
    "analytics update": ["1"],
    "analytics delete": ["1", "--yes"],
    "analytics overview": [],
    "analytics usage": [],
    "analytics segments": [],
    "analytics overlap": [],
    "analytics activations": [],
    "identity alias": ["visitor-1", "u-1"],
    "identity merge": ["u-2", "u-1"],
    "competitors create": ["--name=Acme"],
}

_FIELDS = {
    "segments": ("name", "Renamed"),
    "product-segments": ("name", "Renamed"),
    "products": ("name", "Renamed"),
    "schemas": ("event_type", "order_sent"),
    "activations": ("status", "active"),
    "queries": ("query_text", "worst shoes"),
    "pages": ("title", "Renamed"),
    "competitors": ("name", "Renamed"),
}

CASES |= {
    f"{resource} {verb}": [
        fill_in(word, {"id": f"{{{kept}}}", "spare": f"{{{kept}_spare}}", "field": field, "new": new}) for word in words
    ]
    for resource, (field, new) in _FIELDS.items()
    for verb, words in CRUD.items()
    for kept in [resource.replace("-", "_")]
}

NOT_FOUND = {
    *(f"analytics {verb}" for verb in ("list", "iterate", "get", "create", "update", "delete")),
    *(f"users {verb}" for verb in ("create", "update", "delete")),
}
"""What the product document promises, but the API has no endpoint for."""


def _own(name: str, number: int) -> dict[str, object]:
    """Return the fields that no two of a kind may have in common."""
    fields: dict[str, dict[str, object]] = {
        "products": {"sku": f"A-{number}"},
        "schemas": {"event_type": f"kind_{number}", "properties": {}},
        "queries": {"query_text": f"question {number}"},
        "pages": {"slug": f"page-{number}", "title": "T"},
        "competitors": {"name": f"Brand {number}"},
    }
    return fields.get(name, {})


def fill_segops(server: LocalServer, local: LocalSegOps, directory: Path) -> dict[str, str]:
    """Put two of everything into a SegOps, files into a directory, and return the ids by name."""
    for name, content in FILES.items():
        (directory / name).write_text(json.dumps(content))
    (directory / "products.csv").write_text("sku,name,price\nP-1,Pan,12\nP-2,Pot,14\n")
    with SegOpsClient(server.url, local.secret_key) as client:
        for user in ("u-1", "u-2", "u-3"):
            client.track(user_id=user, event_type="order_placed", payload={"total": 300})
    names: dict[str, str] = {"dir": str(directory)}
    with SegOpsAdmin(local.secret_key, base_url=server.url) as admin:
        segment = admin.segments.create(name="Big", definition=DEFINITION)
        bodies: dict[str, dict[str, object]] = {
            "product_segments": {"name": "Any", "definition": PRODUCTS},
            "products": {"name": "Shoe", "data": {"price": 5}},
            "schemas": {},
            "activations": {
                "segment": segment.id,
                "connector_type": "klaviyo",
                "config": {"list_id": "1", "api_key": "k"},
            },
            "queries": {},
            "pages": {},
            "competitors": {},
        }
        names |= {"segments": str(segment.id), "segments_spare": str(admin.segments.create(name="Spare").id)}
        for name, body in bodies.items():
            for number, key in enumerate((name, f"{name}_spare")):
                names[key] = str(getattr(admin, name).create({**body, **_own(name, number)}).id)
        admin.segments.recompute_and_wait(segment.id)
        admin.products.score(names["products"])
        names["segment_export"] = str(admin.segments.export(segment.id).number)
        names["page_export"] = str(admin.pages.export(names["pages"]).number)
        names["import"] = str(admin.products.import_csv(directory / "products.csv").number)
    return names
