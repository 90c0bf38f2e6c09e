"""A batch as a row of the spool, with a checksum."""

from __future__ import annotations

from zlib import crc32

import msgspec

from segops.core import Batch, Claim, Identity, StoredBatch

COLUMNS = "place, key, path, owner, events, created_at, checksum, lease, position, attempts, body"


class Record(msgspec.Struct, frozen=True, array_like=True):
    """A row, in the order of `COLUMNS`.

    Attributes:
        place: Its place in the sending order.
        key: The Idempotency-Key of its request.
        path: The path of its request.
        owner: Its `Identity` as JSON; None for a secret key.
        events: Events in the batch.
        created_at: When it was stored, as Unix time in seconds.
        checksum: CRC-32 of everything that must not change.
        lease: The lease of the process that may send it.
        position: `start` of the batch; `ADOPTED` if another process stored it.
        attempts: Failed delivery attempts.
        body: The encoded events, one per line.
    """

    place: int
    key: str
    path: str
    owner: str | None
    events: int
    created_at: float
    checksum: int
    lease: str
    position: int
    attempts: int
    body: bytes

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"Record({self.place}, {self.events} events)"

    @property
    def is_sound(self) -> bool:
        """Whether the checksum is right."""
        return self.checksum == _checksum(self) and self.events == self.body.count(b"\n") + 1

    @property
    def kept_events(self) -> int:
        """The events in the row; an estimate if it is damaged.

        A damaged byte of the body adds or removes at most one line. If the two counts differ by more, the column is
        what is damaged.
        """
        lines = self.body.count(b"\n") + 1
        return self.events if self.events > 0 and abs(self.events - lines) <= 1 else lines

    def batch(self) -> Batch:
        """Return the batch.

        Raises:
            ValueError: The row is damaged.
        """
        if not self.is_sound:
            raise ValueError(f"the batch at place {self.place} is damaged")
        body = Batch.of(self.body.split(b"\n"), self.position, self.path).body
        identity = None if self.owner is None else msgspec.json.decode(self.owner, type=Identity)
        stored = StoredBatch(self.key, self.path, self.events, body, self.attempts, identity)
        return stored.batch(start=self.position, row=self.place)


def record_of(batch: Batch, *, place: int, lease: str, now: float) -> Record:
    """Return the row of a batch, with the identity of its owner but without the signature."""
    owner = None if batch.owner is None else owner_text(batch.claim)
    body = b"\n".join(batch.events)
    row = Record(place, batch.key, batch.path, owner, batch.count, now, 0, lease, batch.start, batch.attempts, body)
    return msgspec.structs.replace(row, checksum=_checksum(row))


def owner_text(claim: Claim) -> str:
    """Return a claim as JSON, always the same text for the same claim."""
    return msgspec.json.encode(Identity(*claim)).decode()


def read_row(row: tuple[object, ...]) -> Record | None:
    """Return a row as a record, or None if it is too damaged."""
    try:
        return msgspec.convert(row, Record)
    except msgspec.ValidationError:
        return None


def _checksum(row: Record) -> int:
    """Return the checksum of all columns but place, lease, position, and attempts, which change."""
    fixed = (row.key, row.path, row.owner, row.events, row.created_at)
    return crc32(row.body, crc32(repr(fixed).encode()))
