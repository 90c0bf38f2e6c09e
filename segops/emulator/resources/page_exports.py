"""AI pages are exported as files, and read by the public.

Source: wire-protocol.md, sections 6.9 and 11 (point 16).
"""

from __future__ import annotations

from typing import Literal

from segops.emulator import times
from segops.emulator.answers import Answer, refuse
from segops.emulator.call import Call
from segops.emulator.resources.bodies import Field, read_fields
from segops.emulator.resources.crud import Row, number
from segops.emulator.resources.page_files import CONTENT_TYPES, render
from segops.emulator.resources.pages import pages
from segops.emulator.resources.products import products
from segops.emulator.resources.tenant import tenant_slug

LIFETIME = 3600.0
"""How long an export can be downloaded, in seconds."""

_FORMAT = {"format": Field(Literal["html", "tsx", "json"], "html")}

# What the user agents of the assistants' crawlers contain, folded.
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


def export(call: Call) -> Answer:
    """Export a page as a file: html, tsx or json."""
    page = pages.find(call, number(call))
    kind = read_fields(call, _FORMAT, optional=True)["format"]
    with call.database.transaction() as connection:
        stored = connection.execute(
            "INSERT INTO page_exports (page_id, format, content, expires_at) VALUES (?, ?, ?, ?)",
            (page["id"], kind, render(page, _products(call, page), kind), call.now + LIFETIME),
        )
    job = _job(call, stored.lastrowid or 0, kind, call.now + LIFETIME)
    return Answer(202, {**job, "status": "pending"})


def poll_export(call: Call) -> Answer:
    """Tell how far an export is: the one named by `export_id`, or the last one of the page."""
    pages.find(call, number(call))
    rows = call.database.query(
        "SELECT id, format, expires_at FROM page_exports WHERE page_id = ? AND id = coalesce(?, id) "
        "ORDER BY id DESC LIMIT 1",
        (number(call), call.query.get("export_id")),
    )
    if not rows:
        raise refuse(404, "Not found.")
    return Answer(200, _job(call, *rows[0]))


def download(call: Call) -> Answer:
    """Download the file of an export, within an hour."""
    rows = call.database.query(
        "SELECT format, content FROM page_exports WHERE id = ? AND expires_at > ?", (number(call), call.now)
    )
    if not rows:
        raise refuse(404, "Not found.")
    kind, content = rows[0]
    headers = {
        "content-type": CONTENT_TYPES[kind],
        "content-disposition": f'attachment; filename="page-{number(call)}.{kind}"',
        "x-content-type-options": "nosniff",
    }
    return Answer(200, bytes(content), headers)


def public_page(call: Call) -> Answer:
    """Read a published page, without a key; counts the view, and notes the crawlers of AI assistants."""
    if call.params["tenant_slug"] != tenant_slug(call.database):
        raise refuse(404, "Not found.")
    page = pages.find(call, call.params["page_slug"], "slug")
    if not page["published"]:
        raise refuse(404, "Not found.")
    agent = call.headers.get("user-agent", "").casefold()
    crawler = next((name for part, name in _CRAWLERS.items() if part in agent), None)
    with call.database.transaction() as connection:
        connection.execute("UPDATE pages SET view_count = view_count + 1 WHERE id = ?", (page["id"],))
        if crawler:
            seen = (page["id"], crawler, times.from_unix(call.now))
            connection.execute("INSERT INTO page_crawls (page_id, crawler, crawled_at) VALUES (?, ?, ?)", seen)
            connection.execute("UPDATE pages SET last_ai_crawl_at = ? WHERE id = ?", (seen[2], page["id"]))
    page = pages.find(call, page["id"])
    return Answer(200, {**page, "products": _products(call, page)})


def _products(call: Call, page: Row) -> list[Row]:
    """Return the products of a page that still exist, in its order."""
    by_sku = {row["sku"]: row for sku in page["product_skus"] for row in products.all(call, "sku = ?", (sku,))}
    return [{name: row[name] for name in ("sku", "name", "data")} for row in by_sku.values()]


def _job(call: Call, export_id: int, kind: str, expires: float) -> Row:
    return {
        "id": export_id,
        "export_id": export_id,
        "status": "complete" if call.now < expires else "expired",
        "format": kind,
        "download_url": f"/api/ai-pages/exports/{export_id}/download/",
        "expires_at": times.whole_second(expires),
    }
