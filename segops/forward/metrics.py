"""Serve the metrics of a forwarder in the text format of Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from segops import SegOpsConfigError
from segops.forward.forwarder import Snapshot

_MAX_PORT = 65535


class MetricsServer:
    """Serves `/metrics` while its `with` block runs.

    Args:
        where: "[ADDRESS:]PORT", on 127.0.0.1 without an address; None to serve nothing.
        snapshot: Returns what to serve.

    Raises:
        SegOpsConfigError: `where` is invalid, or the port is taken.
    """

    def __init__(self, where: str | None, snapshot: Callable[[], Snapshot]) -> None:
        self._server: ThreadingHTTPServer | None = None
        if where is None:
            return
        address, _, port = where.rpartition(":")
        if not (port.isascii() and port.isdecimal() and int(port[:9]) <= _MAX_PORT):
            raise SegOpsConfigError(f"--metrics must be [ADDRESS:]PORT or -, got {where[:80]!r}")
        try:
            self._server = ThreadingHTTPServer((address or "127.0.0.1", int(port)), _handler(snapshot))
        except OSError as error:
            raise SegOpsConfigError(
                f"--metrics: cannot listen on {where[:80]} ({error.strerror}): pass another port"
            ) from error

    def __enter__(self) -> MetricsServer:
        if self._server is not None:
            threading.Thread(target=self._server.serve_forever, name="segops-metrics", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def _handler(snapshot: Callable[[], Snapshot]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_found = self.path == "/metrics"
            body = "".join(render(snapshot())).encode() if is_found else b"see /metrics\n"
            self.send_response(200 if is_found else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
            """Log nothing."""

    return Handler


def render(snapshot: Snapshot) -> Iterator[str]:
    """Yield the lines of the metrics."""
    yield from _metric("delivered_events_total", "counter", [("", snapshot.delivered)])
    yield from _metric(
        "dropped_events_total", "counter", [(f'{{reason="{name}"}}', count) for name, count in snapshot.dropped.items()]
    )
    yield from _metric("retries_total", "counter", [("", snapshot.retries)])
    stream = snapshot.stream
    if stream is None:
        return
    yield from _metric("waits_for_limit", "gauge", [("", stream.waits)])
    by_shard = [(f'{{shard="{each.shard}"}}', each) for each in stream.shards]
    yield from _metric("waiting_events", "gauge", [(label, each.events) for label, each in by_shard])
    yield from _metric("waiting_bytes", "gauge", [(label, each.bytes) for label, each in by_shard])
    yield from _metric("oldest_seconds", "gauge", [(label, each.oldest or 0) for label, each in by_shard])
    yield from _metric("dead_letters", "gauge", [(label, each.dead) for label, each in by_shard])
    yield from _metric(
        "shard_has_forwarder", "gauge", [(label, int(each.holder is not None)) for label, each in by_shard]
    )


def _metric(name: str, kind: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield f"# TYPE segops_forward_{name} {kind}\n"
    for label, value in samples:
        yield (
            f"segops_forward_{name}{label} {value:g}\n"
            if isinstance(value, float)
            else f"segops_forward_{name}{label} {value}\n"
        )
