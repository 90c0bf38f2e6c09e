"""Upsert many rows in requests of bounded size, and report on each row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from segops.core import (
    Action,
    SegOpsApiError,
    SegOpsArgumentError,
    SegOpsEncodingError,
    SegOpsResponseError,
    event_action,
)
from segops.delivery import encode_json
from segops.plugins.admin.fields import normalize
from segops.plugins.admin.messages import quoted
from segops.plugins.admin.records import Record

BATCH_SIZE = 500
MAX_BYTES = 900_000
"""Bytes per request, at most. The API documents no limit; common proxies accept up to 1 MiB."""


class UpsertReport(Record):
    """The result of an upsert.

    Attributes:
        created: Rows that were created.
        updated: Rows that were updated.
        errors: For each rejected row: its `index` in the input, its `sku` if it has one, and `errors`.
    """

    __slots__ = ()
    created: int
    updated: int
    errors: list[dict[str, Any]]


class Row(msgspec.Struct, frozen=True):
    """One encoded row."""

    index: int
    sku: object
    json: bytes


_ROW = dict.fromkeys(("sku", "name", "data"))

Send = Callable[[bytes], Any]
"""Sends the body of one request and returns the decoded response."""


def upsert(
    send: Send,
    rows: Iterable[Mapping[str, Any]],
    *,
    batch_size: int,
    max_bytes: int,
    progress: Callable[[UpsertReport], object] | None,
) -> UpsertReport:
    """Send rows in as many requests as needed; a rejected request is halved until only the bad row is left.

    Raises:
        SegOpsArgumentError: A bound is below 1, or `rows` is not an iterable of mappings.
        SegOpsApiError: The server returned an error that is not about the rows. Rows reported so far are stored.
        SegOpsTransportError: There was no response.
    """
    if batch_size < 1 or max_bytes < 1:
        raise SegOpsArgumentError(f"batch_size and max_bytes must be at least 1, got {batch_size} and {max_bytes}")
    if isinstance(rows, Mapping | str | bytes):
        raise SegOpsArgumentError(f"rows must be a list of mappings, got {type(rows).__name__}")
    report = UpsertReport(created=0, updated=0, errors=[])
    for chunk in split_rows(rows, report.errors, batch_size, max_bytes):
        _store(send, chunk, report)
        if progress is not None:
            progress(report)
    report.errors.sort(key=lambda error: error["index"])
    return report


def split_rows(
    rows: Iterable[Mapping[str, Any]], errors: list[dict[str, Any]], batch_size: int, max_bytes: int
) -> Iterator[list[Row]]:
    """Yield chunks of rows within both bounds; report rows that cannot be sent."""
    chunk: list[Row] = []
    size = 0
    for index, given in enumerate(rows):
        try:
            row = _encode(index, given, max_bytes)
        except (SegOpsArgumentError, SegOpsEncodingError) as error:
            errors.append(_error(index, given.get("sku") if isinstance(given, Mapping) else None, str(error)))
            continue
        if chunk and (len(chunk) == batch_size or size + len(row.json) > max_bytes):
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += len(row.json) + 1
    if chunk:
        yield chunk


def _encode(index: int, given: Mapping[str, Any], max_bytes: int) -> Row:
    if not isinstance(given, Mapping):
        raise SegOpsArgumentError(f"row must be a mapping with sku, name and data, got {type(given).__name__}")
    for name in given.keys() - _ROW.keys():
        if isinstance(name, str) and normalize(name) in _ROW:
            raise SegOpsArgumentError(
                f"unknown field {quoted(name)}: did you mean {normalize(name)!r}? put attributes into data"
            )
    json = encode_json(given, "row")
    if len(json) > max_bytes:
        raise SegOpsArgumentError(f"row has {len(json)} bytes, more than max_bytes ({max_bytes})")
    return Row(index, given.get("sku"), json)


def _store(send: Send, chunk: list[Row], report: UpsertReport) -> None:
    body = b'{"products":[' + b",".join(row.json for row in chunk) + b"]}"
    try:
        response = send(body)
    except SegOpsApiError as error:
        if event_action(error.status) is not Action.SPLIT:
            raise
        if len(chunk) == 1:
            report.errors.append(_error(chunk[0].index, chunk[0].sku, _reason(error)))
            return
        middle = len(chunk) // 2
        _store(send, chunk[:middle], report)
        _store(send, chunk[middle:], report)
        return
    if not isinstance(response, dict):
        return
    errors = response.get("errors") or []
    if not isinstance(errors, list):
        raise SegOpsResponseError(f"errors must be a list, got {type(errors).__name__}", status=200)
    for name in ("created", "updated"):
        if isinstance(response.get(name), int):
            report[name] += response[name]
    report.errors.extend(_with_index(error, chunk) for error in errors)


def _with_index(error: Any, chunk: list[Row]) -> dict[str, Any]:
    """Return an error of the server with the index of the row in the input."""
    if not isinstance(error, dict):
        return _error(chunk[0].index, None, str(error))
    index = error.get("index")
    if isinstance(index, int) and 0 <= index < len(chunk):
        row = chunk[index]
    else:
        row = next((row for row in chunk if row.sku is not None and row.sku == error.get("sku")), chunk[0])
    return {**error, "index": row.index, "sku": row.sku}


def _error(index: int, sku: object, reason: Any) -> dict[str, Any]:
    return {"index": index, "sku": sku, "errors": reason if isinstance(reason, dict) else {"row": [reason]}}


def _reason(error: SegOpsApiError) -> Any:
    return error.body if isinstance(error.body, dict) else str(error)
