"""Computations are queued."""

from __future__ import annotations

from typing import Literal

from segops.emulator.answers import Answer, refuse
from segops.emulator.call import Call
from segops.emulator.resources.bodies import read_nothing


def queue(call: Call, table: Literal["segments", "product_segments"]) -> Answer:
    """Queue the computation of one row of a table; 202. One that is queued already keeps its time."""
    read_nothing(call)
    with call.database.transaction() as connection:
        found = connection.execute(
            f"UPDATE {table} SET compute_due_at = coalesce(compute_due_at, ?) WHERE id = ?",  # noqa: S608 - no user text
            (call.now + call.compute_delay, int(call.params["id"])),
        ).rowcount
    if not found:
        raise refuse(404, "Not found.")
    return Answer(202, {"status": "queued"})
