"""AI queries: questions to AI assistants, and their answers about your brand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from segops.plugins.admin.crud import Crud
from segops.plugins.admin.pagination import Page
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import Receipt, Record
from segops.plugins.admin.resource import EndpointCall, Fields, endpoint


class AiQuery(Record):
    """A question that SegOps asks AI assistants on a schedule.

    Attributes:
        id: The id.
        query_text: The question.
        category: The category.
        tags: The tags.
        providers: The assistants to ask; empty for all.
        is_active: Whether the query runs.
        schedule: How often the query runs.
        last_run_at: The last run, as ISO 8601.
        created_at: When it was created, as ISO 8601.
        updated_at: When it was last changed, as ISO 8601.
    """

    __slots__ = ()
    id: int
    query_text: str
    category: str
    tags: list[str]
    providers: list[str]
    is_active: bool
    schedule: Literal["hourly", "daily", "weekly"]
    last_run_at: str | None
    created_at: str
    updated_at: str


class AiResult(Record):
    """The answer of an AI assistant.

    Attributes:
        id: The id.
        query: The id of the query; None for a simulation.
        provider: The assistant.
        raw_response: The answer.
        mentioned_brands: The brands in the answer, each with `name`, `position` and `sentiment`.
        mentioned_products: The products in the answer.
        position: The rank of your brand, from 1; None if the answer does not mention it.
        sentiment: The sentiment about your brand, from 0 to 1.
        is_simulated: Whether the answer comes from a simulation.
        captured_at: When the assistant answered, as ISO 8601.
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
    """The current answers of AI assistants, compared with earlier ones.

    Attributes:
        query_text: The question.
        providers: The assistants.
        timed_out: The assistants that timed out.
        results: The answers.
        diff: The change for each brand.
    """

    __slots__ = ()
    query_text: str
    providers: list[str]
    timed_out: list[str]
    results: list[dict[str, Any]]
    diff: list[dict[str, Any]]


class Queries(Crud[AiQuery]):
    """Track how AI assistants answer questions about your brand."""

    path = "/ai-reach/queries/"

    @endpoint("POST", "{collection}{id}/run/")
    def run(self, call: EndpointCall, id: Id) -> Receipt:
        """Queue a run without waiting for the answers.

        Args:
            id: The id of the query.
        """
        return call.receipt(id=id)

    @endpoint("GET", "{collection}{id}/results/", pagination="array")
    def results(self, call: EndpointCall, id: Id) -> Page[AiResult]:
        """List the latest answers, at most 50.

        Args:
            id: The id of the query.
        """
        return call.page(AiResult, id=id)

    @endpoint("POST", "/ai-reach/simulate/", fields=())
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
        """Ask AI assistants a question that is not a stored query, which takes up to 30 s.

        Args:
            body: The fields as a mapping.
            query_text: The question.
            providers: The assistants to ask. Default: all.
            extra_fields: Undocumented fields.
            fields: Further fields.
        """
        given = {"query_text": query_text, "providers": providers}
        fields |= {name: value for name, value in given.items() if value is not None}
        return call.record(Simulation, body=call.fields(body, fields, extra_fields))

    @endpoint("GET", "/ai-reach/dashboard/")
    def dashboard(self, call: EndpointCall) -> Record:
        """Get the visibility of your brand in all answers; the fields are undocumented."""
        return call.record(Record)

    @endpoint("GET", "/ai-reach/win-rate/", pagination="array", fields=("provider",))
    def win_rate(
        self, call: EndpointCall, /, params: Fields | None = None, *, extra_fields: Fields | None = None, **filters: Any
    ) -> Page[Record]:
        """List how often your brand ranks above each competitor, best first; the fields are undocumented.

        Args:
            params: The parameters as a mapping: `provider`.
            extra_fields: Undocumented parameters.
            filters: The parameters as keywords.
        """
        return call.page(Record, params, filters, extra_fields)
