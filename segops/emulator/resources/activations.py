"""Activations: sync a segment to a connector.

Nothing leaves this machine. What a connector would send is written to the table `outbox`.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any, Literal

from segops.emulator import times
from segops.emulator.bodies import Field, Number, read_nothing
from segops.emulator.crud import Resource
from segops.emulator.database import Database
from segops.emulator.resources.tenant import MASK
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import PAGES, SECRET, RequestContext, Route, path_id
from segops.emulator.segments.compute import Recomputed
from segops.emulator.tables import Row, Table
from segops.emulator.unknown_fields import unknown_field_errors

SIMULATED_ERROR = "simulate_error"
"""The config key whose value becomes the error of every sync."""

OUTBOX = "outbox"
"""A connector that exists only locally. Its config may contain anything."""

_REQUIRED = {
    "klaviyo": ("list_id", "api_key"),
    "braze": ("rest_endpoint", "api_key"),
    "talonone": ("base_url", "api_key", "audience_id"),
    OUTBOX: (),
}
_OPTIONAL = {"braze": ("segment_id",)}
_SECRET = re.compile(r"(?:^|_)(?:key|secret|token|password)$", re.IGNORECASE)


def _check(request: RequestContext, values: Row, old: Row | None) -> Row:
    values = dict(values)
    if "segment" in values and not request.database.query("SELECT 1 FROM segments WHERE id = ?", (values["segment"],)):
        raise HTTPError(400, {"segment": [f"Segment {values['segment']} does not exist."]})
    if old is None:
        values["status"] = "inactive"
    elif values.get("status") == "active":
        values["last_error"] = None
    connector, config = ({**(old or {}), **values}[name] for name in ("connector_type", "config"))
    if old:
        config = {name: _unmasked(name, value, old["config"]) for name, value in config.items()}
    missing = [name for name in _REQUIRED[connector] if not config.get(name)]
    if missing:
        raise HTTPError(400, {"config": [f"{connector} needs {name}." for name in missing]})
    known = {*_REQUIRED[connector], *_OPTIONAL.get(connector, ()), SIMULATED_ERROR}
    if connector != OUTBOX and (unknown := unknown_field_errors(config, known)):
        raise HTTPError(400, {"config": [f"{name}: {message}" for name, (message,) in unknown.items()]})
    return {**values, "config": config}


def _unmasked(name: str, value: Any, old: Row) -> Any:
    """Return a config value, with the mask replaced by the stored secret."""
    return old[name] if value == MASK and name in old and _SECRET.search(name) else value


def _show(row: Row) -> Row:
    config = {name: MASK if value and _SECRET.search(name) else value for name, value in row["config"].items()}
    return {**row, "config": config}


activations = Resource(
    "activations",
    {
        "segment": Field(Number),
        "connector_type": Field(Literal["klaviyo", "braze", "talonone", "outbox"]),
        "status": Field(Literal["inactive", "active"], "inactive"),
        "config": Field(dict[str, Any], {}, json=True),
        "last_synced_at": Field(str, read_only=True),
        "last_error": Field(str, read_only=True),
    },
    check=_check,
    show=_show,
    children={"audience_members": "activation_id", "outbox": "activation_id", "sync_logs": "activation_id"},
)

sync_logs = Table(
    "sync_logs",
    {
        "activation_id": Field(int),
        "status": Field(str),
        "user_count": Field(int),
        "added": Field(int),
        "removed": Field(int),
        "error_message": Field(str, None),
        "synced_at": Field(str),
    },
)
outbox = Table(
    OUTBOX,
    {
        "activation_id": Field(int),
        "connector_type": Field(str),
        "action": Field(str),
        "user_id": Field(str),
        "created_at": Field(str),
    },
)


def sync(request: RequestContext) -> ApiResponse:
    """Sync an activation now, whatever its status."""
    read_nothing(request)
    row = activations.find(request, path_id(request))
    with request.database.transaction() as connection:
        log = _sync(connection, row, times.from_unix(request.now))
    return ApiResponse(202, log)


def logs(request: RequestContext) -> ApiResponse:
    """List the syncs of an activation, newest first."""
    return activations.list_children(request, sync_logs)


def list_outbox(request: RequestContext) -> ApiResponse:
    """List what the connector of an activation sent: one row for each user added or removed."""
    return activations.list_children(request, outbox, order="id")


def sync_active(database: Database, recomputed: Recomputed) -> None:
    """Sync the active activations of a recomputed segment."""
    for row in activations.rows(database, "segment = ? AND status = 'active'", (recomputed.segment_id,)):
        with database.transaction() as connection:
            _sync(connection, row, recomputed.computed_at)


def _sync(connection: sqlite3.Connection, row: Row, now: str) -> Row:
    error = row["config"].get(SIMULATED_ERROR)
    if not connection.execute("SELECT 1 FROM segments WHERE id = ?", (row["segment"],)).fetchone():
        error = f"Segment {row['segment']} does not exist."
    added, removed = (0, 0) if error else _exchange(connection, row, now)
    (users,) = connection.execute(
        "SELECT count(*) FROM audience_members WHERE activation_id = ?", (row["id"],)
    ).fetchone()
    log = {
        "status": "error" if error else "success",
        "user_count": users,
        "added": added,
        "removed": removed,
        "error_message": str(error) if error else None,
        "synced_at": now,
    }
    sync_logs.add(connection, {"activation_id": row["id"], **log})
    if error:
        connection.execute(
            "UPDATE activations SET status = 'error', last_error = ? WHERE id = ?", (str(error), row["id"])
        )
    else:
        connection.execute(
            """
            UPDATE activations SET last_synced_at = ?, last_error = NULL,
                status = CASE status WHEN 'error' THEN 'active' ELSE status END
            WHERE id = ?
            """,
            (now, row["id"]),
        )
    return log


def _exchange(connection: sqlite3.Connection, row: Row, now: str) -> tuple[int, int]:
    """Send the users who entered and left since the last sync, and return how many of each."""
    counts = []
    for action, users in (("add", _ENTRANTS), ("remove", _LEAVERS)):
        values = {"activation": row["id"], "segment": row["segment"]}
        sent = connection.execute(
            f"""
            INSERT INTO outbox (activation_id, connector_type, action, user_id, created_at)
            SELECT :activation, :connector, :action, user_id, :now FROM ({users}) ORDER BY user_id
            """,  # noqa: S608 - no user text
            {**values, "connector": row["connector_type"], "action": action, "now": now},
        )
        counts.append(sent.rowcount)
    connection.execute("DELETE FROM audience_members WHERE activation_id = ?", (row["id"],))
    connection.execute(
        "INSERT INTO audience_members SELECT ?, user_id FROM segment_members WHERE segment_id = ?",
        (row["id"], row["segment"]),
    )
    return counts[0], counts[1]


_ENTRANTS = """
    SELECT user_id FROM segment_members WHERE segment_id = :segment
    EXCEPT SELECT user_id FROM audience_members WHERE activation_id = :activation
"""
_LEAVERS = """
    SELECT user_id FROM audience_members WHERE activation_id = :activation
    EXCEPT SELECT user_id FROM segment_members WHERE segment_id = :segment
"""


_PATH = "/api/activations/"
TABLES = (
    activations.schema,
    # The audience at the connector.
    """
    CREATE TABLE audience_members (
        activation_id INTEGER NOT NULL,
        user_id TEXT NOT NULL,
        PRIMARY KEY (activation_id, user_id)
    ) WITHOUT ROWID
    """,
    outbox.schema,
    sync_logs.schema,
)
ROUTES = (
    *activations.routes(_PATH),
    Route("POST", f"{_PATH}<int:id>/sync/", SECRET, sync),
    Route("GET", f"{_PATH}<int:id>/logs/", SECRET, logs, PAGES),
    Route("GET", f"{_PATH}<int:id>/outbox/", SECRET, list_outbox, PAGES),
)
