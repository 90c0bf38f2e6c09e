"""Events that travel in one request."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import msgspec

from segops.core.encoding import join, joined_size, split
from segops.core.events import UserContext
from segops.core.http import SINGLE_PATH, Request

Claim = tuple[str | None, str | None, str | None]
"""Who somebody says that they are (user id, anonymous id), and the digest of the signature that is to prove it."""


TEXT_BYTES = 56
"""What a text takes besides its characters."""


class Batch(msgspec.Struct, eq=False):
    """Events that travel in one request.

    Attributes:
        body: The body of the request.
        count: How many events it holds.
        start: A position, among all events that were ever taken, before which none of them stands.
        path: The endpoint that it is for.
        owner: Whose session it travels under, None for a secret key.
        claim: What that session is asked for with: it tells one owner from another.
        key: Names the request to the server, the same each time it is sent.
        attempts: How often it was sent in vain.
        held_since: When it failed for the first time, on the monotonic clock.
        row: Where it is in the spool, None if it is only in memory.
    """

    body: bytes
    count: int
    start: int
    path: str
    owner: UserContext | None
    claim: Claim = (None, None, None)
    key: str = msgspec.field(default_factory=lambda: str(uuid.uuid4()))
    attempts: int = 0
    held_since: float | None = None
    row: int | None = None

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"Batch({self.count} events from {self.start})"

    def request(self) -> Request:
        """Return the request that carries it: byte for byte the same each time."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": self.key}
        return Request("POST", self.path, headers, self.body)

    @property
    def events(self) -> list[bytes]:
        """The encoded events."""
        return [self.body] if self.path == SINGLE_PATH else split(self.body)

    @property
    def size(self) -> int:
        """The bytes that the events take by themselves, with the text of their owner."""
        size = len(self.body) if self.path == SINGLE_PATH else joined_size(self.body, self.count)
        return size if self.owner is None else size + self.count * owner_size(self.owner)

    def halves(self) -> tuple[Batch, Batch]:
        """Return it cut in two."""
        events = self.events
        middle = len(events) // 2
        is_in_order = self.start >= 0 and self.owner is None  # and not from the spool, nor gathered from here and there
        second = self.start + middle if is_in_order else self.start
        return (
            Batch.of(events[:middle], self.start, self.path, self.owner, self.claim),
            Batch.of(events[middle:], second, self.path, self.owner, self.claim),
        )

    @classmethod
    def of(
        cls,
        events: Sequence[bytes],
        start: int,
        path: str,
        owner: UserContext | None = None,
        claim: Claim = (None, None, None),
    ) -> Batch:
        """Return a batch of encoded events; of one, if the path is that of single events."""
        return cls(events[0] if path == SINGLE_PATH else join(events), len(events), start, path, owner, claim)


def claim_of(owner: UserContext) -> Claim:
    """Return what a session is asked for with; its digest tells one signature from another and proves nothing."""
    if not owner.user_id_sig:
        return owner.user_id, owner.anonymous_id, None
    from hashlib import sha256  # noqa: PLC0415 - loads OpenSSL, and only public keys need it

    digest = sha256(f"{owner.user_id_ts} {owner.user_id_sig}".encode()).hexdigest()[:32]
    return owner.user_id, owner.anonymous_id, digest


def owner_size(owner: UserContext) -> int:
    """Return the bytes that the text of an owner takes in memory, at most."""
    texts = (owner.user_id, owner.anonymous_id, owner.user_id_sig)
    return sum(TEXT_BYTES + (len(text) if text.isascii() else 4 * len(text)) for text in texts if text)
