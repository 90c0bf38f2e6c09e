"""What the server sends, with the documented fields as attributes."""

from __future__ import annotations

import inspect
from operator import itemgetter
from typing import Any, TypeVar

from segops.core import SegOpsResponseError
from segops.plugins.admin.messages import listed, quoted

_DIGITS = 19
"""Digits of the number of a record, at most."""

R = TypeVar("R", bound="Record")


class Record(dict[str, Any]):
    """An object of the API: a dict of what was sent, whose documented fields are attributes as well.

    Subclasses annotate the documented fields. What was sent is kept as it came: a field that is missing is an
    AttributeError when it is asked for, and a field of another type than documented is no error here. Fields that
    nobody documented are attributes too, unless all records have one of that name; `record["items"]` always works.

    Raises:
        TypeError: A subclass annotates a field that has the name of what all records have, or gives it a value.
    """

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        # A property around a function of C is read in a tenth of the time that __getattr__ takes.
        for name in _annotated(cls):
            if hasattr(Record, name):
                raise TypeError(f"{cls.__name__} annotates {name!r}, which all records have: read it as an item")
            if name in vars(cls):
                raise TypeError(
                    f"{cls.__name__} gives {name!r} a value, but a field is what was sent: use get({name!r}, …)"
                )
            setattr(cls, name, property(itemgetter(name)))

    def __missing__(self, name: str) -> Any:
        raise _MissingError(name)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self:
            return self[name]
        raise AttributeError(f"{type(self).__name__!r} has no {name!r}: the server sent {listed(self.keys())}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(name for name in self.keys() if name.isidentifier())})

    def __repr__(self) -> str:
        """Show a number as id and nothing else: the fields hold personal data."""
        number = self.get("id")
        return f"<{type(self).__name__} {number}>" if isinstance(number, int) else f"<{type(self).__name__}>"

    @property
    def extra(self) -> dict[str, Any]:
        """The fields that are not documented for this kind of record."""
        documented = documented_fields(type(self))
        return {name: value for name, value in self.items() if name not in documented}

    def to_dict(self) -> dict[str, Any]:
        """Return exactly what the server sent, as a new dict."""
        return dict(self)


def number_of(record: Record, *names: str) -> int:
    """Return the number of a record under the first of some names that the server sent.

    Raises:
        SegOpsResponseError: The server sent none that is a number.
    """
    found = next((record[name] for name in names if record.get(name) is not None), None)
    if isinstance(found, str) and found.isdecimal() and len(found) <= _DIGITS:
        return int(found)
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    raise SegOpsResponseError(
        f"the server sent no usable {' or '.join(names)} of the {type(record).__name__}: {quoted(found)}", status=200
    )


class _MissingError(KeyError, AttributeError):
    """A field that was not sent, whichever way it was asked for."""


def documented_fields(kind: type[Record]) -> dict[str, Any]:
    """Return the annotations of a kind of record by the name of the field, those of its base classes first."""
    fields: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if base is not Record and issubclass(base, Record):
            fields |= _annotated(base)
    return fields


def _annotated(kind: type[Record]) -> dict[str, Any]:
    """Return the annotations of fields, which those of the class's own variables are not."""
    return {name: type_ for name, type_ in inspect.get_annotations(kind).items() if "ClassVar" not in str(type_)}


class Receipt(Record):
    """The answer to an action: what the server says it did or will do.

    Attributes:
        status: Such as "queued".
    """

    __slots__ = ()
    status: str
