"""The contract of a spool: where batches wait that cannot be delivered yet, or that memory has no room for."""

from __future__ import annotations

import abc
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import msgspec

from segops.core.encoding import join, split
from segops.core.errors import DropReason
from segops.core.events import UserContext
from segops.core.http import SINGLE_PATH
from segops.core.options import Limits
from segops.core.retry import Clock

Claim = tuple[str | None, str | None, str | None]
"""Whose session a batch travels under: the user id, the anonymous id, and a digest of the signature."""

ADOPTED = -1
"""The `start` of a batch that an earlier process stored."""


class Batch(msgspec.Struct, eq=False):
    """Events that travel in one request.

    Attributes:
        body: The body of the request.
        count: Events in the batch.
        start: A position, among all events of the process, before which none of its events stands.
        path: The path of the request.
        owner: Whose session it travels under; None for a secret key.
        claim: The same as a tuple, with a digest in the place of the signature.
        key: The Idempotency-Key of the request, the same each time it is sent.
        attempts: Failed delivery attempts so far.
        held_since: When it failed for the first time, on the monotonic clock.
        row: Where it is in the spool; None if it is only in memory.
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

    @property
    def events(self) -> list[bytes]:
        """The encoded events."""
        return [self.body] if self.path == SINGLE_PATH else split(self.body)

    @classmethod
    def of(
        cls,
        events: Sequence[bytes],
        start: int,
        path: str,
        owner: UserContext | None = None,
        claim: Claim = (None, None, None),
    ) -> Batch:
        """Return a batch of encoded events, or of a single one if `path` is the endpoint of single events."""
        return cls(events[0] if path == SINGLE_PATH else join(events), len(events), start, path, owner, claim)


class SpoolListener(Protocol):
    """Gets what happens in a spool other than by the client's own calls."""

    def adopted(self, count: int) -> None:
        """Count events that an earlier process stored and this one takes over."""

    def lost(self, count: int, reason: DropReason, why: str) -> None:
        """Count stored events that are dropped."""

    def failed(self, error: Exception) -> None:
        """Report an error of the storage."""


class SpoolContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a client gives its spool.

    Attributes:
        listener: What to call when events are adopted or lost, and when the storage fails.
        clock: The clocks of the client.
        limits: `spool_age` and `spool_bytes` bound what is stored.
        always: Whether each batch is stored before it is sent, rather than after its first failure.
        is_public: Whether the client's key is public. Batches that were stored under a key of the other type must stay
            in the spool.
    """

    listener: SpoolListener
    clock: Clock
    limits: Limits
    always: bool = False
    is_public: bool = False


class Spool(abc.ABC):
    """Keeps batches until the server accepts them, in the order in which they were stored.

    The worker calls it, from one thread at a time, so its methods may block for as long as a delivery may. They must
    not raise: what fails is passed to `context.listener.failed`, and the batches stay in memory.

    Attributes:
        context: What the client gave to `open`.
    """

    context: SpoolContext

    @property
    def always(self) -> bool:
        """Whether each batch is stored before it is sent."""
        return self.context.always

    def open(self, context: SpoolContext) -> Spool:
        """Return the spool of this process, which is usually this one.

        Called when the client is made, and again in each forked child: what the parent stored belongs to the parent.
        The storage must not be touched yet.
        """
        self.context = context
        return self

    @abc.abstractmethod
    def keep(self, batches: Sequence[Batch]) -> None:
        """Store batches, and set `row` of each one that is stored. A batch that has a row was stored before."""

    @abc.abstractmethod
    def take(self, blocked: Collection[Claim]) -> Batch | None:
        """Return the first batch that is not on its way and whose `claim` is not blocked; it stays stored.

        A batch is on its way until it is passed to `keep`, `remove` or `split`.
        """

    @abc.abstractmethod
    def remove(self, batch: Batch) -> None:
        """Delete a batch that is delivered or dropped."""

    @abc.abstractmethod
    def position(self, blocked: Collection[Claim] = ()) -> int | None:
        """Return `start` of the first stored batch whose claim is not blocked, those on their way included.

        Returns:
            None if there is no such batch; `ADOPTED` (-1) if there may be one of an earlier process.
        """

    def split(self, batch: Batch, parts: Sequence[Batch]) -> None:  # noqa: ARG002 - for subclasses
        """Replace a batch with its two halves, and set their rows; those without a row stay in memory."""
        self.remove(batch)

    def advance(self) -> None:  # noqa: B027 - most spools belong to one process
        """Take over some of what earlier processes stored, for a few milliseconds; `take` should do so, too."""

    def is_busy(self) -> bool:
        """Return whether `advance` has more to do."""
        return False

    def hurry(self, patience: float) -> None:  # noqa: B027 - most spools are quick
        """Finish within `patience` seconds: the client is closing. Called from any thread, so it must take no lock."""

    def close(self) -> None:  # noqa: B027 - some hold nothing
        """Release the storage; what is stored is for a later process."""


SpoolFactory = Callable[[str], Spool]
"""Makes a spool from a URL whose scheme it was registered for.

Raises:
    SegOpsConfigError: The URL is not one that the spool understands.
"""


class Identity(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whose session a batch travels under.

    Attributes:
        user_id: The user.
        anonymous_id: The visitor.
        proof: A digest that tells one signature from another and proves nothing.
    """

    user_id: str | None = None
    anonymous_id: str | None = None
    proof: str | None = None

    @property
    def claim(self) -> Claim:
        """The same as a tuple."""
        return self.user_id, self.anonymous_id, self.proof


class StoredBatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a spool may store of a batch: all but the signature, which is a credential.

    `msgspec` encodes it as JSON or MessagePack.

    Attributes:
        key: The Idempotency-Key of the request.
        path: The path of the request.
        count: Events in the batch.
        body: The body of the request.
        attempts: Failed delivery attempts.
        identity: Whose session it travels under; None for a secret key.
    """

    key: str
    path: str
    count: int
    body: bytes
    attempts: int = 0
    identity: Identity | None = None

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"StoredBatch({self.count} events)"

    @classmethod
    def of(cls, batch: Batch) -> StoredBatch:
        """Return what to store of a batch."""
        identity = None if batch.owner is None else Identity(*batch.claim)
        return cls(batch.key, batch.path, batch.count, batch.body, batch.attempts, identity)

    def batch(self, *, start: int, row: int) -> Batch:
        """Return the batch.

        Args:
            start: The `start` of the batch that was stored; `ADOPTED` if an earlier process stored it.
            row: Where it is stored.
        """
        batch = Batch(self.body, self.count, start, self.path, None, key=self.key, attempts=self.attempts, row=row)
        if self.identity is not None:
            batch.claim = self.identity.claim
            batch.owner = UserContext(self.identity.user_id, self.identity.anonymous_id)
        return batch
