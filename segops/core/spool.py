"""Spools store batches that cannot be delivered yet, or that exceed the memory limits."""

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
"""The session that a batch is sent under: the user id, the anonymous id, and a digest of the signature."""

ADOPTED = -1
"""The `start` of a batch that an earlier process stored."""


class Batch(msgspec.Struct, eq=False):
    """Events that are sent in one request.

    Attributes:
        body: The body of the request.
        count: Events in the batch.
        start: The position of its first event among all events of the process, or an earlier one.
        path: The path of the request.
        owner: The user whose session it is sent under; None for a secret key.
        claim: The same as a tuple, with a digest instead of the signature.
        key: The Idempotency-Key of the request, the same for each attempt.
        attempts: Failed delivery attempts so far.
        held_since: The monotonic time of its first failure.
        row: Its place in the spool; None if it is only in memory.
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
        """Return a batch of encoded events; a single one if `path` is the single-event endpoint."""
        return cls(events[0] if path == SINGLE_PATH else join(events), len(events), start, path, owner, claim)


class SpoolListener(Protocol):
    """Receives changes in a spool that the client did not request."""

    def adopted(self, count: int) -> None:
        """Count events that this process took over from another; below 0, events that it gives back."""

    def lost(self, count: int, reason: DropReason, why: str) -> None:
        """Count stored events that were dropped."""

    def failed(self, error: Exception) -> None:
        """Report a storage error."""


class SpoolContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a client passes to its spool.

    Attributes:
        listener: Receives adopted events, lost events, and storage errors.
        clock: The clocks of the client.
        limits: The limits; `spool_age` and `spool_bytes` apply to the spool.
        always: Whether each batch is stored before it is sent, rather than after its first failure.
        is_public: Whether the key is public. Batches stored under a key of the other type stay in the spool.
    """

    listener: SpoolListener
    clock: Clock
    limits: Limits
    always: bool = False
    is_public: bool = False


class Spool(abc.ABC):
    """Keeps batches until the server accepts them, in the order in which they were stored.

    The worker calls the methods from one thread at a time, so they may block as long as a delivery. They must not
    raise: they pass errors to `context.listener.failed`, and the batches stay in memory.

    Attributes:
        context: What the client passed to `open`.
    """

    context: SpoolContext

    @property
    def always(self) -> bool:
        """Whether each batch is stored before it is sent."""
        return self.context.always

    def open(self, context: SpoolContext) -> Spool:
        """Return the spool of this process, which is usually this one.

        Called when the client is created, and again in each forked child, because the parent keeps what it stored.
        It must not access the storage yet.
        """
        self.context = context
        return self

    @abc.abstractmethod
    def keep(self, batches: Sequence[Batch]) -> None:
        """Store batches and set `row` of each stored one. A batch that has a `row` is already stored."""

    @abc.abstractmethod
    def take(self, blocked: Collection[Claim]) -> Batch | None:
        """Return the first batch that is not in flight and whose `claim` is not blocked; it stays stored.

        The batch is in flight until it is passed to `keep`, `remove` or `split`.
        """

    @abc.abstractmethod
    def remove(self, batch: Batch) -> None:
        """Delete a batch that was delivered."""

    def discard(self, batch: Batch, reason: DropReason, why: str) -> None:  # noqa: ARG002 - for subclasses
        """Delete a batch that was dropped, or keep it where someone can look at it.

        Args:
            batch: The batch.
            reason: The reason.
            why: The message about it, without personal data.
        """
        self.remove(batch)

    @abc.abstractmethod
    def position(self, blocked: Collection[Claim] = ()) -> int | None:
        """Return `start` of the first stored batch whose claim is not blocked, including batches in flight.

        Returns:
            None without such a batch; `ADOPTED` (-1) if an earlier process may have stored one.
        """

    def split(self, batch: Batch, parts: Sequence[Batch]) -> None:  # noqa: ARG002 - for subclasses
        """Replace a batch with its two halves, and set their rows; those without a row stay in memory."""
        self.remove(batch)

    def advance(self) -> None:  # noqa: B027 - most spools belong to one process
        """Take over some batches of earlier processes, for a few milliseconds. `take` should do so, too."""

    def is_busy(self) -> bool:
        """Return whether `advance` has more to do."""
        return False

    def hurry(self, patience: float) -> None:  # noqa: B027 - most spools are quick
        """Finish within `patience` seconds: the client is closing. Any thread may call it, so it takes no lock."""

    def close(self) -> None:  # noqa: B027 - some hold nothing
        """Close the storage, and leave its batches to a later process."""


SpoolFactory = Callable[[str], Spool]
"""Creates a spool from a URL with a scheme that it is registered for.

Raises:
    SegOpsConfigError: The spool does not support the URL.
"""


class Identity(msgspec.Struct, frozen=True, omit_defaults=True):
    """The session that a batch is sent under.

    Attributes:
        user_id: The user.
        anonymous_id: The visitor.
        proof: A digest of the signature, to compare signatures. It is not a credential.
    """

    user_id: str | None = None
    anonymous_id: str | None = None
    proof: str | None = None

    @property
    def claim(self) -> Claim:
        """The same as a tuple."""
        return self.user_id, self.anonymous_id, self.proof


class StoredBatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a spool may store of a batch: everything but the signature, which is a credential.

    `msgspec` encodes it as JSON or MessagePack.

    Attributes:
        key: The Idempotency-Key of the request.
        path: The path of the request.
        count: Events in the batch.
        body: The body of the request.
        attempts: Failed delivery attempts.
        identity: The session that it is sent under; None for a secret key.
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
            start: The `start` of the stored batch; `ADOPTED` if an earlier process stored it.
            row: Its place in the spool.
        """
        batch = Batch(self.body, self.count, start, self.path, None, key=self.key, attempts=self.attempts, row=row)
        if self.identity is not None:
            batch.claim = self.identity.claim
            batch.owner = UserContext(self.identity.user_id, self.identity.anonymous_id)
        return batch
