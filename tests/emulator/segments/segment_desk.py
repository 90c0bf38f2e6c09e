"""Helpers for tests of segments: requests and events."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from segops.core import BATCH_PATH, Request, Response
from segops.emulator import LocalSegOps
from segops.emulator.segments.explain import Explanation, explain_user
from tests.emulator.local_service import Clock
from tests.emulator.segments.segment_reference import Happening, World

PREFIX = "/api/segments/"


class Desk:
    """A local SegOps, asked as an administrator."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.segops = LocalSegOps(clock=self.clock, **options)

    def send(self, method: str, path: str, body: object = None, **headers: str) -> Response:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        credential = {"Authorization": f"ApiKey {self.segops.secret_key}", **headers}
        return self.segops.handle(Request(method, path, credential, data))

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        response = self.send(method, path, body)
        return response.status, json.loads(response.body) if response.body else None

    def get(self, path: str) -> Any:
        status, response = self.ask("GET", path)
        assert status == 200, response
        return response

    def track(self, *events: Happening, anonymous_id: str | None = None) -> None:
        rows = [
            {
                "user_id": event.user_id,
                "event_type": event.event_type,
                "occurred_at": event.at.isoformat(),
                "payload": event.payload,
                "anonymous_id": anonymous_id,
            }
            for event in events
        ]
        for start in range(0, len(rows), 500):
            status, response = self.ask("POST", BATCH_PATH, {"events": rows[start : start + 500]})
            assert (status, response["skipped"]) == (202, 0), response

    def create(self, definition: object, name: str = "S", **members: object) -> int:
        status, response = self.ask("POST", PREFIX, {"name": name, "definition": definition, **members})
        assert status == 201, response
        return int(response["id"])

    def compute(self, segment_id: int) -> None:
        assert self.ask("POST", f"{PREFIX}{segment_id}/compute/") == (202, {"status": "queued"})

    def preview(self, definition: object) -> list[str]:
        status, response = self.ask("POST", f"{PREFIX}preview/", {"definition": definition, "limit": 1000})
        assert status == 200, response
        assert response["matched_users"] >= len(response["sample_user_ids"])
        return list(response["sample_user_ids"])

    def stored_members(self, segment_id: int) -> list[str]:
        rows = self.segops._database.query(
            "SELECT user_id FROM segment_members WHERE segment_id = ? ORDER BY user_id", (segment_id,)
        )
        return [user for (user,) in rows]

    def explain(self, segment_id: int, user_id: str) -> list[Explanation]:
        found = explain_user(self.segops._database, segment_id, user_id, self.clock.now)
        assert found is not None
        return found

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now, timezone.utc)

    def world(self, events: list[Happening], **more: Any) -> World:
        return World(events, self.now, **more)


def group(*conditions: object, logic: str = "AND") -> dict[str, Any]:
    return {"logic": logic, "conditions": list(conditions)}
