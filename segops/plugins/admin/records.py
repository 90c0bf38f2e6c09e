"""What the server sends, with the documented fields as attributes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

R = TypeVar("R", bound="Record")


class Record:
    """An object of the API: `record.name`, or `record["name"]`, which also reaches fields that nobody documented.

    Subclasses annotate the documented fields. What was sent is kept as it came: a field that is missing is an
    AttributeError when it is asked for, and a field of another type than documented is no error here.

    Args:
        data: The decoded JSON object; it is not copied.
    """

    __slots__ = ("_data",)

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._data:
            return self._data[name]
        raise AttributeError(f"{type(self).__name__!r} has no {name!r}: the server sent {', '.join(self._data)}")

    def __getitem__(self, name: str) -> Any:
        return self._data[name]

    def __contains__(self, name: object) -> bool:
        return name in self._data

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(name for name in self._data if name.isidentifier())})

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Record):
            return type(self) is type(other) and self._data == other._data
        return NotImplemented

    __hash__ = None  # type: ignore[assignment] # what it holds can change

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._data,)

    def __repr__(self) -> str:
        """Show a number as id and nothing else: the fields hold personal data."""
        number = self._data.get("id")
        return f"<{type(self).__name__} {number}>" if isinstance(number, int) else f"<{type(self).__name__}>"

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field, or `default` if the server did not send it."""
        return self._data.get(name, default)

    @property
    def extra(self) -> dict[str, Any]:
        """The fields that are not documented for this kind of record."""
        documented = documented_fields(type(self))
        return {name: value for name, value in self._data.items() if name not in documented}

    def to_dict(self) -> dict[str, Any]:
        """Return exactly what the server sent, as a new dict."""
        return dict(self._data)


def documented_fields(kind: type[Record]) -> dict[str, Any]:
    """Return the annotations of a kind of record by the name of the field, those of its base classes first."""
    fields: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if base is not Record and issubclass(base, Record):
            fields |= inspect.get_annotations(base)
    return fields


class Receipt(Record):
    """The answer to an action: what the server says it did or will do.

    Attributes:
        status: Such as "queued".
    """

    __slots__ = ()
    status: str
