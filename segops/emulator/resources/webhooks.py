"""Webhooks: register them, and deliver them after each recompute of a segment."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from datetime import datetime, timezone
from functools import partial
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import msgspec

from segops.core import SegOpsPermissionError
from segops.emulator import times
from segops.emulator.background import BackgroundTasks
from segops.emulator.bodies import Field, Text
from segops.emulator.crud import Resource
from segops.emulator.database import Database
from segops.emulator.resources.tenant import MASK, tenant_slug
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import PAGES, SECRET, RequestContext, Route
from segops.emulator.segments.compute import Recomputed
from segops.emulator.tables import Row, Table
from segops.guard import check_request

TIMEOUT = 10.0
"""Timeout of a delivery, in seconds."""


def _check(_request: RequestContext, values: Row, old: Row | None) -> Row:
    if "url" in values and (message := _url_error(values["url"])):
        raise HTTPError(400, {"url": [message]})
    if values.get("secret", "") is None:
        return {**values, "secret": ""}
    if old and values.get("secret") == MASK:  # sent back as shown
        return {**values, "secret": old["secret"]}
    return values


webhooks = Resource(
    "webhooks",
    {
        "url": Field(str),
        "secret": Field(Text | None, ""),
        "description": Field(Text, ""),
        "is_active": Field(bool, default=True),
    },
    check=_check,
    show=lambda row: {**row, "secret": MASK if row["secret"] else ""},
    children={"webhook_deliveries": "webhook_id"},
)

deliveries = Table(
    "webhook_deliveries",
    {
        "webhook_id": Field(int),
        "segment_id": Field(int),
        "status_code": Field(int, None),
        "error": Field(str, None),
        "payload": Field(str),
        "delivered_at": Field(str),
    },
)


def list_deliveries(request: RequestContext) -> ApiResponse:
    """List the deliveries of a webhook, newest first."""
    return webhooks.list_children(request, deliveries)


class _Webhook(NamedTuple):
    id: int
    url: str
    secret: str


class WebhookSender:
    """Delivers each webhook once, on its own thread, and records the outcome."""

    def __init__(self, tasks: BackgroundTasks) -> None:
        self._tasks = tasks

    def __call__(self, database: Database, recomputed: Recomputed) -> None:
        """Start the delivery to all active webhooks after a recompute."""
        rows = database.query("SELECT id, url, secret FROM webhooks WHERE is_active ORDER BY id")
        payload = _payload(database, recomputed) if rows else b""
        for row in rows:
            self._tasks.start(partial(_deliver, database, _Webhook(*row), recomputed.segment_id, payload))


def _payload(database: Database, recomputed: Recomputed) -> bytes:
    moment = datetime.fromisoformat(recomputed.computed_at.replace("Z", "+00:00"))
    return msgspec.json.encode(
        {
            "event": "segment.recomputed",
            "tenant_slug": tenant_slug(database),
            "segment_id": recomputed.segment_id,
            "segment_name": recomputed.segment_name,
            "member_count": recomputed.member_count,
            "computed_at": moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )


def _deliver(database: Database, webhook: _Webhook, segment_id: int, payload: bytes) -> None:
    status, error = _post(webhook.url, webhook.secret, payload)
    with database.transaction() as connection:
        connection.execute(
            """
            INSERT INTO webhook_deliveries (webhook_id, segment_id, status_code, error, payload, delivered_at)
            SELECT id, ?, ?, ?, ?, ? FROM webhooks WHERE id = ?
            """,  # stores nothing if the webhook was deleted in the meantime
            (segment_id, status, error, payload.decode(), times.from_unix(time.time()), webhook.id),
        )


def _post(url: str, secret: str, payload: bytes) -> tuple[int | None, str | None]:
    """Send a webhook once, and return the status of the response, or what went wrong."""
    import urllib3  # noqa: PLC0415 - slow to import, and most databases have no webhook

    try:
        check_request(url)
    except SegOpsPermissionError as error:
        return None, str(error)
    headers = {"Content-Type": "application/json", "User-Agent": "segops-local"}
    if secret:
        digest = hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()
        headers["X-SegOps-Signature"] = f"sha256={digest}"
    with urllib3.PoolManager(retries=False) as pool:  # and so without redirects
        try:
            response = pool.request(
                "POST",
                url,
                body=payload,
                headers=headers,
                timeout=urllib3.Timeout(total=TIMEOUT),
                preload_content=False,  # nobody reads the body
            )
            response.release_conn()
            response.close()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return None, type(error).__name__
    return response.status, None if 200 <= response.status < 300 else f"unexpected status {response.status}"  # noqa: PLR2004 - the range of success


def _url_error(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        is_valid_port = parts.port is None or parts.port > 0
    except ValueError:
        return "Enter a valid URL."
    if not (parts.hostname and is_valid_port and url.isascii() and url.isprintable() and " " not in url):
        return "Enter a valid URL."
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts)):
        return None
    return "Use an https URL. Only this machine may use http (http://127.0.0.1 or http://localhost)."


def _is_loopback(parts: SplitResult) -> bool:
    try:
        return parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


TABLES = (
    webhooks.schema,
    deliveries.schema,
)
ROUTES = (
    *webhooks.routes("/api/webhooks/"),
    Route("GET", "/api/webhooks/<int:id>/deliveries/", SECRET, list_deliveries, PAGES),
)
