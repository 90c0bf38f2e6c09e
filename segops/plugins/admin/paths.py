"""Build paths and queries: each value becomes one percent-encoded segment, or an error.

Source: docs/reliability.md, row 64.
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
"""The id of a record: a number, or the text that the application chose."""

PREFIX = "/api"
"""The prefix of all paths."""

_PLACEHOLDER = re.compile(r"{(\w+)}")
_IN_PATH = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/%]*")
_IN_QUERY = re.compile(r"[!\"$-~]*")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]*")
_MANY = (list, tuple, set, frozenset)
_WRITTEN = (str, int, float, UUID)


def fill(template: str, values: Mapping[str, Id]) -> str:
    """Return a path template with each "{name}" replaced by its value, percent-encoded.

    Raises:
        SegOpsArgumentError: A value cannot be a path segment.
    """
    return _PLACEHOLDER.sub(lambda found: encode_segment(found[1], values[found[1]]), template)


def encode_segment(name: str, value: Id) -> str:
    """Return a value as one path segment.

    Raises:
        SegOpsArgumentError: The value is not text or a number, or it is empty, "." or "..".
    """
    value = _of_python(name, value)
    if isinstance(value, Enum | UUID):
        value = str(value.value if isinstance(value, Enum) else value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise SegOpsArgumentError(f"{name} must be a number or a string, got {type(value).__name__}")
    text = str(value)
    if text in {"", ".", ".."}:
        raise SegOpsArgumentError(f"{name} must be the id of a record, got {text!r}")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise SegOpsArgumentError(f"{name} contains a lone surrogate, which cannot be encoded: remove it") from None


def check_path(path: str) -> str:
    """Check a path that the caller wrote and return it with the "/api" prefix.

    Raises:
        SegOpsArgumentError: The path is not absolute and percent-encoded, or contains "." or ".." segments.
    """
    if not isinstance(path, str) or not path.startswith("/") or path.startswith("//"):
        raise SegOpsArgumentError(
            "the path must start with a single / and be relative to the base URL, such as /segments/"
        )
    bare, _, query = path.partition("?")
    if not _IN_PATH.fullmatch(bare) or not _IN_QUERY.fullmatch(query):
        raise SegOpsArgumentError("the path contains characters that must be percent-encoded: use urllib.parse.quote")
    if ("." in bare or "%" in bare) and {".", ".."}.intersection(unquote(bare).split("/")):
        raise SegOpsArgumentError("the path contains a . or .. segment: write the resolved path")
    return path if bare == PREFIX or bare.startswith(f"{PREFIX}/") else f"{PREFIX}{path}"


def with_query(path: str, query: Mapping[str, Any]) -> str:
    """Return a path with a query.

    None is left out, a list repeats the parameter, and booleans are "true" and "false".

    Raises:
        SegOpsArgumentError: A value cannot be part of a query.
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
        raise SegOpsArgumentError("the query contains a lone surrogate, which cannot be encoded: remove it") from None
    return f"{path}{'&' if '?' in path else '?'}{asked}" if asked else path


def _quoted(text: str) -> str:
    """Quote as `urlencode` does, with a fast path for text that needs no quoting."""
    return text if _UNRESERVED.fullmatch(text) else quote_plus(text)


def query_of(url: str) -> dict[str, str]:
    """Return the query parameters of a link."""
    return dict(parse_qsl(url.partition("#")[0].partition("?")[2]))


def _each(values: Any) -> Iterable[Any]:
    if values is None:
        return ()
    return values if isinstance(values, _MANY) else (values,)


def _of_python(name: str, value: Any) -> Any:
    """Convert numbers and times of pandas and numpy as in a body."""
    if isinstance(value, float | date) and value != value:  # noqa: PLR0124 - NaN and NaT equal nothing
        raise SegOpsArgumentError(f"{name} is NaN or NaT: leave out missing values")
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
    raise SegOpsArgumentError(f"{printable(name)} must be a string, a number or a boolean, got {type(value).__name__}")
