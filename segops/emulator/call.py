"""What an endpoint is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from segops.emulator.auth import Caller
from segops.emulator.database import Database
from segops.emulator.segments.compute import AfterRecompute


class Call(msgspec.Struct, frozen=True):
    """One request, once it is known who calls.

    Attributes:
        database: Where everything is.
        caller: Who calls.
        headers: The request headers, names in lower case.
        body: The request body.
        now: The unix time.
        session_lifetime: How long session tokens last, in seconds.
        path: The path, undecoded and without its query.
        params: What the placeholders of the route stand for, percent-decoded.
        query: The parameters of the query, decoded; of a repeated one, the last.
        compute_delay: How long a queued computation waits before it runs, in seconds.
        after_recompute: Called in this order after each recompute of a segment.
        refuse: How many events of a batch, counted from its first, are refused because a fault asks for it.
        bare_lists: Whether the lists of AI queries and pages are bare arrays.
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
    refuse: int = 0
    bare_lists: bool = False

    def __repr__(self) -> str:
        """Show neither headers (credentials) nor body and parameters (personal data)."""
        return f"Call({self.caller!r}, {len(self.body)} bytes)"
