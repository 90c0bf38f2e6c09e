"""Tables whose columns are declared as fields."""

from __future__ import annotations

import sqlite3
from typing import Any

from segops.emulator.bodies import Fields
from segops.emulator.database import Database

Row = dict[str, Any]


class Table:
    """A table of rows with an id.

    Args:
        name: The name of the table.
        fields: Its columns besides `id`, in the order in which they are shown.
        unique: The field whose value no two rows share.
        hidden: SQL of columns that callers never see, such as "due_at REAL".
    """

    def __init__(self, name: str, fields: Fields, *, unique: str | None = None, hidden: tuple[str, ...] = ()) -> None:
        self.name = name
        self.fields = fields
        self.columns = ("id", *fields)
        self._unique = unique
        self._hidden = hidden

    @property
    def schema(self) -> str:
        """The statement that creates the table."""
        columns = [
            f"{name} {field.column()}{' UNIQUE' * (name == self._unique)}" for name, field in self.fields.items()
        ]
        return (
            f"CREATE TABLE {self.name} (id INTEGER PRIMARY KEY AUTOINCREMENT, {', '.join([*columns, *self._hidden])})"
        )

    def rows(
        self, database: Database, where: str = "1", values: tuple[object, ...] = (), *, order: str = "id"
    ) -> list[Row]:
        """Return the rows that match `where`. Both `where` and `order` are SQL without user text."""
        sql = f"SELECT {', '.join(self.columns)} FROM {self.name} WHERE {where} ORDER BY {order}"  # noqa: S608 - as documented
        return [self.load(row) for row in database.query(sql, values)]

    def add(self, connection: sqlite3.Connection, values: Row) -> int:
        """Insert a row and return its id. Absent columns take their defaults."""
        stored = self.dumped(values)
        marks = ", ".join("?" * len(stored))
        sql = f"INSERT INTO {self.name} ({', '.join(stored)}) VALUES ({marks})"  # noqa: S608 - no user text
        return connection.execute(sql, tuple(stored.values())).lastrowid or 0

    def load(self, row: tuple[Any, ...]) -> Row:
        """Return a row of `columns` as an object."""
        values = zip(self.fields.items(), row[1:], strict=True)
        return {"id": row[0], **{name: field.load(value) for (name, field), value in values}}

    def dumped(self, values: Row) -> Row:
        """Return values as the columns hold them."""
        return {name: self.fields[name].dump(value) for name, value in values.items()}
