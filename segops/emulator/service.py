"""The local SegOps itself: from a request to an answer."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import parse_qsl

from segops.core import Request, Response, SegOpsConfigError
from segops.emulator import auth, keys, readback
from segops.emulator.answers import MAX_BODY, Answer, Refusal, refuse, too_large
from segops.emulator.background import Background
from segops.emulator.call import Call
from segops.emulator.database import MEMORY, Database
from segops.emulator.faults import NO_FAULT, Faults
from segops.emulator.inspection import Inspection
from segops.emulator.journal import Journal, RequestRecord
from segops.emulator.resources.activations import sync_active
from segops.emulator.resources.deliveries import WebhookSender
from segops.emulator.resources.login import Login, ensure_login
from segops.emulator.routes import ROUTES
from segops.emulator.routing import find_route
from segops.emulator.segments import compute
from segops.emulator.strictness import refuse_unknown
from segops.utils import absolute_path

_CLOSE_SECONDS = 2.0


class LocalSegOps:
    """A SegOps of your own; several threads may use it at once.

    A fresh database is given one secret key, and one public key with its signing secret. Event times are stored as
    UTC text, payloads as they came.

    Args:
        path: The database file, made if it does not exist; by default a database in memory.
        clock: Returns the unix time in seconds.
        session_lifetime: How long session tokens last, in seconds.
        compute_delay: How long a queued computation of a segment waits, in seconds. 0 computes it before the request
            that queued it is answered; otherwise the first request after that time does, or `run_pending`.
        secret_key: The secret key to use instead of a random one.
        public_key: The public key to use instead of a random one.
        signing_secret: The hex text that signs user ids for the public key, instead of a random one.
        bare_lists: Whether the lists of AI queries and AI pages are bare arrays instead of pages, as parts of the
            public documentation show them.

    Attributes:
        path: The database file, or ":memory:".
        secret_key: A key that sends events.
        public_key: A key that opens sessions.
        signing_secret: The hex text that signs user ids for `public_key`.
        login: The e-mail address and the password of the one user, who can make and revoke keys over the API.
        after_recompute: What is called, in this order, after each recompute of a segment.
        faults: What it is asked to do to its clients.
        inspection: What a live view shows.

    Raises:
        SegOpsConfigError: The database or an option cannot be used.

    Source: wire-protocol.md, sections 1 to 3 and 11.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = MEMORY,
        *,
        clock: Callable[[], float] = time.time,
        session_lifetime: float = 900.0,
        compute_delay: float = 0.0,
        secret_key: str | None = None,
        public_key: str | None = None,
        signing_secret: str | None = None,
        bare_lists: bool = False,
    ) -> None:
        if not session_lifetime > 0:
            raise SegOpsConfigError(f"session_lifetime is {session_lifetime!r}: give a number of seconds above 0")
        if not compute_delay >= 0:
            raise SegOpsConfigError(f"compute_delay is {compute_delay!r}: give a number of seconds, 0 or more")
        self.path = MEMORY if path == MEMORY else absolute_path("the database of a local SegOps", path)
        self._clock = clock
        self._session_lifetime = session_lifetime
        self._compute_delay = compute_delay
        self._bare_lists = bare_lists
        self._background = Background()
        self.after_recompute: list[compute.AfterRecompute] = [sync_active, WebhookSender(self._background)]
        self._database = Database(self.path)
        self._journal = Journal()
        self.faults = Faults()
        self.inspection = Inspection(self._database)
        self.secret_key = keys.ensure(self._database, "secret", secret_key).key
        public = keys.ensure(self._database, "public", public_key, signing_secret)
        self.public_key = public.key
        self.signing_secret = public.signing_secret
        self.login: Login = ensure_login(self._database)

    def __repr__(self) -> str:
        """Show no key."""
        return f"LocalSegOps({self.path!r})"

    def __enter__(self) -> LocalSegOps:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def handle(self, request: Request) -> Response:
        """Answer one request; whatever it holds, the answer is JSON and either all of it is stored or nothing.

        Raises:
            ConnectionResetError: A scripted fault asks for it.
        """
        started = time.perf_counter()
        fault = self.faults.take(request.method, request.path)
        if fault.delay:
            self.faults.sleep(fault.delay)
        if fault.expire:
            self.expire_sessions()
        now = self._clock()
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = fault.answer() or self._answer_or_refuse(request, headers, now, fault.skip)
        self._journal.add(
            now,
            request,
            headers,
            answer,
            seconds=time.perf_counter() - started,
            is_fault=fault is not NO_FAULT,
        )
        if fault.reset or fault.lose:
            raise ConnectionResetError("a scripted fault reset the connection")
        return answer.response()

    def _answer_or_refuse(self, request: Request, headers: Mapping[str, str], now: float, refuse_first: int) -> Answer:
        try:
            self._run_pending(now)
            answer = self._answer(request, headers, now, refuse_first)
            self._run_pending(now)
        except Refusal as refusal:
            return refusal.answer
        except (sqlite3.Error, SegOpsConfigError) as error:
            return refuse(503, f"The database cannot be used: {error}.").answer
        return answer

    def _answer(self, request: Request, headers: Mapping[str, str], now: float, refuse_first: int) -> Answer:
        if len(request.body) > MAX_BODY:
            raise too_large()
        path, _, query = request.path.partition("?")
        route, params = find_route(ROUTES, request.method, path)
        caller = auth.authenticate(self._database, headers.get("authorization", ""), now, route.admits)
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        if route.query is not None:
            refuse_unknown(parameters, route.query)
        call = Call(
            database=self._database,
            caller=caller,
            headers=headers,
            body=request.body,
            now=now,
            session_lifetime=self._session_lifetime,
            path=path,
            params=params,
            query=parameters,
            compute_delay=self._compute_delay,
            after_recompute=self.after_recompute,
            refuse=refuse_first,
            bare_lists=self._bare_lists,
        )
        return route.endpoint(call)

    def run_pending(self) -> None:
        """Compute the segments whose queued computation is due."""
        self._run_pending(self._clock())

    def _run_pending(self, now: float) -> None:
        compute.run_pending(self._database, now, self.after_recompute)

    def create_key(
        self,
        kind: keys.Kind,
        *,
        key: str | None = None,
        signing_secret: str | None = None,
        require_signature: bool = False,
        origins: Iterable[str] = (),
    ) -> keys.ApiKey:
        """Make a further key.

        Args:
            kind: "secret" or "public".
            key: The key, if it is not to be random.
            signing_secret: For a public key, the hex text that signs user ids, if it is not to be random.
            require_signature: Whether a session for a user needs a signature.
            origins: The origins that sessions may be asked from, such as "https://shop.example.org", or
                "https://*.example.org" for one level of subdomains; none means any.

        Raises:
            SegOpsConfigError: A value is not valid, or the key exists.
        """
        return keys.create(
            self._database,
            kind,
            key=key,
            signing_secret=signing_secret,
            require_signature=require_signature,
            origins=origins,
        )

    def revoke_key(self, key: str) -> None:
        """Make a key, and the session tokens that it minted, unusable from now on.

        Raises:
            SegOpsConfigError: There is no such key.
        """
        keys.revoke(self._database, key)

    def expire_sessions(self) -> None:
        """Make every session token minted so far unusable, as if its time were over."""
        auth.forget_token_secret(self._database)

    def summary(self) -> readback.Summary:
        """Return what the database holds: events, users, spend, AI referrals."""
        return readback.summary(self._database)

    def events(self, event_type: str | None = None) -> Iterator[readback.StoredEvent]:
        """Yield the stored events in the order of arrival; of one type, or all."""
        return readback.events(self._database, event_type)

    def aliases(self) -> dict[str, str]:
        """Return the user that each anonymous id (as "anon_…") was identified as."""
        return dict(self._database.query("SELECT alias, user_id FROM aliases ORDER BY alias"))

    def requests(self) -> list[RequestRecord]:
        """Return the last 10,000 requests, oldest first; forgotten with this object."""
        return self._journal.records()

    def close(self) -> None:
        """Give back the file; the next use opens it again. A database in memory stays as long as this object.

        Webhooks that are being delivered are waited for, at most 2 s.
        """
        self._background.wait(_CLOSE_SECONDS)
        self._database.close()
