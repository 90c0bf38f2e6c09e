"""Read lists page by page, or item by item.

The SDK never follows links of the server. It takes only the number or the cursor of the next page from a link and asks
the same endpoint for it, so that a link cannot lead elsewhere and the caller's filters stay as they are.

Source: Admin SDK, "Pagination"; docs/reliability.md, row 63.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, Generic, Literal, TypeVar, overload

import msgspec

from segops.core import Response, SegOpsNotFoundError
from segops.plugins.admin.bodies import decode, unexpected
from segops.plugins.admin.paths import query_of
from segops.plugins.admin.records import Record

R = TypeVar("R", bound=Record)

Pagination = Literal["page", "cursor", "limit", "array"]
"""The parameters that ask for a page: `page` and `page_size`; `limit` and `cursor`; only `limit`; none."""

PARAMETERS: Mapping[Pagination, frozenset[str]] = {
    "page": frozenset({"page", "page_size"}),
    "cursor": frozenset({"limit", "cursor", "page", "page_size"}),
    "limit": frozenset({"limit", "page", "page_size"}),
    "array": frozenset(),
}
"""The paging parameters that callers may pass; `page_size` is sent under the name that the endpoint uses."""

SIZE_NAMES: Mapping[Pagination, str] = {"page": "page_size", "cursor": "limit", "limit": "limit"}
"""The name of the page size on the wire."""

_FIRST_CHOICE = "results"
_LONGEST_PAGE = 19
"""Digits of a page number, at most."""

Query = Mapping[str, Any]


class Page(Record, Generic[R]):
    """One page of a list.

    A page is a mapping with `count`, `next`, `previous` and `results`, whatever the server sent: `page["results"]`,
    `page.get("next")`, `"next" in page`, `len(page)` and `json.dumps(page)` work on the mapping. Iteration, numbers and
    slices work on the items: `page[0]`.

    Attributes:
        count: The total number of items if the server sends it, otherwise the number of items on this page.
        next: The link to the next page as the server sent it, or its cursor; None on the last page.
        previous: The link to the previous page, or None.
        results: The items.
        following: The parameter that asks for the next page, and its value; None on the last page.
        response: The response: status, headers and body.
    """

    count: int
    next: str | None
    previous: str | None
    results: list[R]

    def __init__(self, fetch: Fetch, cls: type[R], query: Query) -> None:
        response = fetch.send(query)
        body = decode(fetch.what, response)
        items = _find_items(body)
        if items is None or not {dict}.issuperset(map(type, items)):
            raise unexpected(fetch.what, response, "a list of objects", "other JSON")
        envelope: dict[str, Any] = body if isinstance(body, dict) else {}
        if invalid := _find_invalid(envelope):
            raise unexpected(fetch.what, response, "a list of objects", f"one with an invalid {invalid!r}")
        super().__init__(envelope)
        self["results"] = list(map(cls, items))
        if self.get("count") is None:
            self["count"] = len(items)
        self.setdefault("next", envelope.get("next_cursor"))
        self.setdefault("previous", None)
        self._fetch = fetch
        self._cls = cls
        self._query = query
        self.response = response
        self.following = _following(envelope, query)

    def __repr__(self) -> str:
        """Show the number of items only."""
        return f"<Page of {len(self.results)} {self._cls.__name__}, {self.count} in total>"

    def __iter__(self) -> Iterator[R]:  # type: ignore[override] # iterates over items, not over keys
        return iter(self.results)

    @overload
    def __getitem__(self, key: str) -> Any: ...
    @overload
    def __getitem__(self, key: int) -> R: ...
    @overload
    def __getitem__(self, key: slice) -> list[R]: ...
    def __getitem__(self, key: str | int | slice) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else self.results[key]

    def to_dict(self) -> Any:
        """Return exactly what the server sent."""
        return decode(self._fetch.what, self.response)

    def next_page(self) -> Page[R] | None:
        """Fetch the next page; None after the last one.

        Raises:
            SegOpsApiError: The server returned an error.
            SegOpsTransportError: There was no response.
        """
        if self.following is None:
            return None
        name, value = self.following
        return Page(self._fetch, self._cls, {**self._query, name: value})

    def walk(self) -> Items[R]:
        """Iterate over the items from here to the end of the list, fetching further pages on demand."""
        return Items(lambda: self)


class Fetch(msgspec.Struct, frozen=True):
    """How to fetch the pages of one list.

    Attributes:
        send: Sends the request with these parameters.
        what: The request, as "GET /api/…".
    """

    send: Callable[[Query], Response]
    what: str


class Items(Iterator[R], Generic[R]):
    """An iterator over the items of a list, which fetches each page on demand.

    It ends on the last page, and also when the server repeats a page: a list whose links form a loop yields each page
    once.
    """

    def __init__(self, first: Callable[[], Page[R]]) -> None:
        self._pages = _walk(first)
        self._items = chain.from_iterable(page.results for page in self._pages)

    def __iter__(self) -> Iterator[R]:
        return self._items  # much faster in a loop than __next__

    def __next__(self) -> R:
        return next(self._items)

    def pages(self) -> Iterator[Page[R]]:
        """Return the remaining pages instead of the items."""
        return self._pages


def _walk(first: Callable[[], Page[R]]) -> Iterator[Page[R]]:
    page: Page[R] | None = first()
    bodies: tuple[bytes, ...] = ()  # of the first and the previous page; `asked` catches other repetitions
    asked: set[Any] = set()
    while page is not None and page.response.body not in bodies:
        yield page
        bodies = (*bodies[:1], page.response.body)
        if page.following in asked:
            return
        asked.add(page.following)
        try:
            page = page.next_page()
        except SegOpsNotFoundError as error:
            if "invalid page" not in error.text.lower():
                raise
            return  # the list has shrunk since the previous page


def _find_items(body: Any) -> list[Any] | None:
    """Return the array of a body: the body itself, its "results", or its only array."""
    if isinstance(body, list):
        return body
    if not isinstance(body, dict):
        return None
    found = body.get(_FIRST_CHOICE)
    if isinstance(found, list):
        return found
    arrays = [value for value in body.values() if isinstance(value, list)]
    return arrays[0] if len(arrays) == 1 else None


def _following(envelope: Mapping[str, Any], query: Query) -> tuple[str, str | int] | None:
    """Return the parameter that asks for the next page, and its value; None on the last page."""
    link = envelope.get("next")
    cursor = envelope.get("next_cursor")
    if cursor and "page" not in query:
        return "cursor", str(cursor)
    if not isinstance(link, str) or not link:
        return None
    asked = query_of(link)
    if "cursor" in asked and "page" not in query:
        return "cursor", asked["cursor"]
    if "page" in asked:
        return "page", asked["page"]
    page = str(query.get("page", 1))
    return ("page", int(page) + 1) if page.isdecimal() and len(page) < _LONGEST_PAGE else None


def _find_invalid(envelope: Mapping[str, Any]) -> str | None:
    """Return the name of a value in an envelope that has the wrong type, or None.

    An unreadable link to the next page is an error: the list must not end there silently.
    """
    types: Mapping[str, tuple[type, ...]] = {"count": (int,), "next": (str,), "next_cursor": (str, int)}
    return next(
        (name for name, kinds in types.items() if (value := envelope.get(name)) and type(value) not in kinds), None
    )
