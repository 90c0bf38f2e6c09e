"""What an endpoint is given."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from segops.local.auth import Caller
from segops.local.database import Database


class Call(msgspec.Struct, frozen=True):
    """One request, once it is known who calls.

    Attributes:
        database: Where everything is.
        caller: Who calls.
        headers: The request headers, names in lower case.
        body: The request body.
        now: The unix time.
        session_lifetime: How long session tokens last, in seconds.
    """

    database: Database
    caller: Caller
    headers: Mapping[str, str]
    body: bytes
    now: float
    session_lifetime: float

    def __repr__(self) -> str:
        """Show neither headers (credentials) nor body (personal data)."""
        return f"Call({self.caller!r}, {len(self.body)} bytes)"
