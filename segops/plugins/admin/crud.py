"""What every resource can do."""

from __future__ import annotations

from typing import Any, Generic

from segops.plugins.admin.bodies import merge
from segops.plugins.admin.pagination import Items, Page
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import R
from segops.plugins.admin.resource import Call, Fields, Resource, composed, endpoint


class Crud(Resource, Generic[R]):
    """The methods that every resource shares.

    Attributes:
        record: What it holds.

    Source: admin-sdk.md, "Resources"; wire-protocol.md, section 6.
    """

    record: type[R]

    @endpoint("GET", "{collection}", pagination="page")
    def list(
        self,
        call: Call,
        params: Fields | None = None,
        /,
        *,
        page: int | None = None,
        page_size: int | None = None,
        **filters: Any,
    ) -> Page[R]:
        """List one page.

        Args:
            params: The parameters as a mapping.
            page: The number of the page, from 1.
            page_size: How many items it may have; the server has its own limit.
            filters: More parameters.
        """
        return call.page(self.record, params, {"page": page, "page_size": page_size, **filters})

    @composed("list", pagination="page")
    def iterate(self, params: Fields | None = None, /, *, page_size: int | None = None, **filters: Any) -> Items[R]:
        """Go through all items; each page is fetched when it is reached.

        Args:
            params: The parameters as a mapping; `page` says where to begin.
            page_size: How many items to fetch at a time; the server has its own limit.
            filters: More parameters.
        """
        return Items(lambda: self.list(params, page_size=page_size, **filters))

    @endpoint("GET", "{collection}{id}/")
    def get(self, call: Call, id: Id) -> R:
        """Read one.

        Args:
            id: Its id.
        """
        return call.one(self.record, id=id)

    @endpoint("POST", "{collection}")
    def create(self, call: Call, body: Fields | None = None, /, **fields: Any) -> R:
        """Create one and return it as it was stored.

        Args:
            body: The fields as a mapping.
            fields: The fields as keywords.
        """
        return call.one(self.record, body=merge(body, fields))

    @endpoint("PATCH", "{collection}{id}/")
    def update(self, call: Call, id: Id, body: Fields | None = None, /, **fields: Any) -> R:
        """Change some fields of one and return it as it is now.

        Args:
            id: Its id.
            body: The new values as a mapping.
            fields: The new values as keywords.
        """
        return call.one(self.record, id=id, body=merge(body, fields))

    @endpoint("DELETE", "{collection}{id}/")
    def delete(self, call: Call, id: Id) -> None:
        """Delete one.

        Args:
            id: Its id.
        """
        call.send(at={"id": id})
