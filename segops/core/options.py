"""The options of a client: frozen values, checked when they are made."""

from __future__ import annotations

import math

import msgspec

from segops.core.errors import SegOpsConfigError

MAX_BATCH_EVENTS = 500
"""The most events that the batch endpoint takes. Source: wire-protocol.md, section 2.3."""

DEFAULT_BATCH_SIZE = 20


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of a client.

    Attributes:
        max_events: Events held in memory; the newest are dropped beyond (`queue_full`). Each takes some 110 bytes more
            than its encoding, which this bounds.
        max_bytes: Bytes of encoded events held in memory; the newest are dropped beyond. With a public key, what each
            event's `UserContext` takes counts as well: 330 bytes and its texts.
        max_event_bytes: Bytes of one encoded event; a larger one is dropped (`too_large`).
        batch_events: Events in one request; at most 500.
        batch_bytes: Bytes of one request's body.
        hold: Seconds that a batch is kept in memory while the server refuses it or cannot be reached.
        spool_bytes: Size of the spool's file; the oldest batches are dropped beyond (`undeliverable`).
        spool_age: Seconds that a batch is kept in the spool.
        shutdown: Seconds that `shutdown()` takes at most, unless told otherwise.
        exit: Seconds that the exit of the interpreter is delayed at most.
    """

    max_events: int = 150_000
    max_bytes: int = 32 * 1024 * 1024
    max_event_bytes: int = 32 * 1024
    batch_events: int = MAX_BATCH_EVENTS
    batch_bytes: int = 1024 * 1024
    hold: float = 300.0
    spool_bytes: int = 256 * 1024 * 1024
    spool_age: float = 72 * 3600.0
    shutdown: float = 5.0
    exit: float = 2.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            check_number(f"limits.{name}", getattr(self, name), minimum=0)
        if not 1 <= self.batch_events <= MAX_BATCH_EVENTS:
            raise SegOpsConfigError(
                f"limits.batch_events is {self.batch_events}: the server takes 1 to {MAX_BATCH_EVENTS} events at a time"
            )

    @property
    def spill_events(self) -> int:
        """Waiting events that are worth a move to the spool: a batch, unless memory holds less."""
        return max(1, min(self.batch_events, self.max_events // 2, self.max_bytes // max(1, self.max_event_bytes) // 2))


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """When events are sent.

    Attributes:
        batch: Whether events are collected; if not, each goes to the single-event endpoint at once.
        batch_size: Waiting events that start a flush. A flush takes what is there: this does not cap a request.
        flush_interval: Seconds after which waiting events are sent in any case; 0 for at once.
        timeout: Seconds that one request may take in all.

    Source: typescript-sdk.md, "Constructor Options".
    """

    batch: bool = True
    batch_size: int = DEFAULT_BATCH_SIZE
    flush_interval: float = 5.0
    timeout: float = 10.0

    def __post_init__(self) -> None:
        if type(self.batch_size) is not int:
            raise SegOpsConfigError(f"batch_size is {self.batch_size!r}: give a whole number of events")
        check_number("flush_interval", self.flush_interval, minimum=0)
        check_number("timeout", self.timeout, minimum=0)
        if self.timeout == 0:
            raise SegOpsConfigError("timeout is 0: give the seconds that a request may take")

    @property
    def threshold(self) -> int:
        """Waiting events that wake the worker. As in the vendor's client, a size below 1 means the default."""
        if not self.batch or self.flush_interval == 0:
            return 1
        return self.batch_size if self.batch_size > 0 else DEFAULT_BATCH_SIZE


def check_number(name: str, value: object, *, minimum: float) -> None:
    """Raise SegOpsConfigError unless `value` is a finite number that is not below `minimum`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < minimum:
        raise SegOpsConfigError(f"{name} is {value!r}: give a number that is at least {minimum}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise SegOpsConfigError unless `value` is one of `choices`."""
    if value not in choices:
        raise SegOpsConfigError(f"{name} is {value!r}: give one of {', '.join(choices)}")


class ApiKey(msgspec.Struct, frozen=True):
    """A key whose kind is known and whose text is never shown."""

    text: str

    @property
    def is_public(self) -> bool:
        """Whether it must be exchanged for a session token."""
        return self.text.startswith("pk_")

    @property
    def authorization(self) -> str:
        """The value of the Authorization header. Source: wire-protocol.md, section 1.3."""
        return f"ApiKey {self.text}"

    def __repr__(self) -> str:
        return f"ApiKey({self.text[:3]}…)"


def check_key(text: object) -> ApiKey:
    """Return the key if it is a secret or a public one.

    Raises:
        SegOpsConfigError: It is neither, or holds characters that cannot stand in a header.
    """
    if not isinstance(text, str) or not text:
        raise SegOpsConfigError("api_key is missing: pass an sk_ or pk_ key, or set SEGOPS_API_KEY")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise SegOpsConfigError("api_key holds a space, a control or a non-ASCII character: copy the key again")
    if not text.startswith(("sk_", "pk_")):
        raise SegOpsConfigError("api_key starts with neither sk_ nor pk_: events need a secret or a public key")
    return ApiKey(text)


def check_secrecy(url: str, key: ApiKey) -> None:
    """Refuse to send a secret key in the clear beyond this machine.

    Raises:
        SegOpsConfigError: `url` is `http:`, its host is not loopback, and the key is secret.
    """
    if key.is_public or not url.lower().startswith("http:"):
        return
    from urllib.parse import urlsplit  # noqa: PLC0415 - slow to load, and only plain http needs it

    host = urlsplit(url).hostname or ""
    if not _is_loopback(host):
        raise SegOpsConfigError(f"a secret key would cross the network to {host!r} in the clear: use https")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    import ipaddress  # noqa: PLC0415 - only plain http needs it

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
