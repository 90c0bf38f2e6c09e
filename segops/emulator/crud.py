"""List, create, read, update, and delete rows in the same way for every resource."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from segops.emulator import times
from segops.emulator.bodies import Field, Fields, read_fields
from segops.emulator.pagination import paginate
from segops.emulator.responses import ApiResponse, HTTPError, no_content
from segops.emulator.routing import PAGES, SECRET, Endpoint, RequestContext, Route, path_id

Row = dict[str, Any]
Check = Callable[[RequestContext, Row, "Row | None"], Row]

_AUDIT: Fields = {"created_at": Field(str, read_only=True), "updated_at": Field(str, read_only=True)}


def _unchecked(_request: RequestContext, values: Row, _old: Row | None) -> Row:
    return values


class Resource:
    """A table of rows that callers may change, and its endpoints.

    Args:
        table: The name of the table.
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
        table: str,
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
        self.table = table
        self.fields = {**fields, **_AUDIT}
        self.columns = ("id", *self.fields)
        self._select = f"SELECT {', '.join(self.columns)} FROM"
        self._unique = unique
        self._check = check
        self._show = show
        self._children = children or {}
        self._bare = bare
        self._ignored = ignored | {"id"}
        self._hidden = hidden

    @property
    def schema(self) -> str:
        """The statement that creates the table."""
        columns = [
            f"{name} {field.column()}{' UNIQUE' * (name == self._unique)}" for name, field in self.fields.items()
        ]
        return (
            f"CREATE TABLE {self.table} (id INTEGER PRIMARY KEY AUTOINCREMENT, {', '.join([*columns, *self._hidden])})"
        )

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
        return self.page(request, self.table, ())

    def page(self, request: RequestContext, from_where: str, values: tuple[object, ...]) -> ApiResponse:
        """Return a page of the rows of `from_where`, the SQL after FROM without user text."""
        if self._bare and request.bare_lists:
            rows = request.database.query(f"{self._select} {from_where} ORDER BY id", values)
            return ApiResponse(200, [self._show(self.load(row)) for row in rows])
        return paginate(
            request,
            from_where,
            values,
            order="id",
            columns=self.columns,
            show=lambda *row: self._show(self.load(row)),
        )

    def children(self, request: RequestContext, table: str, *columns: str, order: str = "id DESC") -> ApiResponse:
        """Return a page of the rows of a child table that belong to the row in the path, by default newest first.

        Raises:
            HTTPError: 404; the row does not exist.
        """
        row_id = self.find(request, path_id(request))["id"]
        return paginate(
            request,
            f"{table} WHERE {self._children[table]} = ?",
            (row_id,),
            order=order,
            columns=("id", *columns),
        )

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
            if not connection.execute(f"DELETE FROM {self.table} WHERE id = ?", key).rowcount:  # noqa: S608 - no user text
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
        rows = request.database.query(f"{self._select} {self.table} WHERE {where} ORDER BY id", values)
        return [self.load(row) for row in rows]

    def insert(self, request: RequestContext, values: Row) -> Row:
        """Store a new row and return it.

        Raises:
            HTTPError: 400; another row has the same unique value.
        """
        now = times.from_unix(request.now)
        stored = {**self._dumped(values), "created_at": now, "updated_at": now}
        marks = ", ".join("?" * len(stored))
        with request.database.transaction() as connection:
            self._check_unique(connection, values, 0)
            cursor = connection.execute(
                f"INSERT INTO {self.table} ({', '.join(stored)}) VALUES ({marks})",  # noqa: S608 - no user text
                tuple(stored.values()),
            )
        return self.find(request, cursor.lastrowid)

    def write(self, request: RequestContext, row_id: int, values: Row) -> Row:
        """Change some columns of a row and return it.

        Raises:
            HTTPError: 400; another row has the same unique value. 404; the row was deleted in the meantime.
        """
        stored = {**self._dumped(values), "updated_at": times.from_unix(request.now)}
        changes = ", ".join(f"{name} = ?" for name in stored)
        with request.database.transaction() as connection:
            self._check_unique(connection, values, row_id)
            connection.execute(
                f"UPDATE {self.table} SET {changes} WHERE id = ?",  # noqa: S608 - no user text
                (*stored.values(), row_id),
            )
        return self.find(request, row_id)

    def load(self, row: tuple[Any, ...]) -> Row:
        """Return a row of `self.columns` as an object."""
        values = zip(self.fields.items(), row[1:], strict=True)
        return {"id": row[0], **{name: field.load(value) for (name, field), value in values}}

    def _change(self, request: RequestContext, *, partial: bool) -> ApiResponse:
        old = self.find(request, path_id(request))
        values = read_fields(request, self.fields, partial=partial, ignored=self._ignored)
        return ApiResponse(200, self._show(self.write(request, old["id"], self._check(request, values, old))))

    def _dumped(self, values: Row) -> Row:
        return {name: self.fields[name].dump(value) for name, value in values.items()}

    def _check_unique(self, connection: sqlite3.Connection, values: Row, row_id: int) -> None:
        if self._unique not in values:
            return
        taken = connection.execute(
            f"SELECT 1 FROM {self.table} WHERE {self._unique} = ? AND id <> ?",  # noqa: S608 - no user text
            (values[self._unique], row_id),
        ).fetchone()
        if taken:
            raise HTTPError(400, {self._unique: [f"Another one with this {self._unique} exists already."]})
