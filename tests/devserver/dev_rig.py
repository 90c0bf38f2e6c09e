"""Requests to `segops dev`, and its streams."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

JSON = {"Content-Type": "application/json"}


def ask(url: str, path: str, body: object = None, **options: Any) -> tuple[int, Any]:
    """Send one request and return the status and the JSON."""
    status, _, data = exchange(url, path, body, **options)
    return status, json.loads(data) if data else None


def exchange(
    url: str, path: str, body: object = None, *, method: str | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = connect(url)
    try:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method or ("GET" if body is None else "POST"), path, data, dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def connect(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)


class Stream:
    """One connection to the stream of events."""

    def __init__(self, url: str, query: str = "", last: str | None = None) -> None:
        self._connection = connect(url)
        self._connection.request("GET", f"/_dev/stream{query}", headers={"Last-Event-ID": last} if last else {})
        self._response = self._connection.getresponse()
        assert self._response.headers["content-type"].startswith("text/event-stream")
        self.id = ""

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()
        self._connection.close()

    def messages(self) -> Iterator[tuple[str, Any]]:
        """Yield the type and the JSON of each message."""
        fields: dict[str, str] = {}
        for raw in self._response:
            line = raw.decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                self.id = fields["id"]
                yield fields["event"], json.loads(fields["data"])
                fields = {}

    def start(self) -> str:
        return next(self.messages())[0]

    def take(self, count: int) -> list[dict[str, Any]]:
        """Return the next events, at least so many."""
        found: list[dict[str, Any]] = []
        for _, batch in self.messages():
            found += batch.get("events", [])
            if len(found) >= count:
                break
        return found
