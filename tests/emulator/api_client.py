"""A client of the admin API for tests."""

from __future__ import annotations

import json
from typing import Any

from segops.core import Request, Response
from tests.emulator.local_service import Service


class Api:
    """Asks a local SegOps with its secret key."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.segops = service.segops
        self.clock = service.clock

    def ask(self, method: str, path: str, body: object = None, auth: str | None = None, **headers: str) -> Response:
        """Send one request; bytes as they are, other bodies as JSON."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        credential = f"ApiKey {self.segops.secret_key}" if auth is None else auth
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.service.send(Request(method, f"/api{path}", {"Authorization": credential, **named}, data))

    def __call__(self, method: str, path: str, body: object = None, auth: str | None = None, **headers: str) -> Any:
        """Return the JSON of a success; fail on anything else."""
        response = self.ask(method, path, body, auth, **headers)
        assert 200 <= response.status < 300, (response.status, response.body)
        return json.loads(response.body) if response.body else None

    def status(self, method: str, path: str, body: object = None, auth: str | None = None, **headers: str) -> Any:
        """Return the status and the JSON of any result."""
        response = self.ask(method, path, body, auth, **headers)
        return response.status, json.loads(response.body) if response.body else None

    def track(self, *events: dict[str, Any]) -> None:
        assert self.service.batch(list(events)) == (202, {"queued": len(events), "skipped": 0})

    def segment(self, name: str = "Buyers", event_type: str = "order_placed", **fields: object) -> int:
        """Make and compute a segment of the users who did something at least once."""
        condition = {"type": "event_count", "event_type": event_type, "operator": "gte", "value": 1}
        body = {"name": name, "definition": {"logic": "AND", "conditions": [condition]}, **fields}
        number: int = self("POST", "/segments/", body)["id"]
        self.compute(number)
        return number

    def compute(self, segment: int) -> None:
        self("POST", f"/segments/{segment}/compute/")


def multipart(content: bytes, filename: str = "products.csv", field: str = "file") -> tuple[bytes, str]:
    """Return the body and the content type of an upload."""
    head = f'--b0und\r\nContent-Disposition: form-data; name="{field}"; filename="{filename}"\r\n'
    body = head.encode() + b"Content-Type: text/csv\r\n\r\n" + content + b"\r\n--b0und--\r\n"
    return body, "multipart/form-data; boundary=b0und"
