"""The one table of endpoints; what is not in it is answered with 404 or 405.

Source: wire-protocol.md, sections 1.1 and 11 (point 1).
"""

from __future__ import annotations

from segops.core import BATCH_PATH, SESSION_PATH, SINGLE_PATH
from segops.emulator.ingestion import track, track_batch
from segops.emulator.resources.table import RESOURCE_ROUTES
from segops.emulator.routing import OPENERS, SENDERS, Route
from segops.emulator.segments import endpoints as segments
from segops.emulator.sessions import open_session

ROUTES: tuple[Route, ...] = (
    Route("POST", BATCH_PATH, SENDERS, track_batch, None),
    Route("POST", SINGLE_PATH, SENDERS, track, None),
    Route("POST", SESSION_PATH, OPENERS, open_session, None),
    *RESOURCE_ROUTES,
    *segments.ROUTES,
)
