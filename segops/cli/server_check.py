"""Check a server: TLS, reachability, the key, latency, and the clock."""

from __future__ import annotations

import math
import socket
import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from segops import SegOpsConfigError, SegOpsTimeoutError, SegOpsTransportError
from segops.cli.errors import ExitCode
from segops.cli.findings import Finding
from segops.cli.whoami import PROBE
from segops.core import Request, Response, Transport
from segops.transports.http import make_context

_TIMEOUT = 10.0
_MAX_SKEW = 60.0
_SLOW = 1.0
_DAY = 86_400.0
_EXPIRES_SOON_DAYS = 14


def check_tls(url: str, proxy: str | None) -> Finding:
    """Check the certificate of a server, and how long it is valid."""
    if proxy is not None:
        return Finding("tls", "ok", "verified with each request, through the proxy")
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    try:
        context = make_context()
    except SegOpsConfigError as error:
        return Finding("tls", "failed", str(error), ExitCode.USAGE)
    try:
        with (
            socket.create_connection((host, port), timeout=_TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            version, expiry = secured.version(), str((secured.getpeercert() or {}).get("notAfter", ""))
    except ssl.SSLError as error:
        return Finding("tls", "failed", f"{error.reason or error}: check the certificate of {host}", ExitCode.NETWORK)
    except OSError as error:
        return Finding("tls", "failed", f"cannot connect to {host}:{port} ({error})", ExitCode.NETWORK)
    days = int((ssl.cert_time_to_seconds(expiry) - time.time()) // _DAY)
    return Finding(
        "tls",
        "warning" if days < _EXPIRES_SOON_DAYS else "ok",
        f"{version}, certificate valid for {days} more days",
    )


def check_server(transport: Transport, key: str | None) -> Iterator[Finding]:
    """Send two requests: check the responses, the key, the latency, and the server's time."""
    headers = {"Accept": "application/json"} | ({"Authorization": f"ApiKey {key}"} if key else {})
    request = Request("GET", f"/api{PROBE}", headers)
    try:
        first = transport.send(request, timeout=_TIMEOUT)
        started, started_at = time.perf_counter(), time.time()
        response = transport.send(request, timeout=_TIMEOUT)
        seconds = time.perf_counter() - started
    except SegOpsTimeoutError as error:
        detail = f"{error}: check the load of the server, and firewalls"
        yield Finding("server", "failed", detail, ExitCode.TIMED_OUT)
        return
    except SegOpsTransportError as error:
        yield Finding("server", "failed", f"{error}: check the URL, and that the server is running", ExitCode.NETWORK)
        return
    yield _check_response(response if _is_success(first) else first, key)
    yield Finding(
        "latency",
        "warning" if seconds > _SLOW else "ok",
        f"{seconds * 1000:.1f} ms for a small request on an open connection",
    )
    yield _check_clock(response, (started_at + time.time()) / 2)


def _check_response(response: Response, key: str | None) -> Finding:
    status = response.status
    if _is_success(response):
        if "json" in response.headers.get("content-type", "json"):
            return Finding("server", "ok", "reachable, and accepts the key")
        return Finding("server", "failed", "responds, but not with JSON: check that the URL points to a SegOps API")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        if not key:
            return Finding("server", "ok", "reachable, but nothing more can be checked without a key")
        detail = f"reachable, but refuses the key ({status}): use another one"
        return Finding("server", "failed", detail, ExitCode.AUTHENTICATION)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Finding("server", "warning", "reachable, but rate limited: wait a minute")
    return Finding("server", "failed", f"responds with {status}: check the URL, or try again later")


def _is_success(response: Response) -> bool:
    return HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES


def _check_clock(response: Response, now: float) -> Finding:
    try:
        skew = now - parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        return Finding("clock", "warning", "cannot be checked: the server sends no date")
    if abs(skew) <= _MAX_SKEW:
        return Finding("clock", "ok", f"within {math.ceil(abs(skew))} s of the server's")
    direction = "ahead of" if skew > 0 else "behind"
    detail = (
        f"{abs(skew):.0f} s {direction} the server's: set it, because events get wrong times, and signed user ids "
        "are refused"
    )
    return Finding("clock", "warning", detail)
