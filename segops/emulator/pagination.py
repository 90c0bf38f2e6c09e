"""Lists cut into numbered pages, with links to the neighbours.

Source: wire-protocol.md, sections 1.8 and 11 (point 7).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from segops.emulator.answers import Answer, refuse
from segops.emulator.call import Call

PAGE_SIZE = 50
"""How many rows a page has unless `page_size` says otherwise."""

MAX_PAGE_SIZE = 200
"""The most rows of a page; a larger `page_size` means this."""

_DIGITS = 18


def paginate(
    call: Call, from_where: str, values: Sequence[object], *, order: str, columns: str, show: Callable[..., object]
) -> Answer:
    """Answer with one page of a SELECT: "count", "next", "previous" and "results".

    Args:
        call: What was asked; `page` and `page_size` are read from its query.
        from_where: The SQL after FROM, without user text.
        values: What is bound to it.
        order: The SQL after ORDER BY; must tell any two rows apart.
        columns: The SQL after SELECT.
        show: Turns one row, given as arguments, into JSON.

    Raises:
        Refusal: 404; there is no such page.
    """
    (count,) = call.database.query(f"SELECT count(*) FROM {from_where}", values)[0]  # noqa: S608 - no user text
    page, size = page_of(call, count)
    rows = call.database.query(
        f"SELECT {columns} FROM {from_where} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608 - no user text
        (*values, size, (page - 1) * size),
    )
    return Answer(200, {**links(call, count, page, size), "results": [show(*row) for row in rows]})


def page_of(call: Call, count: int) -> tuple[int, int]:
    """Return the number and the size of the page that is asked for, of `count` rows.

    Raises:
        Refusal: 404; there is no such page.
    """
    size = whole_number(call, "page_size", PAGE_SIZE, MAX_PAGE_SIZE)
    last = max(1, -(-count // size))
    text = call.query.get("page", "1")
    page = last if text == "last" else int(text) if text.isdecimal() and len(text) <= _DIGITS else 0
    if not 1 <= page <= last:
        raise refuse(404, "Invalid page.")
    return page, size


def links(call: Call, count: int, page: int, size: int) -> dict[str, object]:
    """Return "count", and the absolute URLs of the next and the previous page or null."""
    return {
        "count": count,
        "next": _url(call, page + 1) if page * size < count else None,
        "previous": _url(call, page - 1) if page > 1 else None,
    }


def whole_number(call: Call, name: str, default: int, most: int) -> int:
    """Return a parameter as a number from 1 to `most`; what is no such number counts as absent, or as `most`."""
    text = call.query.get(name, "")
    if not text.isdecimal() or not int(text[:_DIGITS]):
        return default
    return min(int(text[:_DIGITS]), most)


def absolute(call: Call, path: str) -> str:
    """Return a path as a URL of the host that was asked; "localhost" in process."""
    return f"http://{call.headers.get('host', 'localhost')}{path}"


def _url(call: Call, page: int) -> str:
    return absolute(call, f"{call.path}?{urlencode({**call.query, 'page': page})}")
