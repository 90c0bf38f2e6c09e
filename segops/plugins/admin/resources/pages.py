"""AI pages: landing pages that answer one question.

Source: wire-protocol.md, section 6.9.
"""

from __future__ import annotations

from typing import Any

from segops.plugins.admin.bodies import merge
from segops.plugins.admin.exports import ExportJob, download, export_body, number_of
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import Receipt, Record
from segops.plugins.admin.resource import Call, Crud, Fields, composed, endpoint
from segops.plugins.admin.sinks import Progress, Target, check_target
from segops.plugins.admin.waiting import wait_for_job


class AiPage(Record):
    """A landing page that answers one question; in lists it has neither `intro_copy` nor `product_skus`.

    Attributes:
        id: Its number.
        slug: The end of its address, unique among the pages.
        query: The number of an AI query, or the question itself.
        title: Its title.
        published: Whether everybody can read it.
        builder_status: How far it is.
        view_count: How often it was read.
        last_ai_crawl_at: When an assistant's crawler read it last, as ISO 8601.
        intro_copy: Its text.
        product_skus: Its products.
    """

    __slots__ = ()
    id: int
    slug: str
    query: Any
    title: str
    published: bool
    builder_status: str
    view_count: int
    last_ai_crawl_at: str | None
    intro_copy: str
    product_skus: list[str]


class ProductMatches(Record):
    """Products that answer a question.

    Attributes:
        query: The question.
        products: Those that fit, each with `id`, `sku`, `name`, `data` and `relevance_score`.
        filters: The values of each attribute.
        metadata: `match_count` and `latency_ms`.
    """

    __slots__ = ()
    query: str
    products: list[dict[str, Any]]
    filters: dict[str, list[Any]]
    metadata: dict[str, Any]


class Pages(Crud[AiPage]):
    """Landing pages that answer one question each."""

    path = "/ai-pages/pages/"
    record = AiPage

    @endpoint("POST", "{collection}bulk-generate/")
    def bulk_generate(self, call: Call, body: Fields | None = None, /, **fields: Any) -> Receipt:
        """Queue a page for each active AI query that has none.

        Args:
            body: The options as a mapping, such as `segment_id` or `queries`.
            fields: The options as keywords.
        """
        return call.done(body=merge(body, fields))

    @endpoint("POST", "{collection}{id}/regenerate/")
    def regenerate(self, call: Call, id: Id) -> Receipt:
        """Queue that the text of a page is written anew.

        Args:
            id: The page.
        """
        return call.done(id=id)

    @endpoint("POST", "{collection}{id}/build/")
    def build(self, call: Call, id: Id, body: Fields | None = None, /, **fields: Any) -> Receipt:
        """Build a page.

        Args:
            id: The page.
            body: The options as a mapping, such as `template`.
            fields: The options as keywords.
        """
        return call.done(id=id, body=merge(body, fields))

    @endpoint("POST", "{collection}{id}/publish/")
    def publish(self, call: Call, id: Id) -> Receipt:
        """Let everybody read a page.

        Args:
            id: The page.
        """
        return call.done(id=id)

    @endpoint("POST", "{collection}{id}/export/")
    def export(
        self, call: Call, id: Id, body: Fields | None = None, /, *, format: str | None = None, **fields: Any
    ) -> ExportJob:
        """Start to write a page into a file; it does not wait for the outcome.

        Args:
            id: The page.
            body: The options as a mapping.
            format: "html" (the default), "tsx" or "json".
            fields: More options.
        """
        return call.one(ExportJob, id=id, body=export_body(body, format, fields, "html"))

    @endpoint("GET", "{collection}{id}/export/")
    def export_status(self, call: Call, id: Id, export: ExportJob | Id) -> ExportJob:
        """Tell whether the file of an export is there. The documentation names no endpoint: it is that of segments.

        Args:
            id: The page.
            export: The export, or its number.
        """
        return call.one(ExportJob, id=id, query={"export_id": number_of(export)})

    @composed("export_status")
    def wait_for_export(self, id: Id, export: ExportJob | Id, *, timeout: float = 300.0) -> ExportJob:
        """Wait until the file of an export is there.

        Args:
            id: The page.
            export: The export, or its number.
            timeout: Seconds to wait at most.

        Raises:
            SegOpsJobError: The export failed.
            SegOpsTimeoutError: It takes longer.
        """
        first = export if isinstance(export, ExportJob) else self.export_status(id, export)
        return wait_for_job(
            self.http, first, lambda: self.export_status(id, export), timeout=timeout, what="the export"
        )

    @endpoint("GET", "/ai-pages/exports/{export_id}/download/")
    def download_export(
        self,
        call: Call,
        export: ExportJob | Id,
        target: Target,
        *,
        progress: Progress | None = None,
        timeout: float = 3600.0,
    ) -> int:
        """Download the file of an export and return its size in bytes.

        Args:
            export: The export, or its number.
            target: The name of a file, or an open binary stream.
            progress: Is told the bytes that there are, and the bytes that there will be or None.
            timeout: Seconds that it may take.
        """
        return download(call, export, target, progress, timeout)

    @composed("export", "export_status", "download_export")
    def export_to(
        self,
        id: Id,
        target: Target,
        *,
        format: str | None = None,
        progress: Progress | None = None,
        timeout: float = 300.0,
    ) -> int:
        """Export a page into a file: start, wait, download; return the size of the file in bytes.

        Args:
            id: The page.
            target: The name of a file, or an open binary stream.
            format: "html" (the default), "tsx" or "json".
            progress: Is told the bytes that there are, and the bytes that there will be or None.
            timeout: Seconds to wait for the file to be written; the download has its own limit.

        Raises:
            SegOpsJobError: The export failed.
            SegOpsTimeoutError: It takes longer.
        """
        check_target(target)
        done = self.wait_for_export(id, self.export(id, format=format), timeout=timeout)
        return self.download_export(done, target, progress=progress)

    @endpoint("GET", "/ai-pages/query")
    def query(
        self,
        call: Call,
        q: str,
        params: Fields | None = None,
        /,
        *,
        limit: int | None = None,
        segment_id: Id | None = None,
        **filters: Any,
    ) -> ProductMatches:
        """Find products that answer a question; at most 100 times a minute.

        Args:
            q: The question.
            params: The parameters as a mapping.
            limit: How many products to list: 20 by default, at most 100.
            segment_id: Only products of this product segment.
            filters: More parameters.
        """
        query = merge(params, {"limit": limit, "segment_id": segment_id, **filters})
        return call.one(ProductMatches, query={"q": q, **query})
