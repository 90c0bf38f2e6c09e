"""Many rows in requests of bounded size, with what became of each row."""

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
from segops.plugins.admin.fields import bare
from segops.plugins.admin.messages import quoted
from segops.plugins.admin.records import Record

BATCH_SIZE = 500
MAX_BYTES = 900_000
"""What one request holds at most: no limit is documented; below 1 MiB is safe behind common proxies."""


class UpsertReport(Record):
    """What became of the rows.

    Attributes:
        created: How many were new.
        updated: How many existed.
        errors: For each row that was not taken: its `index` in what was given, its `sku` if it has one, and `errors`.
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
"""Sends the body of one request and returns the decoded answer."""


def upsert(
    send: Send,
    rows: Iterable[Mapping[str, Any]],
    *,
    batch_size: int,
    max_bytes: int,
    progress: Callable[[UpsertReport], object] | None,
) -> UpsertReport:
    """Send rows in as many requests as it takes; a request that is refused is cut in half, down to the bad row.

    Raises:
        SegOpsArgumentError: A bound is below 1, or what is given are no rows.
        SegOpsApiError: The server refused for another reason than the rows; what was reported so far is stored.
        SegOpsTransportError: No answer came.
    """
    if batch_size < 1 or max_bytes < 1:
        raise SegOpsArgumentError("batch_size and max_bytes must be at least 1")
    if isinstance(rows, Mapping | str | bytes):
        raise SegOpsArgumentError(f"a {type(rows).__name__} holds no rows: give a list of mappings")
    report = UpsertReport(created=0, updated=0, errors=[])
    for chunk in cut(rows, report.errors, batch_size, max_bytes):
        _store(send, chunk, report)
        if progress is not None:
            progress(report)
    report.errors.sort(key=lambda error: error["index"])
    return report


def cut(
    rows: Iterable[Mapping[str, Any]], errors: list[dict[str, Any]], batch_size: int, max_bytes: int
) -> Iterator[list[Row]]:
    """Yield chunks of rows within both bounds; rows that cannot be sent are reported instead."""
    chunk: list[Row] = []
    size = 0
    for index, given in enumerate(rows):
        try:
            row = _read(index, given, max_bytes)
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


def _read(index: int, given: Mapping[str, Any], max_bytes: int) -> Row:
    if not isinstance(given, Mapping):
        raise SegOpsArgumentError(f"a row is a mapping with sku, name and data, not a {type(given).__name__}")
    for name in given.keys() - _ROW.keys():
        if isinstance(name, str) and bare(name) in _ROW:
            raise SegOpsArgumentError(
                f"unknown field {quoted(name)}: did you mean {bare(name)!r}? attributes go into data"
            )
    json = encode_json(given, "row")
    if len(json) > max_bytes:
        raise SegOpsArgumentError(f"the row has {len(json)} bytes, more than max_bytes ({max_bytes})")
    return Row(index, given.get("sku"), json)


def _store(send: Send, chunk: list[Row], report: UpsertReport) -> None:
    body = b'{"products":[' + b",".join(row.json for row in chunk) + b"]}"
    try:
        answer = send(body)
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
    if not isinstance(answer, dict):
        return
    errors = answer.get("errors") or []
    if not isinstance(errors, list):
        raise SegOpsResponseError(f"the errors of the rows must be a list, got {type(errors).__name__}", status=200)
    for name in ("created", "updated"):
        if isinstance(answer.get(name), int):
            report[name] += answer[name]
    report.errors.extend(_placed(error, chunk) for error in errors)


def _placed(error: Any, chunk: list[Row]) -> dict[str, Any]:
    """Return what the server says about a row, with the row's place in what was given."""
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
