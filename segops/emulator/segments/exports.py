"""The members of a segment as a file.

Source: wire-protocol.md, sections 6.1 and 11 (point 16).
"""

from __future__ import annotations

import csv
import io
from importlib.util import find_spec
from typing import Literal

from segops.emulator import times
from segops.emulator.answers import Answer, invalid, refuse
from segops.emulator.call import Call
from segops.emulator.pagination import absolute
from segops.emulator.resources.bodies import Field, read_fields

LIFETIME = 3600.0
"""How long an export can be downloaded, in seconds."""

_FIELDS = {"format": Field(Literal["csv", "parquet"], default="csv")}
_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}

_MEMBERS = """
    SELECT user_id, last_computed_at FROM segment_members JOIN segments ON segments.id = segment_id
    WHERE segment_id = ? ORDER BY user_id
"""

_Members = list[tuple[str, str]]


def start_export(call: Call) -> Answer:
    """Write the members as they are now into a file; 202. It is pending until the delay of computations is over."""
    segment_id = _segment(call)
    form = read_fields(call, _FIELDS, optional=True)["format"]
    if form == "parquet" and find_spec("pyarrow") is None:
        raise invalid({"format": ['Parquet needs pyarrow: pip install "segops-sdk[parquet]", or ask for csv.']})
    members = call.database.query(_MEMBERS, (segment_id,))
    content = _csv(members) if form == "csv" else _parquet(members)
    ready = call.now + call.compute_delay
    with call.database.transaction() as connection:
        connection.execute("DELETE FROM segment_exports WHERE expires_at <= ?", (call.now,))
        export_id = connection.execute(
            "INSERT INTO segment_exports (segment_id, format, ready_at, expires_at, content) VALUES (?, ?, ?, ?, ?)",
            (segment_id, form, ready, ready + LIFETIME, content),
        ).lastrowid
    return Answer(202, {"export_id": export_id, "id": export_id, "status": "pending"})


def poll_export(call: Call) -> Answer:
    """Tell whether an export is complete, and where it is."""
    text = call.query.get("export_id", "")
    if not text.isascii() or not text.isdecimal():
        raise invalid({"export_id": ["A valid integer is required."]})
    export_id = int(text[:18])
    form, ready_at, expires_at, _ = _export(call, "segment_id = ?", export_id, _segment(call))
    answer: dict[str, object] = {"id": export_id, "export_id": export_id, "status": "pending", "format": form}
    if ready_at <= call.now:
        path = f"/api/segments/exports/{export_id}/download/"
        answer |= {
            "status": "complete",
            "download_url": path,
            "url": absolute(call, path),
            "expires_at": times.whole_second(expires_at),
        }
    return Answer(200, answer)


def download_export(call: Call) -> Answer:
    """Give the file."""
    export_id = int(call.params["id"])
    form, _, _, content = _export(call, "ready_at <= ?", export_id, call.now)
    disposition = f'attachment; filename="segment-export-{export_id}.{form}"'
    return Answer(200, content, {"content-type": _TYPES[form], "content-disposition": disposition})


def _segment(call: Call) -> int:
    segment_id = int(call.params["id"])
    if not call.database.query("SELECT 1 FROM segments WHERE id = ?", (segment_id,)):
        raise refuse(404, "Not found.")
    return segment_id


def _export(call: Call, condition: str, export_id: int, value: float) -> tuple[str, float, float, bytes]:
    rows = call.database.query(
        "SELECT format, ready_at, expires_at, content FROM segment_exports "  # noqa: S608 - no user text
        f"WHERE id = ? AND expires_at > ? AND {condition}",
        (export_id, call.now, value),
    )
    if not rows:
        raise refuse(404, "Not found.")
    form, ready_at, expires_at, content = rows[0]
    return form, ready_at, expires_at, content


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
