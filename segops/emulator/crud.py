"""List, create, read, update, and delete rows in the same way for every resource."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

from segops.emulator import times
from segops.emulator.bodies import Field, Fields, read_fields
from segops.emulator.pagination import paginate
from segops.emulator.responses import ApiResponse, HTTPError, no_content
from segops.emulator.routing import PAGES, SECRET, Endpoint, RequestContext, Route, path_id
from segops.emulator.tables import Row, Table

Check = Callable[[RequestContext, Row, "Row | None"], Row]

_AUDIT: Fields = {"created_at": Field(str, read_only=True), "updated_at": Field(str, read_only=True)}


def _unchecked(_request: RequestContext, values: Row, _old: Row | None) -> Row:
    return values


class Resource(Table):
    """A table of rows that callers may change, and its endpoints.

    Args:
        name: The name of the table.
        fields: Its columns besides `id`, in the order in which they are shown.
        unique: The field whose value no two rows share.
        check: Validates new values, given the old row or None, and returns the values to store.
        show: Returns what callers see of a row.
        children: Tables of dependent rows, each with the column that refers to this table. Deleting a row deletes them.
        ignored: Documented fields that have no effect here.
        bare: Whether `LocalSegOps(bare_lists=True)` turns the list into a bare array.
        hidden: SQL of columns that callers never see, such as "due_at REAL".
    """

    def __init__(
        self,
        name: str,
        fields: Fields,
        *,
        unique: str | None = None,
        check: Check = _unchecked,
        show: Callable[[Row], Row] = dict,
        children: Mapping[str, str] | None = None,
        bare: bool = False,
        ignored: frozenset[str] = frozenset(),
        hidden: tuple[str, ...] = (),
    ) -> None:
        super().__init__(name, {**fields, **_AUDIT}, unique=unique, hidden=hidden)
        self._check = check
        self._show = show
        self._children = children or {}
        self._bare = bare
        self._ignored = ignored | {"id"}

    def routes(
        self, path: str, *, index: Endpoint | None = None, query: frozenset[str] | None = PAGES
    ) -> tuple[Route, ...]:
        """Return the six endpoints of the resource.

        Args:
            path: The path of the collection.
            index: The endpoint that lists the rows, in place of `self.index`.
            query: Query parameters of that endpoint, or None for any.
        """
        one = f"{path}<int:id>/"
        return (
            Route("GET", path, SECRET, index or self.index, query),
            Route("POST", path, SECRET, self.create),
            Route("GET", one, SECRET, self.get),
            Route("PUT", one, SECRET, self.replace),
            Route("PATCH", one, SECRET, self.update),
            Route("DELETE", one, SECRET, self.delete),
        )

    def index(self, request: RequestContext) -> ApiResponse:
        """List them, page by page."""
        return self.page(request)

    def page(self, request: RequestContext, where: str = "1", values: tuple[object, ...] = ()) -> ApiResponse:
        """Return a page of the rows that match `where`, SQL without user text."""
        if self._bare and request.bare_lists:
            return ApiResponse(200, [self._show(row) for row in self.all(request, where, values)])
        return paginate(
            request,
            f"{self.name} WHERE {where}",
            values,
            order="id",
            columns=self.columns,
            show=lambda *row: self._show(self.load(row)),
        )

    def list_children(self, request: RequestContext, table: Table, *, order: str = "id DESC") -> ApiResponse:
        """Return a page of the rows of a child table that belong to the row in the path, by default newest first.

        Raises:
            HTTPError: 404; the row does not exist.
        """
        row_id, parent = self.find(request, path_id(request))["id"], self._children[table.name]
        columns = [name for name in table.columns if name != parent]
        return paginate(request, f"{table.name} WHERE {parent} = ?", (row_id,), order=order, columns=columns)

    def create(self, request: RequestContext) -> ApiResponse:
        """Create one."""
        values = self._check(request, read_fields(request, self.fields, ignored=self._ignored), None)
        return ApiResponse(201, self._show(self.insert(request, values)))

    def get(self, request: RequestContext) -> ApiResponse:
        """Read one."""
        return ApiResponse(200, self._show(self.find(request, path_id(request))))

    def replace(self, request: RequestContext) -> ApiResponse:
        """Replace one; absent fields take their defaults."""
        return self._change(request, partial=False)

    def update(self, request: RequestContext) -> ApiResponse:
        """Change some fields of one."""
        return self._change(request, partial=True)

    def delete(self, request: RequestContext) -> ApiResponse:
        """Delete one."""
        key = (path_id(request),)
        with request.database.transaction() as connection:
            if not connection.execute(f"DELETE FROM {self.name} WHERE id = ?", key).rowcount:  # noqa: S608 - no user text
                raise HTTPError(404)
            for table, column in self._children.items():
                connection.execute(f"DELETE FROM {table} WHERE {column} = ?", key)  # noqa: S608 - no user text
        return no_content()

    def find(self, request: RequestContext, key: object, column: str = "id") -> Row:
        """Return the row that has `key` in `column`.

        Raises:
            HTTPError: 404; the row does not exist.
        """
        rows = self.all(request, f"{column} = ?", (key,))
        if not rows:
            raise HTTPError(404)
        return rows[0]

    def all(self, request: RequestContext, where: str = "1", values: tuple[object, ...] = ()) -> list[Row]:
        """Return the rows that match `where`, SQL without user text."""
        return self.rows(request.database, where, values)

    def insert(self, request: RequestContext, values: Row) -> Row:
        """Store a new row and return it.

        Raises:
            HTTPError: 400; another row has the same unique value.
        """
        now = times.from_unix(request.now)
        with request.database.transaction() as connection:
            self._check_unique(connection, values, 0)
            row_id = self.add(connection, {**values, "created_at": now, "updated_at": now})
        return self.find(request, row_id)

    def write(self, request: RequestContext, row_id: int, values: Row) -> Row:
        """Change some columns of a row and return it.

        Raises:
            HTTPError: 400; another row has the same unique value. 404; the row was deleted in the meantime.
        """
        stored = self.dumped({**values, "updated_at": times.from_unix(request.now)})
        changes = ", ".join(f"{name} = ?" for name in stored)
        with request.database.transaction() as connection:
            self._check_unique(connection, values, row_id)
            connection.execute(
                f"UPDATE {self.name} SET {changes} WHERE id = ?",  # noqa: S608 - no user text
                (*stored.values(), row_id),
            )
        return self.find(request, row_id)

    def _change(self, request: RequestContext, *, partial: bool) -> ApiResponse:
        old = self.find(request, path_id(request))
        values = read_fields(request, self.fields, partial=partial, ignored=self._ignored)
        return ApiResponse(200, self._show(self.write(request, old["id"], self._check(request, values, old))))

    def _check_unique(self, connection: sqlite3.Connection, values: Row, row_id: int) -> None:
        if self._unique not in values:
            return
        taken = connection.execute(
            f"SELECT 1 FROM {self.name} WHERE {self._unique} = ? AND id <> ?",  # noqa: S608 - no user text
            (values[self._unique], row_id),
        ).fetchone()
        if taken:
            raise HTTPError(400, {self._unique: [f"Another one with this {self._unique} exists already."]})
