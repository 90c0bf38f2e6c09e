"""Handle requests of a local SegOps."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import parse_qsl

from segops.core import Request, Response, SegOpsConfigError
from segops.emulator import auth, keys, queries
from segops.emulator.background import BackgroundTasks
from segops.emulator.database import MEMORY, Database
from segops.emulator.faults import NO_FAULT, Faults
from segops.emulator.inspection import Inspection
from segops.emulator.registry import ROUTES, TABLES
from segops.emulator.request_log import RequestLog, RequestRecord
from segops.emulator.resources.activations import sync_active
from segops.emulator.resources.login import Login, ensure_login
from segops.emulator.resources.webhooks import WebhookSender
from segops.emulator.responses import MAX_BODY, ApiResponse, HTTPError, too_large
from segops.emulator.routing import RequestContext, find_route
from segops.emulator.segments import compute
from segops.emulator.unknown_fields import reject_unknown_fields
from segops.utils import absolute_path

_CLOSE_SECONDS = 2.0


class LocalSegOps:
    """A local SegOps, which several threads may use at once.

    A new database gets a secret key, and a public key with its signing secret.

    Args:
        path: The database file, which is created if it does not exist. By default a database in memory.
        clock: Returns the current time in Unix seconds.
        session_lifetime: Lifetime of session tokens, in seconds.
        compute_delay: Seconds that a queued computation of a segment waits. With 0, it finishes before the response to
            the request that queued it. Otherwise the first request after that time runs it, or `run_pending`.
        secret_key: The secret key, instead of a random one.
        public_key: The public key, instead of a random one.
        signing_secret: The hex-encoded secret that signs user ids for the public key, instead of a random one.
        bare_lists: Whether AI queries, competitors, and AI pages are listed as bare arrays instead of pages, as parts
            of the public documentation show them.

    Attributes:
        path: The database file, or ":memory:".
        secret_key: A key that sends events.
        public_key: A key that opens sessions.
        signing_secret: The hex-encoded secret that signs user ids for `public_key`.
        login: The email address and the password of the only user, who can create and revoke keys over the API.
        after_recompute: Functions called in this order after each recompute of a segment.
        faults: Scripted faults.
        inspection: Reads events for a live view.

    Raises:
        SegOpsConfigError: The database cannot be used, or an option is invalid.
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
            raise SegOpsConfigError(f"session_lifetime must be a positive number of seconds, got {session_lifetime!r}")
        if not compute_delay >= 0:
            raise SegOpsConfigError(f"compute_delay must be a non-negative number of seconds, got {compute_delay!r}")
        self.path = MEMORY if path == MEMORY else absolute_path("the database of a local SegOps", path)
        self._clock = clock
        self._session_lifetime = session_lifetime
        self._compute_delay = compute_delay
        self._bare_lists = bare_lists
        self._tasks = BackgroundTasks()
        self.after_recompute: list[compute.AfterRecompute] = [sync_active, WebhookSender(self._tasks)]
        self._database = Database(self.path, TABLES)
        self._request_log = RequestLog()
        self.faults = Faults()
        self.inspection = Inspection(self._database)
        self.secret_key = keys.ensure(self._database, "secret", secret_key).key
        public = keys.ensure(self._database, "public", public_key, signing_secret)
        self.public_key = public.key
        self.signing_secret = public.signing_secret
        self.login: Login = ensure_login(self._database)

    def __repr__(self) -> str:
        """Omit the keys."""
        return f"LocalSegOps({self.path!r})"

    def __enter__(self) -> LocalSegOps:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def handle(self, request: Request) -> Response:
        """Handle a request. The response is always JSON, and either everything in the request is stored or nothing.

        Raises:
            ConnectionResetError: A scripted fault resets the connection.
        """
        started = time.perf_counter()
        fault = self.faults.take(request.method, request.path)
        if fault.delay:
            self.faults.sleep(fault.delay)
        if fault.expire:
            self.expire_sessions()
        now = self._clock()
        headers = {name.lower(): value for name, value in request.headers.items()}
        response = fault.response() or self._respond(request, headers, now, fault.skip)
        seconds = time.perf_counter() - started
        self._request_log.add(now, request, headers, response, seconds=seconds, is_fault=fault is not NO_FAULT)
        if fault.reset or fault.lose:
            raise ConnectionResetError("a scripted fault reset the connection")
        return response.encode()

    def _respond(self, request: Request, headers: Mapping[str, str], now: float, fault_skips: int) -> ApiResponse:
        try:
            self._run_pending(now)
            response = self._dispatch(request, headers, now, fault_skips)
            self._run_pending(now)
        except HTTPError as error:
            return error.response
        except (sqlite3.Error, SegOpsConfigError) as error:
            return HTTPError(503, f"The database cannot be used: {error}.").response
        return response

    def _dispatch(self, request: Request, headers: Mapping[str, str], now: float, fault_skips: int) -> ApiResponse:
        if len(request.body) > MAX_BODY:
            raise too_large()
        path, _, query = request.path.partition("?")
        route, params = find_route(ROUTES, request.method, path)
        caller = auth.authenticate(self._database, headers.get("authorization", ""), now, route.admits)
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        if route.query is not None:
            reject_unknown_fields(parameters, route.query)
        context = RequestContext(
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
            fault_skips=fault_skips,
            bare_lists=self._bare_lists,
            routes=ROUTES,
        )
        return route.endpoint(context)

    def run_pending(self) -> None:
        """Run the queued computations that are due."""
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
        """Create another key.

        Args:
            kind: "secret" or "public".
            key: The key, instead of a random one.
            signing_secret: For a public key, the hex-encoded secret that signs user ids, instead of a random one.
            require_signature: Whether opening a session for a user requires a signature.
            origins: The origins that may open sessions, such as "https://shop.example.org", or
                "https://*.example.org" for one level of subdomains. By default any.

        Raises:
            SegOpsConfigError: A value is invalid, or the key exists.
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
        """Revoke a key and the session tokens that it minted.

        Raises:
            SegOpsConfigError: The key does not exist.
        """
        keys.revoke(self._database, key)

    def expire_sessions(self) -> None:
        """Invalidate every session token minted so far, as if it had expired."""
        auth.forget_token_secret(self._database)

    def summary(self) -> queries.Summary:
        """Return the totals: events, users, spend, and AI referrals."""
        return queries.summary(self._database)

    def events(self, event_type: str | None = None) -> Iterator[queries.StoredEvent]:
        """Yield the stored events in order of arrival: those of one type, or all."""
        return queries.events(self._database, event_type)

    def aliases(self) -> dict[str, str]:
        """Return the user of each identified anonymous id, which starts with "anon_"."""
        return dict(self._database.query("SELECT alias, user_id FROM aliases ORDER BY alias"))

    def requests(self) -> list[RequestRecord]:
        """Return the last 10,000 requests to this object, oldest first."""
        return self._request_log.records()

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for webhooks that are being delivered, and return whether all are."""
        return self._tasks.wait(timeout)

    def close(self) -> None:
        """Close the database file, which the next use reopens. A database in memory lives as long as this object.

        Waits at most 2 s for webhooks that are being delivered.
        """
        self.wait(_CLOSE_SECONDS)
        self._database.close()
