"""A server that accepts everything: `python -m bench.sink healthy`, or `black-hole`, `slow`, `counting`.

It prints its URL, and stops when its standard input ends. `black-hole` accepts connections and never responds, `slow`
delays each response, and `counting` prints at the end, as JSON, what it received. It is separate from the tests' server
because it must cost less than what it measures. Its response satisfies every measured SDK: some expect the status 200,
some a `status` of 1 or a `code` of 200 in the body.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress

BODY = b'{"queued": 20, "status": 1, "code": 200}'
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
CHUNK = 262_144
SLOW = 0.5
"""The delay of the slow sink in seconds."""

GZIP = b"\x1f\x8b"
EVENT = re.compile(rb"ord-(\d{8})")
"""The `order_id` of an event. Its length is fixed, because in a binary format the next byte may be a digit."""


Parts = list[bytes]
"""The body of a request, in the pieces that arrived."""


def serve(connection: socket.socket, take: Callable[[Parts], object] | None, seconds: float) -> None:
    """Read requests, pass their bodies to `take` if it is given, and respond to each after a delay."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(CHUNK)  # reused, because allocating one per request costs more than reading
    view = memoryview(buffer)
    data = b""
    with connection, suppress(ConnectionError):  # a measured process exits without closing its connection
        while size := connection.recv_into(buffer):
            data += view[:size]
            head, end, body = data.partition(b"\r\n\r\n")
            if not end:
                continue
            length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            parts = [body]
            missing = (int(length[1]) if length else 0) - len(body)
            while missing > 0 and (size := connection.recv_into(buffer)):
                if take:
                    parts.append(bytes(view[:size]))
                missing -= size
            if take:
                take(parts)
            if seconds:
                time.sleep(seconds)
            connection.sendall(RESPONSE)
            data = b""


def listen(server: socket.socket, mode: str, bodies: list[Parts]) -> None:
    take = bodies.append if mode == "counting" else None
    seconds = SLOW if mode == "slow" else 0.0
    silent = []
    while True:
        connection, _ = server.accept()
        if mode == "black-hole":
            silent.append(connection)
        else:
            threading.Thread(target=serve, args=(connection, take, seconds), daemon=True).start()


def count(requests: list[Parts]) -> dict[str, int]:
    """Count the requests, the bytes, the distinct events, and the repeated ones."""
    bodies = [b"".join(parts) for parts in requests]
    plain = (zlib.decompress(body, wbits=31) if body.startswith(GZIP) else body for body in bodies)
    events = [event for body in plain for event in EVENT.findall(body)]
    distinct = len(set(events))
    return {
        "requests": len(bodies),
        "bytes": sum(map(len, bodies)),
        "events": distinct,
        "repeated": len(events) - distinct,
    }


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    taken: list[Parts] = []
    threading.Thread(target=listen, args=(listener, sys.argv[1], taken), daemon=True).start()
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    sys.stdin.read()
    if sys.argv[1] == "counting":
        print(json.dumps(count(taken)), flush=True)
