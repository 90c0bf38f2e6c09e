"""What the tests of `segops dev` share: the program in a process, and a way to read its streams."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from tests.rig.programs import unconfigured

SEGOPS = (sys.executable, "-m", "segops")
JSON = {"Content-Type": "application/json"}


def make_environment(directory: Path, **more: str) -> dict[str, str]:
    """Return an environment in which no other `segops dev` is found."""
    return {**unconfigured(), "XDG_RUNTIME_DIR": str(directory), **more}


class DevProcess:
    """A `segops dev` in a process of its own, on a free port."""

    def __init__(self, environment: Mapping[str, str], *words: str) -> None:
        self._process = subprocess.Popen(
            [*SEGOPS, "dev", *(() if "--port" in words else ("--port", "0")), *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.said = ""
        for line in self._process.stdout:
            self.said += line
            if "Ctrl-C" in line:
                break
        found = re.search(r"http://\S+:(\d+)", self.said)
        assert found, self._process.communicate(timeout=60)
        self.url = found[0]
        self.port = int(found[1])
        self.secret_key = self._word("secret key")
        self.public_key = self._word("public key")

    def __enter__(self) -> DevProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.stop()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End it and return its exit code and what it wrote to stderr."""
        self._process.send_signal(number)
        _, complaints = self._process.communicate(timeout=60)
        return self._process.returncode, complaints

    def _word(self, name: str) -> str:
        found = re.search(rf"{name} +(\S+)", self.said)
        assert found
        return found[1]


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
