"""The ASGI application: the API, the page, and the data of the page.

The API requires keys. The page and everything below /_dev/ require none, but serve only this machine.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from segops import SegOpsConfigError, SegOpsError
from segops.core import Request
from segops.devserver.discovery import INFO_PATH, Info
from segops.devserver.feed import Feed
from segops.devserver.page import load_page
from segops.emulator import MAX_BODY, Filter, LocalSegOps
from segops.forward import StreamWatch

_log = logging.getLogger("segops.dev")

_MAX_ROWS = 500
_MAX_REQUESTS = 500
_MAX_DISCARDED = 4 * MAX_BODY
_MAX_DIGITS = 100
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:@/\s]+))(?::[0-9]{1,5})?")
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

Endpoint = Callable[[HttpRequest], Awaitable[HttpResponse]]


def make_app(
    local: LocalSegOps,
    info: Info,
    watch: StreamWatch | None,
    *,
    is_stopping: Callable[[], bool],
    reset: Callable[[tuple[str, int]], None],
) -> Starlette:
    """Return the application.

    Args:
        local: The local SegOps that handles the API.
        info: The description of the server.
        watch: Looks at a broker; None if there is none.
        is_stopping: Returns whether streams should end.
        reset: Resets the connection of a client, given its address.
    """
    views = _Views(local, info, watch, is_stopping)
    filters = frozenset({"type", "user", "text"})
    routes: dict[str, tuple[Endpoint, frozenset[str]]] = {
        INFO_PATH: (views.show_info, frozenset()),
        "/_dev/broker": (views.broker, frozenset()),
        "/_dev/overview": (views.overview, frozenset()),
        "/_dev/events": (views.events, filters | {"limit", "before"}),
        "/_dev/events/{id}": (views.event, frozenset()),
        "/_dev/skipped": (views.skipped, frozenset({"limit"})),
        "/_dev/stream": (views.stream, filters | {"after"}),
        "/_dev/requests": (views.requests, frozenset({"after"})),
        "/_dev/referrals": (views.referrals, frozenset()),
        "/_dev/segments/{id}/history": (views.history, frozenset()),
    }
    guarded = [Route(path, _local_only(view, known), methods=["GET"]) for path, (view, known) in routes.items()]
    page = Route("/", _local_only(views.page, None), methods=["GET"])
    faults = Route("/_dev/faults", _local_only(views.faults, frozenset()), methods=["GET", "POST", "DELETE"])
    app = Starlette(routes=[page, *guarded, faults])
    app.router.redirect_slashes = False
    app.router.default = _Api(local, reset)  # not a Mount, which does not match a path without a leading slash
    return app


class _Api:
    """Passes requests to the local SegOps."""

    def __init__(self, local: LocalSegOps, reset: Callable[[tuple[str, int]], None]) -> None:
        self._local = local
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _read_body(HttpRequest(scope, receive))
            response = await self._respond(scope, body)
        except ClientDisconnect:
            return
        except ConnectionResetError:  # a scripted fault
            self._reset(scope["client"])
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await response(scope, receive, send)

    async def _respond(self, scope: Scope, body: bytes) -> HttpResponse:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        request = Request(scope["method"], target.decode("latin-1"), headers, body)
        try:
            response = await run_in_threadpool(self._local.handle, request)
        except ConnectionResetError:
            raise
        except Exception:  # noqa: BLE001 - the server must survive any bug
            _log.exception("the local SegOps failed to handle a request")
            return _json({"detail": "Internal server error."}, 500)
        return HttpResponse(response.body, response.status, dict(response.headers))


async def _read_body(request: HttpRequest) -> bytes:
    """Return the body, or just enough of one that is too large.

    The rest is read and discarded, because closing early would reset the connection before the client reads the
    response.
    """
    kept, seen = bytearray(), 0
    async for chunk in request.stream():
        seen += len(chunk)
        if len(kept) <= MAX_BODY:
            kept += chunk
        if seen > _MAX_DISCARDED:
            break
    return bytes(kept)


class _Views:
    """Endpoints for the page."""

    def __init__(
        self, local: LocalSegOps, info: Info, watch: StreamWatch | None, is_stopping: Callable[[], bool]
    ) -> None:
        self._local = local
        self._inspection = local.inspection
        self._info = info
        self._watch = watch
        self._is_stopping = is_stopping

    async def page(self, _request: HttpRequest) -> HttpResponse:
        html, headers = load_page()
        return HttpResponse(html, headers=dict(headers), media_type="text/html")

    async def show_info(self, _request: HttpRequest) -> HttpResponse:
        return _json(self._info)

    async def broker(self, _request: HttpRequest) -> HttpResponse:
        """Return what waits in the broker, or why that cannot be said."""
        if self._watch is None:
            raise HTTPException(404, "No broker is watched: start `segops dev --watch URL`.")
        try:
            return _json(await run_in_threadpool(self._watch.look))
        except SegOpsError as error:
            return _json({"error": str(error)})

    async def overview(self, _request: HttpRequest) -> HttpResponse:
        summary, types = await run_in_threadpool(lambda: (self._local.summary(), self._inspection.event_types()))
        head = await run_in_threadpool(self._inspection.position)
        return _json({**msgspec.structs.asdict(summary), "by_type": types, "position": head})

    async def events(self, request: HttpRequest) -> HttpResponse:
        """Return events before `before`, newest first, and the position where the stream continues."""
        limit = min(_whole(request, "limit") or 100, _MAX_ROWS)
        token, head = await run_in_threadpool(lambda: (self._inspection.token(), self._inspection.position()))
        # The stream starts at this position, so it delivers everything that arrives from now on.
        before = min(_whole(request, "before") or head.event + 1, head.event + 1)
        events = await run_in_threadpool(self._inspection.events_before, before, limit, _filter(request))
        return _json({"events": events, "position": f"{head}.{token}"})

    async def event(self, request: HttpRequest) -> HttpResponse:
        found = await run_in_threadpool(self._inspection.event, _id(request))
        if found is None:
            raise HTTPException(404, "Not found.")
        return _json(found)

    async def skipped(self, request: HttpRequest) -> HttpResponse:
        limit = min(_whole(request, "limit") or 100, _MAX_ROWS)
        return _json(await run_in_threadpool(self._inspection.rejected, limit))

    async def stream(self, request: HttpRequest) -> HttpResponse:
        after = request.headers.get("last-event-id") or request.query_params.get("after", "")
        criteria = _filter(request)
        feed = Feed(self._inspection, after, criteria, with_rejected=criteria == Filter())
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(feed.lines(self._is_stopping), media_type="text/event-stream", headers=headers)

    async def requests(self, request: HttpRequest) -> HttpResponse:
        """Return at most the last 500 requests after `after`, oldest first."""
        after = _whole(request, "after")
        records = self._local.requests()
        newest = records[-1].id if records else 0
        new = records[max(len(records) - (newest - after), 0) :] if after < newest else []
        return _json(new[-_MAX_REQUESTS:])

    async def referrals(self, _request: HttpRequest) -> HttpResponse:
        return _json(await run_in_threadpool(self._inspection.referrals))

    async def history(self, request: HttpRequest) -> HttpResponse:
        return _json(await run_in_threadpool(self._inspection.segment_history, _id(request)))

    async def faults(self, request: HttpRequest) -> HttpResponse:
        """List, add (`{"faults": ["POST /x 503 x3"]}`) or clear scripted faults."""
        script = self._local.faults
        if request.method == "DELETE":
            script.clear()
        if request.method == "POST":
            body = await _read_body(request)
            if len(body) > MAX_BODY:
                raise HTTPException(413, f"The request body is larger than {MAX_BODY} bytes.")
            try:
                script.add(*_faults.decode(body).faults)
            except (msgspec.DecodeError, ValueError, RecursionError, SegOpsConfigError) as error:
                return _json({"faults": [str(error)]}, 400)
        return _json({"faults": script.pending()}, 201 if request.method == "POST" else 200)


class _Faults(msgspec.Struct, forbid_unknown_fields=True):
    faults: list[str]


_faults = msgspec.json.Decoder(_Faults)


def _local_only(endpoint: Endpoint, known: frozenset[str] | None) -> Endpoint:
    """Restrict an endpoint to this machine and this site.

    Args:
        endpoint: The endpoint.
        known: The query parameters that it accepts, or None for any.
    """
    return partial(_guard, endpoint, known)


async def _guard(endpoint: Endpoint, known: frozenset[str] | None, request: HttpRequest) -> HttpResponse:
    try:
        _check_origin(request)
        if known is not None:
            _check_parameters(request, known)
        return await endpoint(request)
    except HTTPException as error:
        return _json({"detail": error.detail}, error.status_code)
    except ClientDisconnect:  # nobody reads this response
        return _json({"detail": "The request body is incomplete."}, 400)


def _check_parameters(request: HttpRequest, known: frozenset[str]) -> None:
    if unknown := request.query_params.keys() - known:
        names = ", ".join(sorted(known)) or "none"
        raise HTTPException(400, f"Unknown parameter {min(unknown)[:80]!r}: known are {names}.")


def _check_origin(request: HttpRequest) -> None:
    """Reject requests from other machines and other sites, and under other host names.

    Raises:
        HTTPException: 400 for an invalid Host header, otherwise 403.
    """
    here = request.scope["server"][0]
    if request.client is None or not (request.client.host == here or _is_loopback(request.client.host)):
        raise HTTPException(403, "This is available on this machine only: use the API with a key.")
    host = request.headers.get("host", "")
    found = _HOST.fullmatch(host)
    if found is None:
        raise HTTPException(400, "Invalid Host header: use localhost or 127.0.0.1.")
    # With DNS rebinding, a page of another site could read this one under its own name.
    if (found[1] or found[2]).lower() not in (*_LOCAL_NAMES, here):
        raise HTTPException(403, "Unknown host: use localhost or 127.0.0.1.")
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        raise HTTPException(403, "Requests from other sites are not allowed.")


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback


def _filter(request: HttpRequest) -> Filter:
    query = request.query_params
    return Filter(query.get("type", ""), query.get("user", ""), query.get("text", ""))


def _id(request: HttpRequest) -> int:
    """Return the id in the path.

    Raises:
        HTTPException: 404 if it is not a number, 400 if it is too long.
    """
    text: str = request.path_params["id"]
    if not (text.isascii() and text.isdecimal()):
        raise HTTPException(404, "Not found.")
    if len(text) > _MAX_DIGITS:
        raise HTTPException(400, f"The id has {len(text)} digits: use the id of an event or a segment.")
    return min(int(text), 1 << 62)


def _whole(request: HttpRequest, name: str) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else 0  # noqa: PLR2004 - fits in 64 bits


def _json(value: Any, status: int = 200) -> HttpResponse:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return HttpResponse(msgspec.json.encode(value), status, headers, "application/json")
