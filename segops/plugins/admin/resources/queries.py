"""AI queries: what people ask assistants, and what those answer about the brand.

Source: wire-protocol.md, section 6.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segops.plugins.admin.crud import Crud
from segops.plugins.admin.pagination import Page
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import Receipt, Record
from segops.plugins.admin.resource import EndpointCall, Fields, endpoint


class AiQuery(Record):
    """A question that assistants are asked again and again.

    Attributes:
        id: Its number.
        query_text: The question.
        category: Its category.
        tags: Its tags.
        providers: The assistants that are asked; empty for all.
        is_active: Whether it is asked.
        schedule: "hourly", "daily" or "weekly".
        last_run_at: When it was last asked, as ISO 8601.
        created_at: When it was stored first.
        updated_at: When it was changed last.
    """

    __slots__ = ()
    id: int
    query_text: str
    category: str
    tags: list[str]
    providers: list[str]
    is_active: bool
    schedule: str
    last_run_at: str | None
    created_at: str
    updated_at: str


class AiResult(Record):
    """What an assistant answered.

    Attributes:
        id: Its number.
        query: The number of the query; None for a simulation.
        provider: The assistant.
        raw_response: The answer.
        mentioned_brands: The brands in it, each with `name`, `position` and `sentiment`.
        mentioned_products: The products in it.
        position: The place of the own brand, from 1; None if it is not named.
        sentiment: How it speaks of the own brand, from 0 to 1.
        is_simulated: Whether no assistant was really asked.
        captured_at: When it was asked, as ISO 8601.
    """

    __slots__ = ()
    id: int
    query: int | None
    provider: str
    raw_response: str
    mentioned_brands: list[dict[str, Any]]
    mentioned_products: list[Any]
    position: int | None
    sentiment: float | None
    is_simulated: bool
    captured_at: str


class Simulation(Record):
    """What assistants answer now, and how that differs from before.

    Attributes:
        query_text: The question.
        providers: The assistants that were asked.
        timed_out: Those that did not answer in time.
        results: The answers.
        diff: For each brand, what changed.
    """

    __slots__ = ()
    query_text: str
    providers: list[str]
    timed_out: list[str]
    results: list[dict[str, Any]]
    diff: list[dict[str, Any]]


class Queries(Crud[AiQuery]):
    """What people ask assistants, and what those answer about the brand."""

    path = "/ai-reach/queries/"

    @endpoint("POST", "{collection}{id}/run/")
    def run(self, call: EndpointCall, id: Id) -> Receipt:
        """Ask the assistants now; it does not wait for the answers.

        Args:
            id: The query.
        """
        return call.receipt(id=id)

    @endpoint("GET", "{collection}{id}/results/", pagination="array")
    def results(self, call: EndpointCall, id: Id) -> Page[AiResult]:
        """List the newest answers, at most 50.

        Args:
            id: The query.
        """
        return call.page(AiResult, id=id)

    @endpoint("POST", "/ai-reach/simulate/", fields=("query_text", "providers"))
    def simulate(
        self,
        call: EndpointCall,
        /,
        body: Fields | None = None,
        *,
        query_text: str | None = None,
        providers: Sequence[str] | None = None,
        extra_fields: Fields | None = None,
        **fields: Any,
    ) -> Simulation:
        """Ask assistants a question that is not registered; takes up to 30 s.

        Args:
            body: The fields as a mapping.
            query_text: The question.
            providers: The assistants to ask. Default: all.
            extra_fields: Fields that are not documented.
            fields: More fields.
        """
        given = {"query_text": query_text, "providers": providers}
        fields |= {name: value for name, value in given.items() if value is not None}
        return call.record(Simulation, body=call.fields(body, fields, extra_fields))

    @endpoint("GET", "/ai-reach/dashboard/")
    def dashboard(self, call: EndpointCall) -> Record:
        """Read how visible the brand is in all answers; the fields are not documented."""
        return call.record(Record)

    @endpoint("GET", "/ai-reach/win-rate/", pagination="array", fields=("provider",))
    def win_rate(
        self, call: EndpointCall, /, params: Fields | None = None, *, extra_fields: Fields | None = None, **filters: Any
    ) -> Page[Record]:
        """List how often the brand comes before each competitor, the best first; the fields are not documented.

        Args:
            params: The parameters as a mapping: `provider`.
            extra_fields: Parameters that are not documented.
            filters: The parameters as keywords.
        """
        return call.page(Record, params, filters, extra_fields)
