"""Page exports: export AI pages as files, and serve published pages to the public."""

from __future__ import annotations

from typing import Literal

from segops.emulator import times
from segops.emulator.bodies import Field, read_fields
from segops.emulator.page_files import CONTENT_TYPES, render
from segops.emulator.resources.pages import pages
from segops.emulator.resources.products import products
from segops.emulator.resources.tenant import tenant_slug
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import ANYONE, SECRET, RequestContext, Route, path_id
from segops.emulator.tables import Row, Table

LIFETIME = 3600.0
"""How long an export can be downloaded, in seconds."""

_FORMAT = {"format": Field(Literal["html", "tsx", "json"], "html")}

# Case-folded parts of the user agents of AI crawlers.
_CRAWLERS = {
    "gptbot": "GPTBot",
    "chatgpt-user": "ChatGPT-User",
    "oai-searchbot": "OAI-SearchBot",
    "perplexitybot": "PerplexityBot",
    "perplexity-user": "Perplexity-User",
    "claudebot": "ClaudeBot",
    "claude-user": "Claude-User",
    "claude-searchbot": "Claude-SearchBot",
    "anthropic-ai": "anthropic-ai",
    "google-extended": "Google-Extended",
    "grokbot": "GrokBot",
}

page_crawls = Table("page_crawls", {"page_id": Field(int), "crawler": Field(str), "crawled_at": Field(str)})
page_exports = Table(
    "page_exports",
    {"page_id": Field(int), "format": Field(str), "content": Field(bytes), "expires_at": Field(float)},
)


def export(request: RequestContext) -> ApiResponse:
    """Export a page as an html, tsx, or json file."""
    page = pages.find(request, path_id(request))
    file_format = read_fields(request, _FORMAT, optional=True)["format"]
    content, expires = render(page, _products(request, page), file_format), request.now + LIFETIME
    row = {"page_id": page["id"], "format": file_format, "content": content, "expires_at": expires}
    with request.database.transaction() as connection:
        export_id = page_exports.add(connection, row)
    job = _job(request, export_id, file_format, expires)
    return ApiResponse(202, {**job, "status": "pending"})


def poll_export(request: RequestContext) -> ApiResponse:
    """Read the state of an export: `export_id`, or the last one of the page."""
    pages.find(request, path_id(request))
    rows = request.database.query(
        "SELECT id, format, expires_at FROM page_exports WHERE page_id = ? AND id = coalesce(?, id) "
        "ORDER BY id DESC LIMIT 1",
        (path_id(request), request.query.get("export_id")),
    )
    if not rows:
        raise HTTPError(404)
    return ApiResponse(200, _job(request, *rows[0]))


def download(request: RequestContext) -> ApiResponse:
    """Download an export, within an hour."""
    rows = request.database.query(
        "SELECT format, content FROM page_exports WHERE id = ? AND expires_at > ?", (path_id(request), request.now)
    )
    if not rows:
        raise HTTPError(404)
    file_format, content = rows[0]
    headers = {
        "content-type": CONTENT_TYPES[file_format],
        "content-disposition": f'attachment; filename="page-{path_id(request)}.{file_format}"',
        "x-content-type-options": "nosniff",
    }
    return ApiResponse(200, bytes(content), headers)


def public_page(request: RequestContext) -> ApiResponse:
    """Read a published page without a key. Counts views, and records AI crawlers."""
    if request.params["tenant_slug"] != tenant_slug(request.database):
        raise HTTPError(404)
    page = pages.find(request, request.params["page_slug"], "slug")
    if not page["published"]:
        raise HTTPError(404)
    agent = request.headers.get("user-agent", "").casefold()
    crawler = next((name for part, name in _CRAWLERS.items() if part in agent), None)
    with request.database.transaction() as connection:
        connection.execute("UPDATE pages SET view_count = view_count + 1 WHERE id = ?", (page["id"],))
        if crawler:
            now = times.from_unix(request.now)
            page_crawls.add(connection, {"page_id": page["id"], "crawler": crawler, "crawled_at": now})
            connection.execute("UPDATE pages SET last_ai_crawl_at = ? WHERE id = ?", (now, page["id"]))
    page = pages.find(request, page["id"])
    return ApiResponse(200, {**page, "products": _products(request, page)})


def _products(request: RequestContext, page: Row) -> list[Row]:
    """Return the existing products of a page, in its order."""
    by_sku = {row["sku"]: row for sku in page["product_skus"] for row in products.all(request, "sku = ?", (sku,))}
    return [{name: row[name] for name in ("sku", "name", "data")} for row in by_sku.values()]


def _job(request: RequestContext, export_id: int, file_format: str, expires: float) -> Row:
    return {
        "id": export_id,
        "export_id": export_id,
        "status": "complete" if request.now < expires else "expired",
        "format": file_format,
        "download_url": f"/api/ai-pages/exports/{export_id}/download/",
        "expires_at": times.whole_second(expires),
    }


_PATH = "/api/ai-pages/pages/<int:id>/export/"
TABLES = (page_crawls.schema, page_exports.schema)
ROUTES = (
    Route("POST", _PATH, SECRET, export),
    Route("GET", _PATH, SECRET, poll_export, frozenset({"export_id"})),
    Route("GET", "/api/ai-pages/exports/<int:id>/download/", SECRET, download),
    Route("GET", "/api/ai-pages/public/pages/<tenant_slug>/<page_slug>/", ANYONE, public_page, None),
)
