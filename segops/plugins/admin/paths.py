"""Paths and queries: what a caller gives becomes one percent-encoded segment, or an error.

Source: fault-matrix.md, row 64; wire-protocol.md, sections 1.1 and 5.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote
from uuid import UUID

import msgspec

from segops.core import SegOpsArgumentError
from segops.delivery import encode_json
from segops.plugins.admin.messages import printable

Id = int | str
"""What names a record: its number, or the text that the application itself gave it."""

PREFIX = "/api"
"""What the paths of all requests begin with. Source: wire-protocol.md, section 1.1."""

_PLACEHOLDER = re.compile(r"{(\w+)}")
_IN_PATH = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/%]*")
_IN_QUERY = re.compile(r"[!\"$-~]*")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]*")
_MANY = (list, tuple, set, frozenset)
_WRITTEN = (str, int, float, UUID)


def fill(template: str, values: Mapping[str, Id]) -> str:
    """Return a path template with each "{name}" replaced by its value as one percent-encoded segment.

    Raises:
        SegOpsArgumentError: A value cannot be a segment of a path.
    """
    return _PLACEHOLDER.sub(lambda found: encode_segment(found[1], values[found[1]]), template)


def encode_segment(name: str, value: Id) -> str:
    """Return a value as one segment of a path.

    Raises:
        SegOpsArgumentError: It is neither text nor a number, or it is empty, "." or "..".
    """
    value = _of_python(name, value)
    if isinstance(value, Enum | UUID):
        value = str(value.value if isinstance(value, Enum) else value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise SegOpsArgumentError(f"{name} is a {type(value).__name__}: give a number or text")
    text = str(value)
    if text in {"", ".", ".."}:
        raise SegOpsArgumentError(f"{name} is {text!r}, which cannot stand in a path: give the id of a record")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise SegOpsArgumentError(f"{name} holds half of a surrogate pair, which is no character") from None


def check_path(path: str) -> str:
    """Return the path of a request that the caller wrote, with "/api" in front.

    Raises:
        SegOpsArgumentError: It is not an absolute, percent-encoded path, or it has dots that lead elsewhere.
    """
    if not isinstance(path, str) or not path.startswith("/") or path.startswith("//"):
        raise SegOpsArgumentError("the path must begin with one /, and is relative to the base URL: /segments/")
    bare, _, query = path.partition("?")
    if not _IN_PATH.fullmatch(bare) or not _IN_QUERY.fullmatch(query):
        raise SegOpsArgumentError("the path holds characters that must be percent-encoded: use urllib.parse.quote")
    if ("." in bare or "%" in bare) and {".", ".."}.intersection(unquote(bare).split("/")):
        raise SegOpsArgumentError("the path holds . or .. as a segment: write out where it leads")
    return path if bare == PREFIX or bare.startswith(f"{PREFIX}/") else f"{PREFIX}{path}"


def with_query(path: str, query: Mapping[str, Any]) -> str:
    """Return a path with a query; None is left out, a list is repeated, truth values are "true" and "false".

    Raises:
        SegOpsArgumentError: A value has no form in a query.
    """
    try:
        asked = "&".join(
            [
                f"{_quoted(str(name))}={_quoted(_text(name, value))}"
                for name, values in query.items()
                for value in _each(values)
            ]
        )
    except UnicodeEncodeError:
        raise SegOpsArgumentError("the query holds half of a surrogate pair, which is no character") from None
    return f"{path}{'&' if '?' in path else '?'}{asked}" if asked else path


def _quoted(text: str) -> str:
    """Quote as `urlencode` does; most text needs none, which is seen in a quarter of the time that quoting takes."""
    return text if _UNRESERVED.fullmatch(text) else quote_plus(text)


def query_of(url: str) -> dict[str, str]:
    """Return the parameters of a link, whatever it points to."""
    return dict(parse_qsl(url.partition("#")[0].partition("?")[2]))


def _each(values: Any) -> Iterable[Any]:
    if values is None:
        return ()
    return values if isinstance(values, _MANY) else (values,)


def _of_python(name: str, value: Any) -> Any:
    """Return what pandas and numpy have in place of a number, a text or a time as it stands in a body."""
    if isinstance(value, float | date) and value != value:  # noqa: PLR0124 - NaN and NaT equal nothing
        raise SegOpsArgumentError(f"{name} is NaN or NaT, a value that is missing: leave it out")
    if isinstance(value, Decimal) or type(value).__module__ == "numpy":
        return msgspec.json.decode(encode_json(value, name))
    return value


def _text(name: str, value: Any) -> str:
    value = _of_python(name, value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return _text(name, value.value)
    if isinstance(value, date):  # and datetime
        return value.isoformat()
    if isinstance(value, _WRITTEN):
        return str(value)
    raise SegOpsArgumentError(
        f"{printable(name)} is a {type(value).__name__}: a filter is text, a number or a truth value"
    )
