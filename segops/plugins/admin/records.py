"""Records: the objects that the server sends, with their documented fields as attributes."""

from __future__ import annotations

import inspect
from operator import itemgetter
from typing import Any, TypeVar

from segops.core import SegOpsResponseError
from segops.plugins.admin.messages import listed, quoted

_DIGITS = 19
"""Digits of an id, at most."""

R = TypeVar("R", bound="Record")


class Record(dict[str, Any]):
    """An object of the API: a dict of what the server sent, with its fields as attributes.

    Subclasses annotate the documented fields. Nothing is converted or checked: a missing field raises AttributeError
    when you read it, and a field may have another type than documented. Undocumented fields are attributes too, unless
    every record has an attribute of that name; `record["items"]` always works.

    Raises:
        TypeError: A subclass annotates a field that shadows an attribute of every record, or gives it a value.
    """

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        # A property around a C function is ten times as fast as __getattr__.
        for name in _annotated(cls):
            if hasattr(Record, name):
                raise TypeError(f"{cls.__name__} annotates {name!r}, an attribute of every record: read it as an item")
            if name in vars(cls):
                raise TypeError(f"{cls.__name__} gives {name!r} a default, but fields have none: use get({name!r}, …)")
            setattr(cls, name, property(itemgetter(name)))

    def __missing__(self, name: str) -> Any:
        raise _MissingError(name)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self:
            return self[name]
        raise AttributeError(f"{type(self).__name__!r} has no field {name!r}: the server sent {listed(self.keys())}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(name for name in self.keys() if name.isidentifier())})

    def __repr__(self) -> str:
        """Show only a numeric id: the other fields may contain personal data."""
        number = self.get("id")
        return f"<{type(self).__name__} {number}>" if isinstance(number, int) else f"<{type(self).__name__}>"

    @property
    def extra(self) -> dict[str, Any]:
        """The undocumented fields."""
        documented = documented_fields(type(self))
        return {name: value for name, value in self.items() if name not in documented}

    def to_dict(self) -> dict[str, Any]:
        """Return exactly what the server sent, as a new dict."""
        return dict(self)


def number_of(record: Record, *names: str) -> int:
    """Return the numeric id of a record, from the first of several names that the server sent.

    Raises:
        SegOpsResponseError: The server sent no number.
    """
    found = next((record[name] for name in names if record.get(name) is not None), None)
    if isinstance(found, str) and found.isdecimal() and len(found) <= _DIGITS:
        return int(found)
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    raise SegOpsResponseError(
        f"{type(record).__name__}: {' or '.join(names)} must be a number, got {quoted(found)}", status=200
    )


class _MissingError(KeyError, AttributeError):
    """A field that the server did not send; raised for items and attributes alike."""


def documented_fields(cls: type[Record]) -> dict[str, Any]:
    """Return the annotations of the fields of a record class by name, base classes first."""
    fields: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base is not Record and issubclass(base, Record):
            fields |= _annotated(base)
    return fields


def _annotated(cls: type[Record]) -> dict[str, Any]:
    """Return the annotations of fields, leaving out class variables."""
    return {name: type_ for name, type_ in inspect.get_annotations(cls).items() if "ClassVar" not in str(type_)}


class Receipt(Record):
    """The response to an action: what the server did or will do.

    Attributes:
        status: Such as "queued".
    """

    __slots__ = ()
    status: str
