"""Lists: one page at a time, or all items one by one.

Links of the server are never followed. Only the number or the cursor of the next page is taken from them, and asked
for at the endpoint that was asked before; so a link cannot lead elsewhere, and filters stay as the caller gave them.

Source: wire-protocol.md, section 1.8; fault-matrix.md, row 63.
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
"""How an endpoint is asked for a page: `page` and `page_size`; `limit` and `cursor`; `limit` alone; not at all."""

PARAMETERS: Mapping[Pagination, frozenset[str]] = {
    "page": frozenset({"page", "page_size"}),
    "cursor": frozenset({"limit", "cursor", "page", "page_size"}),
    "limit": frozenset({"limit", "page", "page_size"}),
    "array": frozenset(),
}
"""What a caller may say about pages; `page_size` is sent as what its endpoint calls it."""

SIZE_NAMES: Mapping[Pagination, str] = {"page": "page_size", "cursor": "limit", "limit": "limit"}
"""What the size of a page is called on the wire."""

_FIRST_CHOICE = "results"
_LONGEST_PAGE = 19
"""Digits of the number of a page, at most; longer ones are not counted on."""

Query = Mapping[str, Any]


class Page(Record, Generic[R]):
    """A part of a list: the envelope as it was sent, whose items are iterated over, and which knows its neighbour.

    It is a mapping with `count`, `next`, `previous` and `results`, whatever the server sent: `page["results"]`,
    `page.get("next")`, `"next" in page`, `len(page)` and `json.dumps(page)` are those of the mapping. Iterating gives
    the items, and so do numbers and slices: `page[0]`.

    Attributes:
        count: How many items there are in all, as far as the server says; otherwise how many are here.
        next: The link to the next page as the server sent it; its cursor where it sent no link; None at the end.
        previous: The link to the previous page, or None.
        results: The items.
        following: The parameter that asks for the next page, and its value; None at the end.
        response: The response: status, headers and body.
    """

    count: int
    next: str | None
    previous: str | None
    results: list[R]

    def __init__(self, fetch: Fetch, kind: type[R], query: Query) -> None:
        response = fetch.send(query)
        body = decode(fetch.what, response)
        items = _find_items(body)
        if items is None or not {dict}.issuperset(map(type, items)):
            raise unexpected(fetch.what, response, "no list of objects")
        envelope: dict[str, Any] = body if isinstance(body, dict) else {}
        if wrong := _find_wrong(envelope):
            raise unexpected(fetch.what, response, f"a list with an unusable {wrong!r}")
        super().__init__(envelope)
        self["results"] = list(map(kind, items))
        if self.get("count") is None:
            self["count"] = len(items)
        self.setdefault("next", envelope.get("next_cursor"))
        self.setdefault("previous", None)
        self._fetch = fetch
        self._kind = kind
        self._query = query
        self.response = response
        self.following = _following(envelope, query)

    def __repr__(self) -> str:
        """Show how many items there are, but none of them."""
        return f"<Page of {len(self.results)} {self._kind.__name__}, {self.count} in all>"

    def __iter__(self) -> Iterator[R]:  # type: ignore[override] # a list first, a mapping for code that takes it for one
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
            SegOpsApiError: The server refused.
            SegOpsTransportError: No response came.
        """
        if self.following is None:
            return None
        name, value = self.following
        return Page(self._fetch, self._kind, {**self._query, name: value})

    def walk(self) -> Items[R]:
        """Return the items from here to the end of the list; further pages are fetched when they are reached."""
        return Items(lambda: self)


class Fetch(msgspec.Struct, frozen=True):
    """How pages of one list are asked for.

    Attributes:
        send: Asks with these parameters.
        what: The request, as "GET /api/…".
    """

    send: Callable[[Query], Response]
    what: str


class Items(Iterator[R], Generic[R]):
    """The items of a list, one by one; each page is fetched when it is reached, and only then.

    It ends when the server says so, and also when it sends the same page again: a list whose links go round in a
    circle ends after each page was given once.
    """

    def __init__(self, first: Callable[[], Page[R]]) -> None:
        self._pages = _walk(first)
        self._items = chain.from_iterable(page.results for page in self._pages)

    def __iter__(self) -> Iterator[R]:
        return self._items  # gives an item to a loop in a fraction of the time that __next__ takes

    def __next__(self) -> R:
        return next(self._items)

    def pages(self) -> Iterator[Page[R]]:
        """Return the pages instead; what was taken from this iterator so far is not given again."""
        return self._pages


def _walk(first: Callable[[], Page[R]]) -> Iterator[Page[R]]:
    page: Page[R] | None = first()
    bodies: tuple[bytes, ...] = ()  # of the first page and of the one before: others ask for what was asked for already
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
            return  # the list became shorter meanwhile


def _find_items(body: Any) -> list[Any] | None:
    """Return the array of an answer: itself, its "results", or the only array in it."""
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
    """Return the parameter that asks for the next page, and its value; None if there is none."""
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


def _find_wrong(envelope: Mapping[str, Any]) -> str | None:
    """Return the part of an envelope that is not of its type; None if there is none.

    What leads to the next page and cannot be read is an error: a list must not end there in silence.
    """
    types: Mapping[str, tuple[type, ...]] = {"count": (int,), "next": (str,), "next_cursor": (str, int)}
    return next(
        (name for name, kinds in types.items() if (value := envelope.get(name)) and type(value) not in kinds), None
    )
