"""The session handshake of public keys: one token per user, minted when first needed, by one thread at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timezone

import msgspec

from segops.core.buffer import Identity, identity
from segops.core.errors import SegOpsTransportError, api_error
from segops.core.events import UserContext
from segops.core.http import SESSION_PATH, Request, Response
from segops.core.options import ApiKey
from segops.core.retry import Clock, http_date

REFRESH_BEFORE = 60.0
"""Seconds before its expiry at which a token is renewed. Source: wire-protocol.md, section 3.4."""

MAX_TOKENS = 1000

Send = Callable[[Request, float], Response]


class _Answer(msgspec.Struct):
    token: str
    expires_at: datetime


class _Token(msgspec.Struct, frozen=True):
    text: str
    usable_until: float
    usable_until_wall: float

    def __repr__(self) -> str:
        return "Token(…)"


class Sessions:
    """Session tokens by user.

    A token is usable while both clocks say so: the monotonic one survives a jump of the wall clock, the wall clock
    a suspended machine.
    """

    def __init__(self, key: ApiKey, send: Send, clock: Clock) -> None:
        self._key = key
        self._send = send
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: OrderedDict[Identity, _Token] = OrderedDict()
        self._signed: OrderedDict[Identity, UserContext] = OrderedDict()
        self._failures = 0
        self._failure: tuple[int, Identity, Exception] | None = None

    def token(self, user: UserContext, timeout: float) -> str:
        """Return a token of this user, minting one if needed; concurrent callers share one mint and its error.

        Args:
            user: Whom the token is for.
            timeout: Seconds that the mint may take.

        Raises:
            SegOpsApiError: The server refused.
            SegOpsTransportError: The server did not answer, or not with a token.
        """
        who = identity(user)
        failures = self._failures
        with self._lock:
            token = self._tokens.get(who)
            if token is not None and self._is_usable(token):
                return token.text
            if self._failure is not None and self._failure[0] > failures and self._failure[1] == who:
                raise self._failure[2]
            return self._mint(who, user, timeout)

    def remember(self, user: UserContext) -> None:
        """Keep the signature of a user for batches that come back from the spool, which stores none."""
        if user.user_id_sig is not None:
            self._signed[identity(user)] = user
            self._signed.move_to_end(identity(user))
            if len(self._signed) > MAX_TOKENS:
                self._signed.popitem(last=False)

    def forget(self, user: UserContext, text: str) -> None:
        """Drop a token that the server did not take, unless it was replaced meanwhile."""
        with self._lock:
            token = self._tokens.get(identity(user))
            if token is not None and token.text == text:
                del self._tokens[identity(user)]

    def reset(self) -> None:
        """Drop all tokens."""
        with self._lock:
            self._tokens.clear()

    def _is_usable(self, token: _Token) -> bool:
        return self._clock.monotonic() < token.usable_until and self._clock.time() < token.usable_until_wall

    def _mint(self, who: Identity, user: UserContext, timeout: float) -> str:
        try:
            token = self._ask(user, timeout)
        except Exception as error:
            self._failures += 1  # at the end, so that whoever came during the mint knows the failure for a new one
            self._failure = (self._failures, who, error)
            raise
        self._tokens[who] = token
        self._tokens.move_to_end(who)
        if len(self._tokens) > MAX_TOKENS:
            self._tokens.popitem(last=False)
        return token.text

    def _ask(self, user: UserContext, timeout: float) -> _Token:
        headers = {"Authorization": self._key.authorization, "Content-Type": "application/json"}
        if user.user_id_sig is None:
            user = self._signed.get(identity(user), user)
        request = Request("POST", SESSION_PATH, headers, msgspec.json.encode(user))
        response = self._send(request, timeout)
        if not 200 <= response.status < 300:  # noqa: PLR2004 - the class of success
            raise api_error(f"POST {SESSION_PATH}", response.status, response.body, response.headers)
        try:
            answer = msgspec.json.decode(response.body, type=_Answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise SegOpsTransportError(f"POST {SESSION_PATH} was answered with something that is no session") from None
        if not (answer.token and answer.token.isascii() and answer.token.isprintable()):
            raise SegOpsTransportError(
                f"POST {SESSION_PATH} was answered with a session token that cannot stand in a header"
            )
        lifetime = self._lifetime(answer.expires_at, response) - REFRESH_BEFORE
        return _Token(answer.token, self._clock.monotonic() + lifetime, self._clock.time() + lifetime)

    def _lifetime(self, expires_at: datetime, response: Response) -> float:
        """Measure it by the server's own clock where the answer tells it: ours may be wrong by a day."""
        if expires_at.tzinfo is None:
            expires_at = expires_at.replace(tzinfo=timezone.utc)
        now = http_date(response.headers.get("date", ""))
        return expires_at.timestamp() - (self._clock.time() if now is None else now)
