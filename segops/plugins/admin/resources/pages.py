"""AI pages: landing pages that each answer one question."""

from __future__ import annotations

from typing import Any

from segops.plugins.admin.exports import Exportable
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import Receipt, Record
from segops.plugins.admin.resource import EndpointCall, Fields, endpoint


class AiPage(Record):
    """A landing page that answers one question. Lists leave out `intro_copy` and `product_skus`.

    Attributes:
        id: The id.
        slug: The last part of the URL, unique among the pages.
        query: The id of an AI query, or the question itself.
        title: The title.
        published: Whether the page is public.
        builder_status: The progress of the builder.
        view_count: Page views.
        last_ai_crawl_at: The last visit of an AI crawler, as ISO 8601.
        intro_copy: The text.
        product_skus: The SKUs of the products.
    """

    __slots__ = ()
    id: int
    slug: str
    query: int | str
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
        products: The matching products, each with `id`, `sku`, `name`, `data` and `relevance_score`.
        filters: The values of each attribute of these products.
        metadata: `match_count` and `latency_ms`.
    """

    __slots__ = ()
    query: str
    products: list[dict[str, Any]]
    filters: dict[str, list[Any]]
    metadata: dict[str, Any]


class Pages(Exportable[AiPage]):
    """Generate, build, publish, and export landing pages that answer one question each."""

    path = "/ai-pages/pages/"
    exports = "/ai-pages/exports/"
    default_format = "html"

    @endpoint("POST", "{collection}bulk-generate/", fields=("segment_id", "queries"))
    def bulk_generate(
        self, call: EndpointCall, /, body: Fields | None = None, *, extra_fields: Fields | None = None, **fields: Any
    ) -> Receipt:
        """Queue a page for each active AI query without one.

        Args:
            body: The options as a mapping: `segment_id`, `queries`.
            extra_fields: Undocumented options.
            fields: The options as keywords.
        """
        return call.receipt(body=call.fields(body, fields, extra_fields))

    @endpoint("POST", "{collection}{id}/regenerate/")
    def regenerate(self, call: EndpointCall, id: Id) -> Receipt:
        """Queue a rewrite of the text of a page.

        Args:
            id: The id of the page.
        """
        return call.receipt(id=id)

    @endpoint("POST", "{collection}{id}/build/", fields=("template",))
    def build(
        self,
        call: EndpointCall,
        /,
        id: Id,
        body: Fields | None = None,
        *,
        extra_fields: Fields | None = None,
        **fields: Any,
    ) -> Receipt:
        """Build a page.

        Args:
            id: The id of the page.
            body: The options as a mapping: `template`.
            extra_fields: Undocumented options.
            fields: The options as keywords.
        """
        return call.receipt(id=id, body=call.fields(body, fields, extra_fields))

    @endpoint("POST", "{collection}{id}/publish/")
    def publish(self, call: EndpointCall, id: Id) -> Receipt:
        """Publish a page.

        Args:
            id: The id of the page.
        """
        return call.receipt(id=id)

    @endpoint("GET", "/ai-pages/query", fields=())
    def query(
        self,
        call: EndpointCall,
        /,
        q: str,
        params: Fields | None = None,
        *,
        limit: int | None = None,
        segment_id: Id | None = None,
        extra_fields: Fields | None = None,
        **filters: Any,
    ) -> ProductMatches:
        """Find products that answer a question, up to 100 times a minute.

        Args:
            q: The question.
            params: The parameters as a mapping.
            limit: Products to return, at most 100. Default: 20.
            segment_id: The id of a product segment to search in.
            extra_fields: Undocumented parameters.
            filters: Further parameters.
        """
        query = call.params(params, {"limit": limit, "segment_id": segment_id, **filters}, extra_fields)
        return call.record(ProductMatches, query={**query, "q": q})
