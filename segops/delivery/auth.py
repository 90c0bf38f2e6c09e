"""Authorize requests: by a secret key, by session tokens of a public key, or not at all.

A claim is a user's identity with the signature that proves it. A session has one token per claim, minted when first
needed, by one thread at a time. A token serves only the claim that it was minted for, so an event is never sent under
a session that another claim's signature opened.
"""

from __future__ import annotations

import abc
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import TypeVar

import msgspec

from segops.core.errors import SegOpsApiError, SegOpsTransportError, api_error
from segops.core.events import UserContext
from segops.core.http import SESSION_PATH, Request, Response
from segops.core.retry import Clock, http_date
from segops.core.spool import Batch, Claim
from segops.delivery.batch import claim_of
from segops.delivery.keys import ApiKey
from segops.delivery.queue import Identity, identity

REFRESH_BEFORE = 60.0
"""Seconds before its expiry at which a token is renewed."""

MAX_TOKENS = 1000

MAX_TOKENS_OF_USER = 4
"""Enough for a user who gets new signatures from time to time, or has several windows open."""

MAX_TOKEN_LENGTH = 8192
"""Longer tokens are refused, because servers limit the length of a header."""

SIGNED_FOR = 300.0
"""Seconds for which SegOps accepts a signature."""

_MAX_MINTS = 3

Send = Callable[[Request, float], Response]

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class _Session(msgspec.Struct):
    token: str
    expires_at: datetime


class _Token(msgspec.Struct, frozen=True):
    text: str
    usable_until: float
    usable_until_wall: float

    def __repr__(self) -> str:
        return "Token(…)"


class _Signature(msgspec.Struct):
    """A signature that the spool does not store.

    Attributes:
        user: Who was signed.
        may_be_replaced: Whether a later signature of the same user may replace this one once it is too old. Not if it
            was too old when it arrived, nor if the server refused it.
    """

    user: UserContext
    may_be_replaced: bool

    def __repr__(self) -> str:
        return "Signature(…)"


