"""AI pages: landing pages that answer a question with the tenant's products."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from segops.emulator import times
from segops.emulator.bodies import Field, Name, Number, Text, read_fields, read_nothing
from segops.emulator.crud import Resource
from segops.emulator.products.schema import facet_values
from segops.emulator.resources.ai_queries import queries
from segops.emulator.resources.product_search import find_products
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import SECRET, RequestContext, Route, path_id
from segops.emulator.tables import Row, Table

_SLUG = Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=200)]
_QUERY = Number | Text | None

_MAX_PRODUCTS = 10
_MAX_PAGES = 500


def _check(request: RequestContext, values: Row, old: Row | None) -> Row:
    query = values.get("query")
    if isinstance(query, int) and not queries.all(request, "id = ?", (query,)):
        raise HTTPError(400, {"query": [f"AI query {query} does not exist."]})
    if old and "published" in values and old["builder_status"] != "pending":
        values = {**values, "builder_status": "published" if values["published"] else "built"}
    if values.get("title") == "":
        values = {**values, "title": question(request, {**(old or {}), **values})}
    return values


def _in_list(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in {"intro_copy", "product_skus"}}


_FIELDS = {
    "slug": Field(_SLUG),
    "query": Field(_QUERY, None, json=True),
    "title": Field(Annotated[str, msgspec.Meta(max_length=1000)], ""),
    "published": Field(bool, default=False),
    "builder_status": Field(str, "pending", read_only=True),
    "view_count": Field(int, 0, read_only=True),
    "last_ai_crawl_at": Field(str, read_only=True),
    "intro_copy": Field(str, "", read_only=True),
    "product_skus": Field(list[str], [], read_only=True, json=True),
    "template": Field(str, "default", read_only=True),
}

pages = Resource(
    "pages",
    _FIELDS,
    unique="slug",
    check=_check,
    children={"page_crawls": "page_id", "page_exports": "page_id"},
)
page_list = Resource("pages", _FIELDS, show=_in_list, bare=True)
page_jobs = Table("page_jobs", {"page_count": Field(int), "created_at": Field(str)})

_BULK = {"segment_id": Field(Number | None, None), "queries": Field(list[Number | Name] | None, None)}
_BUILD = {"template": Field(Name | None, None)}


def bulk_generate(request: RequestContext) -> ApiResponse:
    """Create and build a page for each of the given queries, by default every active one, that has no page."""
    body = read_fields(request, _BULK, optional=True)
    chosen = body["queries"]
    if chosen is None:
        chosen = [query["id"] for query in queries.all(request, "is_active")]
    chosen = chosen[:_MAX_PAGES]
    _check_queries(request, chosen)
    present = {msgspec.json.encode(page["query"]) for page in pages.all(request)}
    missing = [query for query in dict.fromkeys(chosen) if msgspec.json.encode(query) not in present]
    for query in missing:
        _generate(request, query)
    with request.database.transaction() as connection:
        job_id = page_jobs.add(connection, {"page_count": len(missing), "created_at": times.from_unix(request.now)})
    return ApiResponse(202, {"job_id": job_id, "status": "queued", "page_count": len(missing)})


def regenerate(request: RequestContext) -> ApiResponse:
    """Rewrite the text of a page from the current products."""
    read_nothing(request)
    build_page(request, pages.find(request, path_id(request)), None)
    return ApiResponse(202, {"status": "queued"})


def build(request: RequestContext) -> ApiResponse:
    """Build a page, optionally with another `template`, and return it."""
    template = read_fields(request, _BUILD, optional=True)["template"]
    return ApiResponse(200, build_page(request, pages.find(request, path_id(request)), template))


def publish(request: RequestContext) -> ApiResponse:
    """Publish a page, after building it if necessary, and return it."""
    read_nothing(request)
    page = pages.find(request, path_id(request))
    if page["builder_status"] == "pending":
        page = build_page(request, page, None)
    return ApiResponse(200, pages.write(request, page["id"], {"published": True, "builder_status": "published"}))


def build_page(request: RequestContext, page: Row, template: str | None) -> Row:
    """Write the text of a page, and choose its products."""
    asked = question(request, page)
    found = find_products(request, asked, None)[:_MAX_PRODUCTS]
    values = {
        "intro_copy": _intro(asked, [product["name"] for product in found], [product["data"] for product in found]),
        "product_skus": [product["sku"] for product in found],
        "builder_status": "published" if page["published"] else "built",
        "template": template or page["template"],
    }
    return pages.write(request, page["id"], values)


def question(request: RequestContext, page: Row) -> str:
    """Return the question of a page: the text of its query, or else its title or slug."""
    query = page.get("query")
    if isinstance(query, int):
        found = queries.all(request, "id = ?", (query,))
        query = found[0]["query_text"] if found else ""
    return str(query or page.get("title") or page["slug"].replace("-", " "))


def _intro(asked: str, names: list[str], attributes: list[dict[str, Any]]) -> str:
    if not names:
        return f"{asked}: no product of the catalogue answers this yet."
    facts = "; ".join(f"{name}: {', '.join(values[:3])}" for name, values in facet_values(attributes).items())
    listed = ", ".join(names)
    return f"{asked}: {len(names)} of our products fit: {listed}.{f' At a glance: {facts}.' if facts else ''}"


def _check_queries(request: RequestContext, chosen: list[int | str]) -> None:
    known = {query["id"] for query in queries.all(request)}
    if unknown := [query for query in chosen if isinstance(query, int) and query not in known]:
        raise HTTPError(400, {"queries": [f"AI query {unknown[0]} does not exist."]})


def _generate(request: RequestContext, query: int | str) -> None:
    text = question(request, {"query": query, "slug": "page"})
    base = re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")[:150].strip("-") or "page"
    taken = {slug for (slug,) in request.database.query("SELECT slug FROM pages")}
    slug = next(each for each in (base, *(f"{base}-{n}" for n in range(2, len(taken) + 3))) if each not in taken)
    values = _check(request, {"slug": slug, "query": query, "title": text, "published": False}, None)
    build_page(request, pages.insert(request, values), None)


_PATH = "/api/ai-pages/pages/"
TABLES = (pages.schema, page_jobs.schema)
ROUTES = (
    *pages.routes(_PATH, index=page_list.index),
    Route("POST", f"{_PATH}bulk-generate/", SECRET, bulk_generate),
    Route("POST", f"{_PATH}<int:id>/regenerate/", SECRET, regenerate),
    Route("POST", f"{_PATH}<int:id>/build/", SECRET, build),
    Route("POST", f"{_PATH}<int:id>/publish/", SECRET, publish),
)
