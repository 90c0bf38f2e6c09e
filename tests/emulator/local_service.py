"""Helpers for tests of the local SegOps: a clock, requests, and events."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from segops.core import BATCH_PATH, SESSION_PATH, SINGLE_PATH, Request, Response
from segops.emulator import LocalSegOps

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z, the time of the signature vectors


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class Service:
    """A local SegOps and one way to reach it."""

    def __init__(self, segops: LocalSegOps, clock: Clock, send: Callable[[Request], Response]) -> None:
        self.segops = segops
        self.clock = clock
        self.send = send

    def post(self, path: str, body: object, auth: str | None = None, **headers: str) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        credential = f"ApiKey {self.segops.secret_key}" if auth is None else auth
        response = self.send(Request("POST", path, {"Authorization": credential, **headers}, data))
        assert response.headers["content-type"] == "application/json"
        return response.status, json.loads(response.body)

    def track(self, body: object, auth: str | None = None) -> tuple[int, Any]:
        return self.post(SINGLE_PATH, body, auth)

    def batch(self, events: object, auth: str | None = None) -> tuple[int, Any]:
        return self.post(BATCH_PATH, {"events": events}, auth)

    def session(self, body: object, key: str | None = None, **headers: str) -> tuple[int, Any]:
        return self.post(SESSION_PATH, body, f"ApiKey {key or self.segops.public_key}", **headers)

    def bearer(self, body: object, key: str | None = None) -> str:
        status, response = self.session(body, key)
        assert status == 200, response
        return f"Bearer {response['token']}"


def sign(secret: str, user_id: str, ts: int) -> str:
    return hmac.new(bytes.fromhex(secret), f"{user_id}|{ts}".encode(), hashlib.sha256).hexdigest()


def event(number: int = 0, **members: object) -> dict[str, Any]:
    return {"user_id": f"user-{number}", "event_type": "order_placed", "payload": {"total": 10.5}, **members}
