"""Make the request of a batch, halve a batch, and measure it."""

from __future__ import annotations

from segops.core.encoding import joined_size
from segops.core.events import UserContext
from segops.core.http import SINGLE_PATH, Request
from segops.core.spool import Batch, Claim

TEXT_BYTES = 56
"""Bytes of memory that a str takes besides its characters."""


def request_of(batch: Batch) -> Request:
    """Return the request of a batch, byte for byte the same each time."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": batch.key}
    return Request("POST", batch.path, headers, batch.body)


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """Return a batch cut in two."""
    events = batch.events
    middle = len(events) // 2
    is_in_order = batch.start >= 0 and batch.owner is None  # neither from the spool, nor sorted by user
    second = batch.start + middle if is_in_order else batch.start
    return (
        Batch.of(events[:middle], batch.start, batch.path, batch.owner, batch.claim),
        Batch.of(events[middle:], second, batch.path, batch.owner, batch.claim),
    )


def size_of(batch: Batch) -> int:
    """Return the bytes of the events, with the text of their owner."""
    size = len(batch.body) if batch.path == SINGLE_PATH else joined_size(batch.body, batch.count)
    return size if batch.owner is None else size + batch.count * owner_size(batch.owner)


def claim_of(owner: UserContext) -> Claim:
    """Return the claim of an owner. Its digest tells signatures apart and cannot be used to authenticate."""
    if not owner.user_id_sig:
        return owner.user_id, owner.anonymous_id, None
    from hashlib import sha256  # noqa: PLC0415 - loads OpenSSL, and only public keys need it

    digest = sha256(f"{owner.user_id_ts} {owner.user_id_sig}".encode()).hexdigest()[:32]
    return owner.user_id, owner.anonymous_id, digest


def owner_size(owner: UserContext) -> int:
    """Return the most bytes of memory that the text of an owner takes."""
    texts = (owner.user_id, owner.anonymous_id, owner.user_id_sig)
    return sum(TEXT_BYTES + (len(text) if text.isascii() else 4 * len(text)) for text in texts if text)
