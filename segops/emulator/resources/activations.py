"""Activations: a segment is kept the same at the other end of a connector.

The other end is local: what a connector would send is written to the table `outbox`.
Source: wire-protocol.md, section 6.5.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any, Literal

from segops.emulator import times
from segops.emulator.answers import Answer, invalid
from segops.emulator.call import Call
from segops.emulator.database import Database
from segops.emulator.pagination import paginate
from segops.emulator.resources.bodies import Field, Number, read_nothing
from segops.emulator.resources.crud import Resource, Row, number
from segops.emulator.segments.compute import Recomputed
from segops.emulator.strictness import unknown_errors

MASK = "***"

SIMULATED_ERROR = "simulate_error"
"""The name in a config whose text makes every sync fail with it."""

OUTBOX = "outbox"
"""The connector that is only here; its config may hold anything."""

_REQUIRED = {
    "klaviyo": ("list_id", "api_key"),
    "braze": ("rest_endpoint", "api_key"),
    "talonone": ("base_url", "api_key", "audience_id"),
    OUTBOX: (),
}
_OPTIONAL = {"braze": ("segment_id",)}
_SECRET = re.compile(r"(?:^|_)(?:key|secret|token|password)$", re.IGNORECASE)


def _check(call: Call, values: Row, old: Row | None) -> Row:
    values = dict(values)
    if "segment" in values and not call.database.query("SELECT 1 FROM segments WHERE id = ?", (values["segment"],)):
        raise invalid({"segment": [f"There is no segment {values['segment']}."]})
    if old is None:
        values["status"] = "inactive"
    elif values.get("status") == "active":
        values["last_error"] = None
    connector, config = ({**(old or {}), **values}[name] for name in ("connector_type", "config"))
    if old:
        config = {name: _unmasked(name, value, old["config"]) for name, value in config.items()}
    missing = [name for name in _REQUIRED[connector] if not config.get(name)]
    if missing:
        raise invalid({"config": [f"{connector} needs {name}." for name in missing]})
    known = {*_REQUIRED[connector], *_OPTIONAL.get(connector, ()), SIMULATED_ERROR}
    if connector != OUTBOX and (unknown := unknown_errors(config, known)):
        raise invalid({"config": [f"{name}: {complaint}" for name, (complaint,) in unknown.items()]})
    return {**values, "config": config}


def _unmasked(name: str, value: Any, old: Row) -> Any:
    """Return a value of a config; the mask, sent back, means the secret that is stored."""
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


def sync(call: Call) -> Answer:
    """Sync an activation now, whatever its status."""
    read_nothing(call)
    row = activations.find(call, number(call))
    with call.database.transaction() as connection:
        log = _sync(connection, row, times.from_unix(call.now))
    return Answer(202, log)


def logs(call: Call) -> Answer:
    """List the syncs of an activation, newest first."""
    activations.find(call, number(call))
    columns = ("id", "status", "user_count", "added", "removed", "error_message", "synced_at")
    return paginate(
        call,
        "sync_logs WHERE activation_id = ?",
        (number(call),),
        order="id DESC",
        columns=", ".join(columns),
        show=lambda *row: dict(zip(columns, row, strict=True)),
    )


def outbox(call: Call) -> Answer:
    """List what the connector of an activation has sent: one row for each user added or removed."""
    activations.find(call, number(call))
    columns = ("id", "connector_type", "action", "user_id", "created_at")
    return paginate(
        call,
        "outbox WHERE activation_id = ?",
        (number(call),),
        order="id",
        columns=", ".join(columns),
        show=lambda *row: dict(zip(columns, row, strict=True)),
    )


def sync_active(database: Database, recomputed: Recomputed) -> None:
    """Sync the active activations of a segment that was recomputed."""
    rows = database.query(
        f"SELECT {activations.columns} FROM activations WHERE segment = ? AND status = 'active' ORDER BY id",  # noqa: S608 - no user text
        (recomputed.segment_id,),
    )
    for row in rows:
        with database.transaction() as connection:
            _sync(connection, activations.load(row), recomputed.computed_at)


def _sync(connection: sqlite3.Connection, row: Row, now: str) -> Row:
    error = row["config"].get(SIMULATED_ERROR)
    if not connection.execute("SELECT 1 FROM segments WHERE id = ?", (row["segment"],)).fetchone():
        error = f"The segment {row['segment']} does not exist any more."
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
    connection.execute(
        """
        INSERT INTO sync_logs (activation_id, status, user_count, added, removed, error_message, synced_at)
        VALUES (:activation_id, :status, :user_count, :added, :removed, :error_message, :synced_at)
        """,
        {"activation_id": row["id"], **log},
    )
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
    """Send who has entered and who has left since the last sync; return how many of each."""
    counts = []
    for action, users in (("add", _ENTRANTS), ("remove", _LEAVERS)):
        values = {"activation": row["id"], "segment": row["segment"]}
        gone = connection.execute(
            f"""
            INSERT INTO outbox (activation_id, connector_type, action, user_id, created_at)
            SELECT :activation, :connector, :action, user_id, :now FROM ({users}) ORDER BY user_id
            """,  # noqa: S608 - no user text
            {**values, "connector": row["connector_type"], "action": action, "now": now},
        )
        counts.append(gone.rowcount)
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
