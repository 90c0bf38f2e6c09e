"""AI pages: landing pages that answer one question.

Source: wire-protocol.md, section 6.9.
"""

from __future__ import annotations

from typing import Any

from segops.plugins.admin.exports import Exportable
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import Receipt, Record
from segops.plugins.admin.resource import EndpointCall, Fields, endpoint


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


class Pages(Exportable[AiPage]):
    """Landing pages that answer one question each."""

    path = "/ai-pages/pages/"
    exports = "/ai-pages/exports/"
    default_format = "html"

    @endpoint("POST", "{collection}bulk-generate/", fields=("segment_id", "queries"))
    def bulk_generate(
        self, call: EndpointCall, /, body: Fields | None = None, *, extra_fields: Fields | None = None, **fields: Any
    ) -> Receipt:
        """Queue a page for each active AI query that has none.

        Args:
            body: The options as a mapping: `segment_id`, `queries`.
            extra_fields: Options that are not documented.
            fields: The options as keywords.
        """
        return call.receipt(body=call.fields(body, fields, extra_fields))

    @endpoint("POST", "{collection}{id}/regenerate/")
    def regenerate(self, call: EndpointCall, id: Id) -> Receipt:
        """Queue that the text of a page is written anew.

        Args:
            id: The page.
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
            id: The page.
            body: The options as a mapping: `template`.
            extra_fields: Options that are not documented.
            fields: The options as keywords.
        """
        return call.receipt(id=id, body=call.fields(body, fields, extra_fields))

    @endpoint("POST", "{collection}{id}/publish/")
    def publish(self, call: EndpointCall, id: Id) -> Receipt:
        """Let everybody read a page.

        Args:
            id: The page.
        """
        return call.receipt(id=id)

    @endpoint("GET", "/ai-pages/query", fields=("limit", "segment_id"))
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
        """Find products that answer a question; at most 100 times a minute.

        Args:
            q: The question.
            params: The parameters as a mapping.
            limit: How many products to list: 20 by default, at most 100.
            segment_id: Only products of this product segment.
            extra_fields: Parameters that are not documented.
            filters: More parameters.
        """
        query = call.params(params, {"limit": limit, "segment_id": segment_id, **filters}, extra_fields)
        return call.record(ProductMatches, query={**query, "q": q})
