"""Paginate lists by number, with links to the next and previous page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import RequestContext

PAGE_SIZE = 50
"""Rows per page unless `page_size` says otherwise."""

MAX_PAGE_SIZE = 200
"""Maximum rows per page. A larger `page_size` is lowered to this."""

_DIGITS = 18


def paginate(
    request: RequestContext,
    from_where: str,
    values: Sequence[object],
    *,
    order: str,
    columns: Sequence[str],
    show: Callable[..., object] | None = None,
) -> ApiResponse:
    """Return one page of a SELECT as "count", "next", "previous", and "results".

    Args:
        request: The request, with `page` and `page_size` in its query.
        from_where: The SQL after FROM, without user text.
        values: The values bound to it.
        order: The SQL after ORDER BY, which must order any two rows.
        columns: The columns to select.
        show: Converts the columns of one row to JSON. By default an object with the names of the columns.

    Raises:
        HTTPError: 404; the page does not exist.
    """
    (count,) = request.database.query(f"SELECT count(*) FROM {from_where}", values)[0]  # noqa: S608 - no user text
    page, size = page_of(request, count)
    rows = request.database.query(
        f"SELECT {', '.join(columns)} FROM {from_where} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608 - no user text
        (*values, size, (page - 1) * size),
    )
    results = [show(*row) if show else dict(zip(columns, row, strict=True)) for row in rows]
    return ApiResponse(200, {**links(request, count, page, size), "results": results})


def page_of(request: RequestContext, count: int) -> tuple[int, int]:
    """Return the number and the size of the requested page of `count` rows.

    Raises:
        HTTPError: 404; the page does not exist.
    """
    size = whole_number(request, "page_size", PAGE_SIZE, MAX_PAGE_SIZE)
    last = max(1, -(-count // size))
    text = request.query.get("page", "1")
    page = last if text == "last" else int(text) if text.isdecimal() and len(text) <= _DIGITS else 0
    if not 1 <= page <= last:
        raise HTTPError(404, "Invalid page.")
    return page, size


def links(request: RequestContext, count: int, page: int, size: int) -> dict[str, object]:
    """Return "count", and the absolute URLs of the next and the previous page, or null."""
    return {
        "count": count,
        "next": _url(request, page + 1) if page * size < count else None,
        "previous": _url(request, page - 1) if page > 1 else None,
    }


def whole_number(request: RequestContext, name: str, default: int, maximum: int) -> int:
    """Return a query parameter as a number from 1 to `maximum`. Values that are not positive integers are ignored."""
    text = request.query.get(name, "")
    if not text.isdecimal() or not int(text[:_DIGITS]):
        return default
    return min(int(text[:_DIGITS]), maximum)


def absolute(request: RequestContext, path: str) -> str:
    """Return the URL of a path on the requested host, which is "localhost" in process."""
    return f"http://{request.headers.get('host', 'localhost')}{path}"


def _url(request: RequestContext, page: int) -> str:
    return absolute(request, f"{request.path}?{urlencode({**request.query, 'page': page})}")
