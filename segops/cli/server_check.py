"""Checks of the server: TLS, reachability, the key, latency, the clock."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from segops import SegOpsConfigError, SegOpsTimeoutError, SegOpsTransportError
from segops.cli.findings import Finding
from segops.core import Request, Response, Transport
from segops.transports.http import make_context

_PROBE = "/api/analytics/overview/"
_TIMEOUT = 10.0
_MOST_SKEW = 60.0
_SLOW = 1.0
_DAY = 86_400.0
_SOON = 14
_NETWORK, _TIMED_OUT, _REFUSED, _FAILED, _USAGE = 5, 7, 4, 1, 2
_OK, _UNAUTHORIZED, _FORBIDDEN, _TOO_MANY = 2, 401, 403, 429


def check_tls(url: str, proxy: str | None) -> Finding:
    """Look at the TLS of a server, and at how long its certificate is valid."""
    parts = urlsplit(url)
    if proxy is not None:
        return Finding("tls", "ok", "checked with each request, through the proxy")
    host, port = parts.hostname or "", parts.port or 443
    try:
        context = make_context()
    except SegOpsConfigError as error:
        return Finding("tls", "failed", str(error), _USAGE)
    try:
        with (
            socket.create_connection((host, port), timeout=_TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            version, ends = secured.version(), str((secured.getpeercert() or {}).get("notAfter", ""))
    except ssl.SSLError as error:
        return Finding("tls", "failed", f"{error.reason or error}: have the certificate of {host} checked", _NETWORK)
    except OSError as error:
        return Finding("tls", "failed", f"{host}:{port} was not reached ({error})", _NETWORK)
    days = int((ssl.cert_time_to_seconds(ends) - time.time()) // _DAY)
    return Finding(
        "tls", "warning" if days < _SOON else "ok", f"{version}; the certificate is valid for {days} more days"
    )


def check_server(transport: Transport, key: str | None) -> Iterator[Finding]:
    """Ask the server twice: how it answers, how fast, whether it takes the key, and what time it has."""
    headers = {"Accept": "application/json"} | ({"Authorization": f"ApiKey {key}"} if key else {})
    request = Request("GET", _PROBE, headers)
    try:
        first = transport.send(request, timeout=_TIMEOUT)
        started, began = time.perf_counter(), time.time()
        response = transport.send(request, timeout=_TIMEOUT)
        seconds = time.perf_counter() - started
    except SegOpsTimeoutError as error:
        yield Finding("server", "failed", f"{error}: is it overloaded, or is a firewall in between?", _TIMED_OUT)
        return
    except SegOpsTransportError as error:
        yield Finding("server", "failed", f"{error}: check the URL and that it runs", _NETWORK)
        return
    yield _judge(first if first.status // 100 != _OK else response, key)
    yield Finding(
        "latency",
        "warning" if seconds > _SLOW else "ok",
        f"{seconds * 1000:.1f} ms for a small request on an open connection",
    )
    yield _check_clock(response, (began + time.time()) / 2)


def _judge(response: Response, key: str | None) -> Finding:
    status = response.status
    if status // 100 == _OK:
        if "json" in response.headers.get("content-type", "json"):
            return Finding("server", "ok", "reachable, and the key is accepted")
        return Finding("server", "failed", "something answers there, but it is no SegOps API: check the URL", _FAILED)
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        if not key:
            return Finding("server", "ok", "reachable; without a key nothing more can be said")
        return Finding("server", "failed", f"reachable, but it refuses the key ({status}): use another one", _REFUSED)
    if status == _TOO_MANY:
        return Finding("server", "warning", "reachable, but the rate limit is used up: wait a minute")
    return Finding("server", "failed", f"it answers with {status}: check the URL, or try again later", _FAILED)


def _check_clock(response: Response, now: float) -> Finding:
    try:
        skew = now - parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        return Finding("clock", "warning", "the server does not tell the time")
    if abs(skew) <= _MOST_SKEW:
        return Finding("clock", "ok", f"{abs(skew):.0f} s off the server's")
    where = "ahead of" if skew > 0 else "behind"
    text = f"{abs(skew):.0f} s {where} the server's: events get wrong times and signed ids are refused; set the clock"
    return Finding("clock", "warning", text)
