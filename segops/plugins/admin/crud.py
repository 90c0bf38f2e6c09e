"""What every resource can do."""

from __future__ import annotations

from typing import Any, Generic, Literal, cast, get_args

from segops.plugins.admin.fields import AllowedFields
from segops.plugins.admin.pagination import PARAMETERS, Items, Page
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import R, Record, documented_fields
from segops.plugins.admin.resource import Endpoint, EndpointCall, Fields, Resource, composite, endpoint

UpdateMethod = Literal["PATCH", "PUT"]
"""How `update` changes a record: some of its fields, or all of it."""

_AUDIT = frozenset({"id", "created_at", "updated_at"})
"""Fields that a stored record may have whatever it is, so that one that was read can be sent back."""


class Crud(Resource, Generic[R]):
    """The methods that every resource shares.

    Attributes:
        record: What it holds. Its documented fields are what bodies may have and what lists may be filtered by.
        more_fields: Fields of bodies besides those.
        more_filters: Parameters of lists besides those.

    Source: admin-sdk.md, "Resources"; wire-protocol.md, section 6.
    """

    record: type[R]
    more_fields: frozenset[str] = frozenset()
    more_filters: frozenset[str] = frozenset()

    def __init_subclass__(cls) -> None:
        """Take the record from the base class: `Crud[Segment]` holds segments."""
        super().__init_subclass__()
        for base in vars(cls).get("__orig_bases__", ()):
            for record in get_args(base):
                if isinstance(record, type) and issubclass(record, Record):
                    cls.record = cast("type[R]", record)

    @classmethod
    def allowed_fields(cls, endpoint: Endpoint) -> AllowedFields | None:
        """Return the names that the body or the query of an endpoint may have; None if any will do."""
        documented = frozenset(documented_fields(cls.record))
        if not documented and not cls.unlisted:
            return None
        if endpoint.fields == "record":
            return AllowedFields(documented | _AUDIT | cls.more_fields)
        if endpoint.fields == "filters":
            return AllowedFields(documented | PARAMETERS[endpoint.pagination or "page"] | cls.more_filters)
        return super().allowed_fields(endpoint)

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
            page: The number of the page, from 1.
            page_size: How many items it may have; the server has its own limit.
            extra_fields: Parameters that are not documented.
            filters: More parameters: documented fields of the items.
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
        """Go through all items; each page is fetched when it is reached.

        Args:
            params: The parameters as a mapping; `page` says where to begin.
            page_size: How many items to fetch at a time; the server has its own limit.
            extra_fields: Parameters that are not documented.
            filters: More parameters: documented fields of the items.
        """
        query = self.check_params("list", params, {"page_size": page_size, **filters}, extra_fields)
        return Items(lambda: self.list(extra_fields=query))

    @endpoint("GET", "{collection}{id}/")
    def get(self, call: EndpointCall, id: Id) -> R:
        """Read one.

        Args:
            id: Its id.
        """
        return call.record(self.record, id=id)

    @endpoint("POST", "{collection}", fields="record")
    def create(
        self, call: EndpointCall, /, body: Fields | None = None, *, extra_fields: Fields | None = None, **fields: Any
    ) -> R:
        """Create one and return it as it was stored.

        Args:
            body: The fields as a mapping.
            extra_fields: Fields that are not documented.
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
        """Change some fields of one and return it as it is now.

        Args:
            id: Its id.
            body: The new values as a mapping.
            method: "PUT" replaces it as a whole: fields that are not given take their defaults.
            extra_fields: Fields that are not documented.
            fields: The new values as keywords.
        """
        sent = call.fields(body, fields, extra_fields)
        return call.with_method(method, "PATCH", "PUT").record(self.record, id=id, body=sent)

    @endpoint("DELETE", "{collection}{id}/")
    def delete(self, call: EndpointCall, id: Id) -> None:
        """Delete one.

        Args:
            id: Its id.
        """
        call.send(at={"id": id})