class Auth(abc.ABC):
    """Authorizes requests that carry events.

    Attributes:
        has_succeeded: Whether the server has accepted the key before, so that a refusal concerns the user.
    """

    has_succeeded = False

    @abc.abstractmethod
    def headers(self, batch: Batch, timeout: float) -> dict[str, str]:
        """Return the headers that authorize the request of a batch.

        Args:
            batch: The batch.
            timeout: Seconds that this may take.

        Raises:
            SegOpsApiError: The server refused a session.
            SegOpsTransportError: The server did not respond.
        """

    def reject(self, batch: Batch, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 - for subclasses
        """Note that the server did not accept these headers, and return whether other ones may be had."""
        return False

    def remember(self, batch: Batch) -> None:  # noqa: B027 - only sessions have something to remember
        """Keep what a batch needs when it comes back from the spool."""

    def reset(self) -> None:  # noqa: B027 - only sessions have something to forget
        """Forget the session tokens."""


class NoAuth(Auth):
    """Sends requests without credentials, to a transport that does not reach SegOps."""

    def headers(self, batch: Batch, timeout: float) -> dict[str, str]:  # noqa: ARG002 - as the base class has it
        """Return no headers."""
        return {}


class SecretKeyAuth(Auth):
    """Sends the secret key."""

    def __init__(self, key: ApiKey) -> None:
        self._headers = {"Authorization": key.authorization}

    def headers(self, batch: Batch, timeout: float) -> dict[str, str]:  # noqa: ARG002 - as the base class has it
        """Return the header with the key."""
        return self._headers


class SessionAuth(Auth):
    """Session tokens by claim.

    A token is usable while both clocks say so: the monotonic one survives a jump of the wall clock, the wall clock
    a suspended machine.

    `reset` takes no lock, so that it never waits for a handshake: it replaces the dictionary of tokens.
    """

    def __init__(self, key: ApiKey, send: Send, clock: Clock) -> None:
        self._key = key
        self._send = send
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: OrderedDict[Claim, _Token] = OrderedDict()
        self._signed: OrderedDict[Claim, _Signature] = OrderedDict()
        self._proven: OrderedDict[Identity, UserContext] = OrderedDict()
        self._failures = 0
        self._failure: tuple[int, Claim, Exception] | None = None
        self.has_succeeded = False

    def headers(self, batch: Batch, timeout: float) -> dict[str, str]:
        """Return the header with the session token of the owner of a batch."""
        owner = self.owner(batch)
        if owner is None:
            return {"Authorization": self._key.authorization}
        return {"Authorization": f"Bearer {self.token(owner, timeout)}"}

    def reject(self, batch: Batch, headers: Mapping[str, str]) -> bool:
        """Forget the token, so that the next one is a new one."""
        owner = self.owner(batch)
        if owner is not None:
            self.forget(owner, headers["Authorization"].removeprefix("Bearer "))
        return owner is not None

    def token(self, user: UserContext, timeout: float) -> str:
        """Return a token of this claim, minting one if needed; concurrent callers share one mint and its error.

        Args:
            user: Whom the token is for, with the signature.
            timeout: Seconds that the mint may take.

        Raises:
            SegOpsApiError: The server refused.
            SegOpsTransportError: There was no response, or it contained no token.
        """
        claim = claim_of(user)
        failures = self._failures
        with self._lock:
            token = self._tokens.get(claim)
            if token is not None and self._is_usable(token):
                return token.text
            if self._failure is not None and self._failure[0] > failures and self._failure[1] == claim:
                raise self._failure[2]
            return self._mint(claim, user, timeout)

    def remember(self, batch: Batch) -> None:
        """Keep the signature of a batch until it comes back from the spool, which stores none."""
        if batch.owner is not None and batch.claim[2] is not None and batch.claim not in self._signed:
            _keep(self._signed, batch.claim, _Signature(batch.owner, not self._is_too_old(batch.owner)))

    def owner(self, batch: Batch) -> UserContext | None:
        """Return the user whose session a batch must be sent under, with the signature that the spool did not store.

        That is the batch's own signature. If it ended with the process that stored the batch, or got too old while the
        batch waited, it is the user's latest signature that the server accepted.
        """
        owner = batch.owner
        if owner is None or batch.claim[2] is None or owner.user_id_sig:
            return owner
        own = self._signed.get(batch.claim)
        if own is None:
            return self._proven.get(identity(owner), owner) if batch.start < 0 else owner
        if own.may_be_replaced and self._is_too_old(own.user):
            return self._proven.get(identity(owner), own.user)
        return own.user

    def forget(self, user: UserContext, text: str) -> None:
        """Drop a token that the server refused, unless it was replaced meanwhile."""
        with self._lock:
            token = self._tokens.get(claim_of(user))
            if token is not None and token.text == text:
                self._tokens.pop(claim_of(user), None)

    def reset(self) -> None:
        """Drop all tokens, including that of a handshake under way."""
        self._tokens = OrderedDict()

    def _is_too_old(self, user: UserContext) -> bool:
        return abs(self._clock.time() - (user.user_id_ts or 0)) > SIGNED_FOR

    def _is_usable(self, token: _Token) -> bool:
        return self._clock.monotonic() < token.usable_until and self._clock.time() < token.usable_until_wall

    def _mint(self, claim: Claim, user: UserContext, timeout: float) -> str:
        deadline = self._clock.monotonic() + timeout
        for _ in range(_MAX_MINTS):
            tokens = self._tokens
            try:
                token = self._ask(user, deadline - self._clock.monotonic())
            except Exception as error:
                self._note_failure(claim, error)
                raise
            self.has_succeeded = True
            if claim[2] is not None:
                _keep(self._proven, identity(user), user)
            _keep(tokens, claim, token)
            for old in [each for each in tokens if each[:2] == claim[:2]][:-MAX_TOKENS_OF_USER]:
                del tokens[old]
            if tokens is self._tokens:
                return token.text
        raise SegOpsTransportError(f"the session was reset during each of {_MAX_MINTS} handshakes")

    def _note_failure(self, claim: Claim, error: Exception) -> None:
        self._failures += 1  # last, so that callers who came during the mint see a new failure
        self._failure = (self._failures, claim, error)
        own = self._signed.get(claim)
        if own is not None and isinstance(error, SegOpsApiError) and error.status in (400, 401, 403, 422):
            own.may_be_replaced = own.may_be_replaced and self._is_too_old(own.user)

    def _ask(self, user: UserContext, timeout: float) -> _Token:
        headers = {"Authorization": self._key.authorization, "Content-Type": "application/json"}
        request = Request("POST", SESSION_PATH, headers, msgspec.json.encode(user))
        response = self._send(request, timeout)
        if not 200 <= response.status < 300:  # noqa: PLR2004 - the class of success
            raise api_error(f"POST {SESSION_PATH}", response.status, response.body, response.headers, quote=False)
        try:
            session = msgspec.json.decode(response.body, type=_Session)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise SegOpsTransportError(f"POST {SESSION_PATH} returned an invalid session") from None
        text = session.token
        if not (0 < len(text) <= MAX_TOKEN_LENGTH and text.isascii() and text.isprintable()):
            raise SegOpsTransportError(f"POST {SESSION_PATH} returned a session token that is not valid in a header")
        lifetime = self._lifetime(session.expires_at, response) - REFRESH_BEFORE
        return _Token(text, self._clock.monotonic() + lifetime, self._clock.time() + lifetime)

    def _lifetime(self, expires_at: datetime, response: Response) -> float:
        """Measure by the server's clock if the response has a date: ours may be a day off."""
        if expires_at.tzinfo is None:
            expires_at = expires_at.replace(tzinfo=timezone.utc)
        now = http_date(response.headers.get("date", ""))
        return expires_at.timestamp() - (self._clock.time() if now is None else now)


def make_auth(key: ApiKey | None, send: Send, clock: Clock) -> Auth:
    """Return what authorizes the requests of a client.

    Args:
        key: Its key; None if the transport does not reach SegOps.
        send: Sends the request of the session handshake.
        clock: Its clocks.
    """
    if key is None:
        return NoAuth()
    return SessionAuth(key, send, clock) if key.is_public else SecretKeyAuth(key)


def _keep(kept: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Add the newest entry, and remove the oldest of too many."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MAX_TOKENS:
        kept.popitem(last=False)
