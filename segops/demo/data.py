"""The events of the demo: the purchases of a file, and page views."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.resources import files
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from segops import PageView
from segops.core import Event, SegOpsConfigError
from segops.utils import decode_text

if TYPE_CHECKING:
    from importlib.abc import Traversable

_NAME = "cdnow_sample.txt"

_ROW = re.compile(r"\s*(\S+)\s+\S+\s+(\d{4})(\d\d)(\d\d)\s+(\d{1,9})\s+(\d{1,12}(?:\.\d{1,9})?)\s*", re.ASCII)

_SHOP = "https://cds.example"

_VISITS = (
    ("https://chatgpt.com/", "/new-releases"),
    ("https://www.google.com/", "/"),
    ("https://www.perplexity.ai/search?q=best+jazz+albums+of+1997", "/jazz"),
    ("https://claude.ai/", "/gift-ideas"),
    (None, "/account"),
    ("https://chatgpt.com/?q=where+to+buy+music+on+cd", "/"),
    ("https://www.netflix.com/", "/soundtracks"),
    ("https://gemini.google.com/", "/classical"),
    ("https://www.bing.com/search?q=cheap+cds", "/offers"),
    ("https://grok.com/", "/rock"),
    ("https://news.ycombinator.com/item?id=1", "/about"),
    ("https://www.perplexity.ai/", "/new-releases"),
)
"""Referrer and landing page of each visit."""


def find_sample() -> Traversable:
    """Return the sample file: next to this module when installed or zipped, in `examples/` in a checkout."""
    packaged = files("segops.demo").joinpath(_NAME)
    return packaged if packaged.is_file() else Path(__file__).parents[2] / "examples" / "data" / _NAME


def read_orders(path: Traversable, limit: int | None = None) -> list[Event]:
    """Return one `order_placed` event for each row of a file, with its true date.

    Args:
        path: The file, with the columns of examples/data/README.md.
        limit: The maximum number of rows. Default: all.

    Raises:
        SegOpsConfigError: The file cannot be read, or a row is not a purchase.
    """
    try:
        lines = decode_text(path.read_bytes()).splitlines()
    except OSError as error:
        raise _cannot_read(path, error.strerror) from None
    except ValueError as error:
        raise _cannot_read(path, error) from None
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise SegOpsConfigError(f"{path} is empty: pass --data with a file of purchases")
    return [_order(path, number, line) for number, line in numbered[:limit]]


def _cannot_read(path: Traversable, reason: object) -> SegOpsConfigError:
    return SegOpsConfigError(f"cannot read {path} ({reason}): pass --data with a file of purchases")


def make_visits(orders: Sequence[Event]) -> list[PageView]:
    """Return a dozen page views of the users who placed the orders; some came from AI assistants."""
    users = cycle(dict.fromkeys(order.user_id for order in orders))
    return [
        PageView(user_id=user, path=path, url=_SHOP + path, referrer=referrer)
        for user, (referrer, path) in zip(users, _VISITS)  # noqa: B905 - the users repeat without end
    ]


def spend_of(orders: Sequence[Event]) -> float:
    """Return the sum of all order totals, rounded to cents."""
    return round(math.fsum(order.payload["total"] for order in orders), 2)


def _order(path: Traversable, number: int, line: str) -> Event:
    found = _ROW.fullmatch(line)
    when = found and _date(*found.group(2, 3, 4))
    if not found or not when:
        raise SegOpsConfigError(
            f"line {number} of {path} is not a purchase: expected a customer id, a second id, a date as YYYYMMDD, "
            "a quantity and a total, separated by spaces"
        )
    payload = {"total": float(found[6]), "quantity": int(found[5]), "currency": "USD"}
    return Event(user_id=f"cdnow-{found[1]}", event_type="order_placed", occurred_at=when, payload=payload)


def _date(year: str, month: str, day: str) -> datetime | None:
    try:
        return datetime(int(year), int(month), int(day), tzinfo=timezone.utc)
    except ValueError:
        return None
