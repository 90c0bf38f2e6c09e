"""Admin clients over scripted responses, and the requests that they sent."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from segops import SegOpsAdmin
from segops.core import Request, Response
from segops.testing import FakeClock
from segops.transports.memory import MemoryTransport

KEY = "sk_test_planted"


def ok(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(status, {"content-type": "application/json", **(headers or {})}, json.dumps(body).encode())


def scripted(*responses: Any, **options: Any) -> tuple[SegOpsAdmin, MemoryTransport, FakeClock]:
    transport = MemoryTransport(*responses, offline=False)
    clock = FakeClock()
    return SegOpsAdmin(KEY, transport=transport, clock=clock, **options), transport, clock


def targets(transport: MemoryTransport) -> list[str]:
    return [f"{request.method} {request.path}" for request in transport.requests]


def query(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.path.partition("?")[2]))
