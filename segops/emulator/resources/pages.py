"""AI pages: landing pages that answer one question with the tenant's products.

Source: wire-protocol.md, section 6.9.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from segops.emulator import times
from segops.emulator.answers import Answer, invalid
from segops.emulator.call import Call
from segops.emulator.resources.ai_reach import queries
from segops.emulator.resources.bodies import Field, Name, Number, Text, read_fields, read_nothing
from segops.emulator.resources.catalogue import facet_values
from segops.emulator.resources.crud import Resource, Row, number
from segops.emulator.resources.product_search import find_products

_SLUG = Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=200)]
_QUERY = Number | Text | None

_PAGE_PRODUCTS = 10
_MOST_PAGES = 500


def _check(call: Call, values: Row, old: Row | None) -> Row:
    query = values.get("query")
    if isinstance(query, int) and not queries.all(call, "id = ?", (query,)):
        raise invalid({"query": [f"There is no AI query {query}."]})
    if old is None:
        values = {**values, "builder_status": "pending", "intro_copy": "", "product_skus": []}
    elif "published" in values and old["builder_status"] != "pending":
        values = {**values, "builder_status": "published" if values["published"] else "built"}
    if values.get("title") == "":
        values = {**values, "title": question(call, {**(old or {}), **values})}
    return values


def _in_list(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in {"intro_copy", "product_skus"}}


_FIELDS = {
    "slug": Field(_SLUG),
    "query": Field(_QUERY, None, json=True),
    "title": Field(Annotated[str, msgspec.Meta(max_length=1000)], ""),
    "published": Field(bool, default=False),
    "builder_status": Field(str, read_only=True),
    "view_count": Field(int, read_only=True),
    "last_ai_crawl_at": Field(str, read_only=True),
    "intro_copy": Field(str, read_only=True),
    "product_skus": Field(list[str], read_only=True, json=True),
    "template": Field(str, read_only=True),
}

pages = Resource(
    "pages",
    _FIELDS,
    unique="slug",
    check=_check,
    children={"page_crawls": "page_id", "page_exports": "page_id"},
)
page_list = Resource("pages", _FIELDS, show=_in_list, bare=True)

_BULK = {"segment_id": Field(Number | None, None), "queries": Field(list[Number | Name] | None, None)}
_BUILD = {"template": Field(Name | None, None)}


def bulk_generate(call: Call) -> Answer:
    """Make and build a page for each of the given queries, or for each active one, that has none yet."""
    given = read_fields(call, _BULK, optional=True)
    chosen = given["queries"]
    if chosen is None:
        chosen = [query["id"] for query in queries.all(call, "is_active")]
    chosen = chosen[:_MOST_PAGES]
    _refuse_unknown(call, chosen)
    present = {msgspec.json.encode(page["query"]) for page in pages.all(call)}
    missing = [query for query in dict.fromkeys(chosen) if msgspec.json.encode(query) not in present]
    for query in missing:
        _generate(call, query)
    with call.database.transaction() as connection:
        job = connection.execute(
            "INSERT INTO page_jobs (page_count, created_at) VALUES (?, ?)",
            (len(missing), times.from_unix(call.now)),
        )
    return Answer(202, {"job_id": job.lastrowid, "status": "queued", "page_count": len(missing)})


def regenerate(call: Call) -> Answer:
    """Write the text of a page anew, from the products of today."""
    read_nothing(call)
    build_page(call, pages.find(call, number(call)), None)
    return Answer(202, {"status": "queued"})


def build(call: Call) -> Answer:
    """Build a page, with a `template` if one is named; answers with the page."""
    template = read_fields(call, _BUILD, optional=True)["template"]
    return Answer(200, build_page(call, pages.find(call, number(call)), template))


def publish(call: Call) -> Answer:
    """Publish a page, building it first if that was not done; answers with the page."""
    read_nothing(call)
    page = pages.find(call, number(call))
    if page["builder_status"] == "pending":
        page = build_page(call, page, None)
    return Answer(200, pages.write(call, page["id"], {"published": True, "builder_status": "published"}))


def build_page(call: Call, page: Row, template: str | None) -> Row:
    """Write the text of a page and choose its products."""
    asked = question(call, page)
    found = find_products(call, asked, None)[:_PAGE_PRODUCTS]
    values = {
        "intro_copy": _intro(asked, [product["name"] for product in found], [product["data"] for product in found]),
        "product_skus": [product["sku"] for product in found],
        "builder_status": "published" if page["published"] else "built",
        "template": template or page["template"],
    }
    return pages.write(call, page["id"], values)


def question(call: Call, page: Row) -> str:
    """Return what a page answers: the text of its query, else its title, else its slug."""
    query = page.get("query")
    if isinstance(query, int):
        found = queries.all(call, "id = ?", (query,))
        query = found[0]["query_text"] if found else ""
    return str(query or page.get("title") or page["slug"].replace("-", " "))


def _intro(asked: str, names: list[str], attributes: list[dict[str, Any]]) -> str:
    if not names:
        return f"{asked}: no product of the catalogue answers this yet."
    facts = "; ".join(f"{name}: {', '.join(values[:3])}" for name, values in facet_values(attributes).items())
    listed = ", ".join(names)
    return f"{asked}: {len(names)} of our products fit: {listed}.{f' At a glance: {facts}.' if facts else ''}"


def _refuse_unknown(call: Call, chosen: list[int | str]) -> None:
    known = {query["id"] for query in queries.all(call)}
    if unknown := [query for query in chosen if isinstance(query, int) and query not in known]:
        raise invalid({"queries": [f"There is no AI query {unknown[0]}."]})


def _generate(call: Call, query: int | str) -> None:
    text = question(call, {"query": query, "slug": "page"})
    base = re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")[:150].strip("-") or "page"
    taken = {slug for (slug,) in call.database.query("SELECT slug FROM pages")}
    slug = next(each for each in (base, *(f"{base}-{n}" for n in range(2, len(taken) + 3))) if each not in taken)
    values = _check(call, {"slug": slug, "query": query, "title": text, "published": False}, None)
    build_page(call, pages.insert(call, values), None)
