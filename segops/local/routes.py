"""The one table of endpoints; what is not in it is answered with 404 or 405.

Source: wire-protocol.md, sections 1.1 and 11 (point 1).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from segops.core import BATCH_PATH, SESSION_PATH, SINGLE_PATH
from segops.local.answers import Answer, refuse
from segops.local.auth import CallerKind
from segops.local.call import Call
from segops.local.ingestion import track, track_batch
from segops.local.sessions import open_session


class Route(msgspec.Struct, frozen=True):
    """One endpoint.

    Attributes:
        method: The HTTP method.
        path: The exact path, its trailing slash included.
        admits: The kinds of caller that it serves.
        endpoint: What it does.
    """

    method: str
    path: str
    admits: frozenset[CallerKind]
    endpoint: Callable[[Call], Answer]


_SENDERS: frozenset[CallerKind] = frozenset({"secret", "session"})
_OPENERS: frozenset[CallerKind] = frozenset({"public"})

ROUTES = (
    Route("POST", SINGLE_PATH, _SENDERS, track),
    Route("POST", BATCH_PATH, _SENDERS, track_batch),
    Route("POST", SESSION_PATH, _OPENERS, open_session),
)


def find_route(method: str, path: str) -> Route:
    """Return the endpoint of a method and a path (without its query).

    Raises:
        Refusal: 404, or 405 if only the method is wrong.
    """
    routes = {route.method: route for route in ROUTES if route.path == path}
    if not routes:
        raise refuse(404, "Not found.")
    if method not in routes:
        raise refuse(405, f'Method "{method}" not allowed.', {"allow": ", ".join(routes)})
    return routes[method]
