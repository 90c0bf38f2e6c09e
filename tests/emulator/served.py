"""A local SegOps in a process of its own, for hostile requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import socket
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from segops.core import BATCH_PATH, SINGLE_PATH
from tests.rig.programs import SEGOPS, ServerProcess, alone, unmeasured

# LocalServer as a program: after it has said where it is, it serves until its stdin ends. As root it first becomes
# nobody, whom the modes of files mean something to.
PLAIN = """
import os, sys
from segops.emulator import LocalSegOps, LocalServer
if os.geteuid() == 0 and sys.argv[2] == "nobody":
    os.setgid(65534)
    os.setuid(65534)
with LocalSegOps(sys.argv[1]) as segops, LocalServer(segops) as server:
    print(server.url, "secret key", segops.secret_key, "public key", segops.public_key, "Ctrl-C", flush=True)
    sys.stdin.read()
"""

DEV = "segops dev"
LOCAL_SERVER = "LocalServer"

# What says what was refused and how often, not what is stored.
LOGS = {"skipped_events", "rate_windows", "sqlite_sequence"}


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Served(ServerProcess):
    """A server and the file of its database."""

    def __init__(self, path: Path, *command: str, environment: Mapping[str, str]) -> None:
        super().__init__(*command, environment=environment)
        self.path = path

    def ask(self, method: str, path: str, body: object = None, auth: str | None = None, **headers: str) -> Reply:
        """Send one request; bytes as they are, other bodies as JSON."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        credential = f"ApiKey {self.secret_key}" if auth is None else auth
        with closing(http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)) as connection:
            connection.request(method, path, data, {"Authorization": credential, **headers})
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def good(self, user: str = "good") -> int:
        """Send one good event and return the status."""
        return self.ask("POST", SINGLE_PATH, {"user_id": user, "event_type": "still_here"}).status

    def connect(self) -> socket.socket:
        address = urlsplit(self.url)
        return socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=60)

    def converse(self, sent: bytes, *, half_close: bool = False) -> bytes:
        """Send raw bytes and return all that comes back until the server closes; ask it to, in the last request."""
        with closing(self.connect()) as client:
            try:
                client.sendall(sent)
                if half_close:
                    client.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: client.recv(65_536), b""))
            except ConnectionError:
                return b""

    def request(self, path: str = SINGLE_PATH, body: bytes = b"", *headers: str, method: str = "POST") -> bytes:
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: ApiKey {self.secret_key}", *headers]
        if not any(header.lower().startswith(("content-length", "transfer-encoding")) for header in headers):
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True, timeout=60)) as database:
            return database.execute(sql, values).fetchall()

    def counts(self) -> dict[str, int]:
        """Return how many rows each table has that holds something."""
        tables = [name for (name,) in self.query("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: self.query(f"SELECT count(*) FROM {name}")[0][0] for name in tables if name not in LOGS}

    def batch(self, users: list[str], size: int = 0) -> int:
        events = [{"user_id": user, "event_type": "batched", "payload": {"text": "x" * size}} for user in users]
        return self.ask("POST", BATCH_PATH, {"events": events}).status


def serve(kind: str, path: Path, user: str = "") -> Served:
    """Start a server; `user` is "nobody" or empty."""
    if kind == DEV:
        command = [*SEGOPS, "dev", "--port", "0", "--db", str(path)]
        return Served(path, *command, environment=alone(path.parent))
    return Served(path, sys.executable, "-c", PLAIN, str(path), user, environment=alone(path.parent, unmeasured()))


def must_reject(reply: Reply, *statuses: int) -> None:
    """Check that a response is a documented error."""
    assert reply.status in statuses, reply
    assert reply.headers["content-type"] == "application/json"
    body = json.loads(reply.body)
    assert body
    for name, complaint in body.items():
        assert isinstance(complaint, str if name == "detail" else list), body
        assert all(isinstance(each, str) for each in complaint)


def split_responses(data: bytes) -> list[tuple[int, bytes]]:
    """Return the status and the body of each response on a connection."""
    responses = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        length = int(_search(r"content-length: (\d+)", head.decode("latin-1").lower()))
        responses.append((int(head.split()[1]), rest[:length]))
        data = rest[length:]
    return responses


def forge(secret: str, claims: Mapping[str, object], header: object = None) -> str:
    """Return a session token as if minted with a secret (hex)."""
    parts = [header or {"alg": "HS256", "typ": "JWT"}, claims]
    signed = b".".join(_encode(json.dumps(part).encode()) for part in parts)
    return (signed + b"." + _encode(hmac.new(bytes.fromhex(secret), signed, hashlib.sha256).digest())).decode()


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _search(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, text
    return found[found.re.groups]


def stock(served: Served) -> None:
    """Store one of everything, so that paths with the number 1 lead somewhere, and a text for hostile patterns."""
    condition = {"type": "event_count", "event_type": "e", "operator": "gte", "value": 1}
    payload = {"text": "a" * 20_000 + "!"}
    served.ask("POST", SINGLE_PATH, {"user_id": "user-1", "event_type": "e", "payload": payload})
    made = {
        "/api/segments/": {"name": "S", "definition": {"logic": "AND", "conditions": [condition]}},
        "/api/product-segments/": {"name": "P"},
        "/api/pim/products/": {"sku": "A", "name": "a"},
        "/api/schemas/": {"event_type": "typed", "properties": {"total": "number"}},
        "/api/activations/": {"segment": 1, "connector_type": "outbox"},
        "/api/webhooks/": {"url": "http://127.0.0.1:9/", "is_active": False},
        "/api/ai-reach/queries/": {"query_text": "a"},
        "/api/ai-reach/competitors/": {"name": "a"},
        "/api/ai-pages/pages/": {"slug": "a"},
    }
    assert [served.ask("POST", path, body).status for path, body in made.items()] == [201] * len(made)
    assert served.ask("GET", "/api/settings/").status == 200  # gives them their defaults
    assert served.ask("GET", "/api/settings/", None, "Bearer x").status == 401  # as does this, the secrets of tokens
    assert served.ask("POST", "/api/auth/session/", {}, f"ApiKey {served.public_key}").status == 200
