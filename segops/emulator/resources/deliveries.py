"""Webhooks are signed and delivered after each recompute of a segment.

Source: wire-protocol.md, sections 8.1 and 8.2.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from datetime import datetime, timezone

import msgspec

from segops.emulator import times
from segops.emulator.background import Background
from segops.emulator.database import Database
from segops.emulator.resources.tenant import tenant_slug
from segops.emulator.segments.compute import Recomputed

TIMEOUT = 10.0
"""How long a delivery may take, in seconds."""

_SIGNATURE = "X-SegOps-Signature"


class _Hook(msgspec.Struct, frozen=True):
    id: int
    url: str
    secret: str


class WebhookSender:
    """Delivers a webhook to all active hooks at once, each on a thread of its own, once, and keeps how it went."""

    def __init__(self, background: Background) -> None:
        self._background = background

    def __call__(self, database: Database, recomputed: Recomputed) -> None:
        """Start to tell all active hooks about a recompute."""
        rows = database.query("SELECT id, url, secret FROM webhooks WHERE is_active ORDER BY id")
        if not rows:
            return
        payload = _payload(database, recomputed)
        for row in rows:
            hook = _Hook(*row)
            self._background.start(lambda hook=hook: _deliver(database, hook, recomputed.segment_id, payload))  # type: ignore[misc] # mypy infers no type for the default


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


def _deliver(database: Database, hook: _Hook, segment_id: int, payload: bytes) -> None:
    status, error = _post(hook, payload)
    with database.transaction() as connection:
        connection.execute(
            """
            INSERT INTO webhook_deliveries (webhook_id, segment_id, status_code, error, payload, delivered_at)
            SELECT id, ?, ?, ?, ?, ? FROM webhooks WHERE id = ?
            """,  # of a hook that was deleted meanwhile, nothing is kept
            (segment_id, status, error, payload.decode(), times.from_unix(time.time()), hook.id),
        )


def _post(hook: _Hook, payload: bytes) -> tuple[int | None, str | None]:
    """Send it once; return the status of the answer, or what went wrong."""
    import urllib3  # noqa: PLC0415 - slow to import, and most databases have no webhook

    headers = {"Content-Type": "application/json", "User-Agent": "segops-local"}
    if hook.secret:
        digest = hmac.new(hook.secret.encode(), payload, hashlib.sha256).hexdigest()
        headers[_SIGNATURE] = f"sha256={digest}"
    with urllib3.PoolManager(retries=False) as pool:  # and so no redirects
        try:
            answer = pool.request(
                "POST",
                hook.url,
                body=payload,
                headers=headers,
                timeout=urllib3.Timeout(total=TIMEOUT),
                preload_content=False,  # nobody reads the answer
            )
            answer.release_conn()
            answer.close()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as failure:
            return None, type(failure).__name__
    return answer.status, None if 200 <= answer.status < 300 else f"answered with {answer.status}"  # noqa: PLR2004 - the range of success
