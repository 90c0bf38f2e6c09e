"""Segment exports: download the members of a segment as a file."""

from __future__ import annotations

import csv
import io
from importlib.util import find_spec
from typing import Literal

from segops.emulator import times
from segops.emulator.bodies import Field, read_fields
from segops.emulator.pagination import absolute
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import SECRET, RequestContext, Route, path_id
from segops.emulator.tables import Table

LIFETIME = 3600.0
"""How long an export can be downloaded, in seconds."""

_FIELDS = {"format": Field(Literal["csv", "parquet"], default="csv")}
_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}

_MEMBERS = """
    SELECT user_id, last_computed_at FROM segment_members JOIN segments ON segments.id = segment_id
    WHERE segment_id = ? ORDER BY user_id
"""

_Members = list[tuple[str, str]]

segment_exports = Table(
    "segment_exports",
    {
        "segment_id": Field(int),
        "format": Field(str),
        "ready_at": Field(float),
        "expires_at": Field(float),
        "content": Field(bytes),
    },
)


def start_export(request: RequestContext) -> ApiResponse:
    """Export the current members. The export is pending for as long as computations are delayed."""
    segment_id = _segment(request)
    file_format = read_fields(request, _FIELDS, optional=True)["format"]
    if file_format == "parquet" and find_spec("pyarrow") is None:
        raise HTTPError(400, {"format": ['Parquet requires pyarrow: pip install "segops-sdk[parquet]", or use csv.']})
    members = request.database.query(_MEMBERS, (segment_id,))
    content = _csv(members) if file_format == "csv" else _parquet(members)
    ready = request.now + request.compute_delay
    row = {
        "segment_id": segment_id,
        "format": file_format,
        "ready_at": ready,
        "expires_at": ready + LIFETIME,
        "content": content,
    }
    with request.database.transaction() as connection:
        connection.execute("DELETE FROM segment_exports WHERE expires_at <= ?", (request.now,))
        export_id = segment_exports.add(connection, row)
    return ApiResponse(202, {"export_id": export_id, "id": export_id, "status": "pending"})


def poll_export(request: RequestContext) -> ApiResponse:
    """Read the state of an export, and its download URL."""
    text = request.query.get("export_id", "")
    if not text.isascii() or not text.isdecimal():
        raise HTTPError(400, {"export_id": ["A valid integer is required."]})
    export_id = int(text[:18])
    file_format, ready_at, expires_at, _ = _export(request, "segment_id = ?", export_id, _segment(request))
    job: dict[str, object] = {"id": export_id, "export_id": export_id, "status": "pending", "format": file_format}
    if ready_at <= request.now:
        path = f"/api/segments/exports/{export_id}/download/"
        job |= {
            "status": "complete",
            "download_url": path,
            "url": absolute(request, path),
            "expires_at": times.whole_second(expires_at),
        }
    return ApiResponse(200, job)


def download_export(request: RequestContext) -> ApiResponse:
    """Download an export, within an hour."""
    export_id = path_id(request)
    file_format, _, _, content = _export(request, "ready_at <= ?", export_id, request.now)
    disposition = f'attachment; filename="segment-export-{export_id}.{file_format}"'
    return ApiResponse(200, content, {"content-type": _TYPES[file_format], "content-disposition": disposition})


def _segment(request: RequestContext) -> int:
    segment_id = path_id(request)
    if not request.database.query("SELECT 1 FROM segments WHERE id = ?", (segment_id,)):
        raise HTTPError(404)
    return segment_id


def _export(request: RequestContext, condition: str, export_id: int, value: float) -> tuple[str, float, float, bytes]:
    rows = request.database.query(
        "SELECT format, ready_at, expires_at, content FROM segment_exports "  # noqa: S608 - no user text
        f"WHERE id = ? AND expires_at > ? AND {condition}",
        (export_id, request.now, value),
    )
    if not rows:
        raise HTTPError(404)
    file_format, ready_at, expires_at, content = rows[0]
    return file_format, ready_at, expires_at, content


def _csv(members: _Members) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["user_id", "computed_at"])
    writer.writerows(members)
    return text.getvalue().encode()


def _parquet(members: _Members) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from pyarrow import parquet  # noqa: PLC0415

    columns = {"user_id": [row[0] for row in members], "computed_at": [row[1] for row in members]}
    schema = pa.schema([("user_id", pa.string()), ("computed_at", pa.string())])
    file = io.BytesIO()
    parquet.write_table(pa.table(columns, schema=schema), file, compression="snappy")
    return file.getvalue()


_PATH = "/api/segments/<int:id>/export/"
TABLES = (segment_exports.schema,)
ROUTES = (
    Route("POST", _PATH, SECRET, start_export),
    Route("GET", _PATH, SECRET, poll_export, frozenset({"export_id"})),
    Route("GET", "/api/segments/exports/<int:id>/download/", SECRET, download_export),
)
