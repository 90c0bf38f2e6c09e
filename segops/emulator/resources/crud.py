"""Listing, creating, reading, updating and deleting: the same for every resource.

Source: wire-protocol.md, sections 6 and 11 (points 7 and 17).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from segops.emulator import times
from segops.emulator.answers import Answer, invalid, no_content, refuse
from segops.emulator.call import Call
from segops.emulator.pagination import paginate
from segops.emulator.resources.bodies import Field, Fields, read_fields
from segops.emulator.routing import PAGES, SECRET, Route

Row = dict[str, Any]
Check = Callable[[Call, Row, "Row | None"], Row]

AUDIT: Fields = {"created_at": Field(str, read_only=True), "updated_at": Field(str, read_only=True)}
"""When a row was made and when it was last changed; in every table."""


def _unchecked(_call: Call, values: Row, _old: Row | None) -> Row:
    return values


class Resource:
    """A table of rows that callers may change.

    Args:
        table: Its name.
        fields: Its columns besides `id`, in the order in which they are shown.
        unique: The field in which no two rows are equal.
        check: Given the call, the new values and the old row (None for a new one), returns what to store.
        show: Given a row, returns what callers see of it.
        children: For each table of rows that belong to a row of this one, the column that says to which.
        also: Fields that are documented elsewhere and change nothing here.
        bare: Whether the list can be a bare array (`LocalSegOps(bare_lists=True)`), as parts of the service answer.
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
        also: frozenset[str] = frozenset(),
    ) -> None:
        self.table = table
        self.fields = {**fields, **AUDIT}
        self.columns = ", ".join(["id", *self.fields])
        self._unique = unique
        self._check = check
        self._show = show
        self._children = children or {}
        self._bare = bare
        self._also = also | {"id"}

    def routes(self, path: str) -> tuple[Route, ...]:
        """Return the six endpoints of the resource, the collection being at `path`."""
        one = f"{path}<int:id>/"
        return (
            Route("GET", path, SECRET, self.index, PAGES),
            Route("POST", path, SECRET, self.create),
            Route("GET", one, SECRET, self.get),
            Route("PUT", one, SECRET, self.replace),
            Route("PATCH", one, SECRET, self.update),
            Route("DELETE", one, SECRET, self.delete),
        )

    def index(self, call: Call) -> Answer:
        """List them, page by page."""
        return self.page(call, self.table, ())

    def page(self, call: Call, from_where: str, values: tuple[object, ...]) -> Answer:
        """Answer with a page of the rows of `from_where`, the SQL after FROM without user text."""
        if self._bare and call.bare_lists:
            rows = call.database.query(f"SELECT {self.columns} FROM {from_where} ORDER BY id", values)  # noqa: S608 - no user text
            return Answer(200, [self.shown(row) for row in rows])
        return paginate(call, from_where, values, order="id", columns=self.columns, show=lambda *row: self.shown(row))

    def create(self, call: Call) -> Answer:
        """Create one."""
        values = self._check(call, read_fields(call, self.fields, also=self._also), None)
        return Answer(201, self._show(self.insert(call, values)))

    def get(self, call: Call) -> Answer:
        """Read one."""
        return Answer(200, self._show(self.find(call, number(call))))

    def replace(self, call: Call) -> Answer:
        """Replace one; absent fields take their defaults."""
        return self._change(call, partial=False)

    def update(self, call: Call) -> Answer:
        """Change some fields of one."""
        return self._change(call, partial=True)

    def delete(self, call: Call) -> Answer:
        """Delete one."""
        with call.database.transaction() as connection:
            if not connection.execute(f"DELETE FROM {self.table} WHERE id = ?", (number(call),)).rowcount:  # noqa: S608 - no user text
                raise refuse(404, "Not found.")
            for table, column in self._children.items():
                connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (number(call),))  # noqa: S608 - no user text
        return no_content()

    def find(self, call: Call, key: object, column: str = "id") -> Row:
        """Return the row that has `key` in `column`.

        Raises:
            Refusal: 404; there is none.
        """
        rows = call.database.query(f"SELECT {self.columns} FROM {self.table} WHERE {column} = ?", (key,))  # noqa: S608 - no user text
        if not rows:
            raise refuse(404, "Not found.")
        return self.load(rows[0])

    def all(self, call: Call, where: str = "1", values: tuple[object, ...] = ()) -> list[Row]:
        """Return the rows for which `where`, SQL without user text, holds."""
        rows = call.database.query(f"SELECT {self.columns} FROM {self.table} WHERE {where} ORDER BY id", values)  # noqa: S608 - no user text
        return [self.load(row) for row in rows]

    def insert(self, call: Call, values: Row) -> Row:
        """Store a new row and return it.

        Raises:
            Refusal: 400; another row has its unique value.
        """
        now = times.from_unix(call.now)
        stored = {**self._dumped(values), "created_at": now, "updated_at": now}
        marks = ", ".join("?" * len(stored))
        with call.database.transaction() as connection:
            self._refuse_taken(connection, values, 0)
            cursor = connection.execute(
                f"INSERT INTO {self.table} ({', '.join(stored)}) VALUES ({marks})",  # noqa: S608 - no user text
                tuple(stored.values()),
            )
        return self.find(call, cursor.lastrowid)

    def write(self, call: Call, row_id: int, values: Row) -> Row:
        """Change some columns of a row and return it.

        Raises:
            Refusal: 400; another row has its unique value. 404; it has been deleted.
        """
        stored = {**self._dumped(values), "updated_at": times.from_unix(call.now)}
        changes = ", ".join(f"{name} = ?" for name in stored)
        with call.database.transaction() as connection:
            self._refuse_taken(connection, values, row_id)
            connection.execute(
                f"UPDATE {self.table} SET {changes} WHERE id = ?",  # noqa: S608 - no user text
                (*stored.values(), row_id),
            )
        return self.find(call, row_id)

    def shown(self, row: tuple[Any, ...]) -> Row:
        """Return what callers see of a row of the table."""
        return self._show(self.load(row))

    def load(self, row: tuple[Any, ...]) -> Row:
        """Return a row of the table by its names."""
        values = zip(self.fields.items(), row[1:], strict=True)
        return {"id": row[0], **{name: field.load(value) for (name, field), value in values}}

    def _change(self, call: Call, *, partial: bool) -> Answer:
        old = self.find(call, number(call))
        values = self._check(call, read_fields(call, self.fields, partial=partial, also=self._also), old)
        return Answer(200, self._show(self.write(call, old["id"], values)))

    def _dumped(self, values: Row) -> Row:
        return {name: self.fields[name].dump(value) for name, value in values.items()}

    def _refuse_taken(self, connection: sqlite3.Connection, values: Row, row_id: int) -> None:
        if self._unique not in values:
            return
        taken = connection.execute(
            f"SELECT 1 FROM {self.table} WHERE {self._unique} = ? AND id <> ?",  # noqa: S608 - no user text
            (values[self._unique], row_id),
        ).fetchone()
        if taken:
            raise invalid({self._unique: [f"Another one with this {self._unique} exists already."]})


def number(call: Call) -> int:
    """Return the number in the path, of the routes that have `<int:id>`."""
    return int(call.params["id"])
