"""The methods that every resource shares."""

from __future__ import annotations

from typing import Any, Generic, Literal, cast, get_args

from segops.plugins.admin.fields import AllowedFields
from segops.plugins.admin.pagination import PARAMETERS, Items, Page
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import R, Record, documented_fields
from segops.plugins.admin.resource import Endpoint, EndpointCall, Fields, Resource, composite, endpoint, words_of

UpdateMethod = Literal["PATCH", "PUT"]
"""How `update` changes a record: PATCH changes some fields, PUT replaces all."""

_AUDIT = frozenset({"id", "created_at", "updated_at"})
"""Fields that any stored record may have, so that a record that was read can be sent back."""


class Crud(Resource, Generic[R]):
    """The methods that every resource shares.

    Attributes:
        record: The class of its records, taken from `Crud[…]`. Bodies accept its documented fields, and lists filter by
            them.
        more_fields: Further fields of bodies.
        more_filters: Further parameters of lists.

    Source: Admin SDK, "Resources".
    """

    record: type[R]
    more_fields: frozenset[str] = frozenset()
    more_filters: frozenset[str] = frozenset()

    def __init_subclass__(cls) -> None:
        """Set `record` to the argument of the generic base class: `Crud[Segment]`."""
        super().__init_subclass__()
        for base in vars(cls).get("__orig_bases__", ()):
            for record in get_args(base):
                if isinstance(record, type) and issubclass(record, Record):
                    cls.record = cast("type[R]", record)

    @classmethod
    def allowed_fields(cls, endpoint: Endpoint) -> AllowedFields | None:
        """Return the names that the body or the query of an endpoint may contain; None for any."""
        documented = frozenset(documented_fields(cls.record))
        if not documented and not cls.unlisted:
            return None
        if endpoint.fields == "record":
            return AllowedFields(documented | _AUDIT | cls.more_fields)
        if endpoint.fields == "filters":
            return AllowedFields(documented | PARAMETERS[endpoint.pagination or "page"] | cls.more_filters)
        return super().allowed_fields(endpoint)

    @classmethod
    def noun(cls, placeholder: str) -> str:
        """Return what a placeholder of a path identifies: `id` is the id of a record."""
        return words_of(cls.record.__name__) if placeholder == "id" else super().noun(placeholder)

    @endpoint("GET", "{collection}", pagination="page", fields="filters")
    def list(
        self,
        call: EndpointCall,
        /,
        params: Fields | None = None,
        *,
        page: int | None = None,
        page_size: int | None = None,
        extra_fields: Fields | None = None,
        **filters: Any,
    ) -> Page[R]:
        """List one page.

        Args:
            params: The parameters as a mapping.
            page: The page number, from 1.
            page_size: Items per page; the server has its own limit.
            extra_fields: Undocumented parameters.
            filters: Further parameters: documented fields of the items.
        """
        return call.page(self.record, params, {"page": page, "page_size": page_size, **filters}, extra_fields)

    @composite("list", pagination="page")
    def iterate(
        self,
        params: Fields | None = None,
        *,
        page_size: int | None = None,
        extra_fields: Fields | None = None,
        **filters: Any,
    ) -> Items[R]:
        """Iterate over all items, fetching each page on demand.

        Args:
            params: The parameters as a mapping; `page` sets the first page.
            page_size: Items per page; the server has its own limit.
            extra_fields: Undocumented parameters.
            filters: Further parameters: documented fields of the items.
        """
        query = self.check_params("list", params, {"page_size": page_size, **filters}, extra_fields)
        return Items(lambda: self.list(extra_fields=query))

    @endpoint("GET", "{collection}{id}/")
    def get(self, call: EndpointCall, id: Id) -> R:
        """Get one by its id.

        Args:
            id: The id.
        """
        return call.record(self.record, id=id)

    @endpoint("POST", "{collection}", fields="record")
    def create(
        self, call: EndpointCall, /, body: Fields | None = None, *, extra_fields: Fields | None = None, **fields: Any
    ) -> R:
        """Create one and return it as stored.

        Args:
            body: The fields as a mapping.
            extra_fields: Undocumented fields.
            fields: The fields as keywords.
        """
        return call.record(self.record, body=call.fields(body, fields, extra_fields))

    @endpoint("PATCH", "{collection}{id}/", fields="record")
    def update(
        self,
        call: EndpointCall,
        /,
        id: Id,
        body: Fields | None = None,
        *,
        method: UpdateMethod = "PATCH",
        extra_fields: Fields | None = None,
        **fields: Any,
    ) -> R:
        """Update one and return it as stored.

        Args:
            id: The id.
            body: The new values as a mapping.
            method: "PATCH" changes the given fields, "PUT" replaces the record: other fields take their defaults.
            extra_fields: Undocumented fields.
            fields: The new values as keywords.
        """
        sent = call.fields(body, fields, extra_fields)
        return call.with_method(method, "PATCH", "PUT").record(self.record, id=id, body=sent)

    @endpoint("DELETE", "{collection}{id}/")
    def delete(self, call: EndpointCall, id: Id) -> None:
        """Delete one by its id.

        Args:
            id: The id.
        """
        call.send(at={"id": id})
