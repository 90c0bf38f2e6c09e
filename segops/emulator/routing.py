"""Find the endpoint of a method and a path, and describe the request that it handles."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TypeAlias
from urllib.parse import unquote

import msgspec

from segops.emulator.auth import Caller, CallerType
from segops.emulator.database import Database
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.segments.compute import AfterRecompute

SENDERS: frozenset[CallerType] = frozenset({"secret", "session"})
OPENERS: frozenset[CallerType] = frozenset({"public"})
USERS: frozenset[CallerType] = frozenset({"user"})
ANYONE: frozenset[CallerType] = frozenset({"anyone"})
"""No credential is checked; the endpoint itself decides whom to serve."""

SECRET: frozenset[CallerType] = frozenset({"secret", "user"})
"""Callers who may read and change what the tenant has."""

PAGES = frozenset({"page", "page_size"})
"""Query parameters of lists. Lists that are not paginated accept them too, because clients ask any list for a page."""

_PLACEHOLDER = re.compile(r"<(?:(int):)?(\w+)>")

Endpoint: TypeAlias = "Callable[[RequestContext], ApiResponse]"


class Route(msgspec.Struct, frozen=True):
    """One endpoint.

    Attributes:
        method: The HTTP method.
        path: The exact path, including its trailing slash. `<int:name>` matches a number of at most 18 digits and
            `<name>` any single path segment. Both reach the endpoint as percent-decoded text in `params`.
        admits: Types of caller that may use it.
        endpoint: The function that handles it.
        query: Query parameters that it accepts, or None for any.
    """

    method: str
    path: str
    admits: frozenset[CallerType]
    endpoint: Endpoint
    query: frozenset[str] | None = frozenset()

    def match(self, path: str) -> dict[str, str] | None:
        """Return the decoded parameters in an undecoded path, or None if the path does not match."""
        found = _pattern(self.path).fullmatch(path)
        return None if found is None else {name: unquote(part) for name, part in found.groupdict().items()}


class RequestContext(msgspec.Struct, frozen=True):
    """An authenticated request, and what its endpoint works with.

    Attributes:
        database: The database.
        caller: Who sent the request.
        headers: Request headers, with lower-case names.
        body: The request body.
        now: The current time, in Unix seconds.
        session_lifetime: Lifetime of session tokens, in seconds.
        path: The path, undecoded and without its query.
        params: Decoded path parameters.
        query: Decoded query parameters. If one is repeated, the last value counts.
        compute_delay: Seconds that a queued computation waits before it runs.
        after_recompute: Functions called in this order after each recompute of a segment.
        fault_skips: Number of events at the start of a batch that a scripted fault rejects.
        bare_lists: Whether AI queries, competitors, and AI pages are listed as bare arrays.
        routes: Every route of the service.
    """

    database: Database
    caller: Caller
    headers: Mapping[str, str]
    body: bytes
    now: float
    session_lifetime: float
    path: str = ""
    params: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    compute_delay: float = 0.0
    after_recompute: Sequence[AfterRecompute] = ()
    fault_skips: int = 0
    bare_lists: bool = False
    routes: Sequence[Route] = ()

    def __repr__(self) -> str:
        """Omit credentials and personal data."""
        return f"RequestContext({self.caller!r}, {len(self.body)} bytes)"


def find_route(routes: Sequence[Route], method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    """Return the first route for a method and an undecoded path without query, and its path parameters.

    Raises:
        HTTPError: 404, or 405 if only the method is wrong.
    """
    allowed = []
    for route in routes:
        params = route.match(path)
        if params is None:
            continue
        if route.method == method:
            return route, params
        allowed.append(route.method)
    if not allowed:
        raise HTTPError(404)
    raise HTTPError(405, f'Method "{method}" not allowed.', {"allow": ", ".join(allowed)})


def path_id(request: RequestContext) -> int:
    """Return the number that `<int:id>` matched."""
    return int(request.params["id"])


@cache
def _pattern(path: str) -> re.Pattern[str]:
    parts = _PLACEHOLDER.split(path)
    text = [re.escape(part) for part in parts[::3]]
    for position, (is_int, name) in enumerate(zip(parts[1::3], parts[2::3], strict=True)):
        text[position] += f"(?P<{name}>[0-9]{{1,18}})" if is_int else f"(?P<{name}>[^/]+)"
    return re.compile("".join(text))
