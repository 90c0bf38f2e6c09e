"""How a method and a path lead to an endpoint.

Source: wire-protocol.md, sections 1.1 and 11 (point 1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from urllib.parse import unquote

import msgspec

from segops.emulator.answers import Answer, refuse
from segops.emulator.auth import CallerKind
from segops.emulator.call import Call

SENDERS: frozenset[CallerKind] = frozenset({"secret", "session"})
OPENERS: frozenset[CallerKind] = frozenset({"public"})
USERS: frozenset[CallerKind] = frozenset({"user"})
ANYONE: frozenset[CallerKind] = frozenset({"stranger"})
"""The endpoint looks at no key: it decides by itself whom it serves."""

SECRET: frozenset[CallerKind] = frozenset({"secret", "user"})
"""Who may read and change what the tenant has."""

PAGES = frozenset({"page", "page_size"})
"""The parameters of lists. One that is not cut into pages takes them, too: clients ask any list for a page."""

_PLACEHOLDER = re.compile(r"<(?:(int):)?(\w+)>")


class Route(msgspec.Struct, frozen=True):
    """One endpoint.

    Attributes:
        method: The HTTP method.
        path: The exact path, its trailing slash included. "<int:name>" stands for a number of at most 18 digits and
            "<name>" for any other one part; both reach the endpoint as text in `Call.params`, percent-decoded.
        admits: The kinds of caller that it serves.
        endpoint: What it does.
        query: The parameters that its query may have; None for any.
    """

    method: str
    path: str
    admits: frozenset[CallerKind]
    endpoint: Callable[[Call], Answer]
    query: frozenset[str] | None = frozenset()

    def match(self, path: str) -> dict[str, str] | None:
        """Return what the placeholders stand for in an undecoded path; None if it is the path of another endpoint."""
        found = _pattern(self.path).fullmatch(path)
        return None if found is None else {name: unquote(part) for name, part in found.groupdict().items()}


def find_route(routes: Iterable[Route], method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    """Return the first endpoint of a method and a path (undecoded, without its query), and its parameters.

    Raises:
        Refusal: 404, or 405 if only the method is wrong.
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
        raise refuse(404, "Not found.")
    raise refuse(405, f'Method "{method}" not allowed.', {"allow": ", ".join(allowed)})


@cache
def _pattern(path: str) -> re.Pattern[str]:
    parts = _PLACEHOLDER.split(path)
    text = [re.escape(part) for part in parts[::3]]
    for position, (kind, name) in enumerate(zip(parts[1::3], parts[2::3], strict=True)):
        text[position] += f"(?P<{name}>[0-9]{{1,18}})" if kind else f"(?P<{name}>[^/]+)"
    return re.compile("".join(text))
