"""A server of one long list, page by page: `python -m bench.shelf ITEMS`.

It prints its URL. Responses are created in advance, because both sides wait for the server.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from typing import Any

PAGE_SIZE = 200
REQUEST = 65_536
HEAD = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n"


def segment(number: int) -> dict[str, Any]:
    condition = {"type": "monetary", "operator": "gte", "value": 200}
    return {
        "id": number,
        "name": f"Segment {number}",
        "description": "People who bought something lately",
        "definition": {"logic": "AND", "conditions": [condition]},
        "segment_type": "rule",
        "is_active": True,
        "member_count": number,
        "last_computed_at": "2027-01-05T09:30:00Z",
    }


def make_responses(items: int) -> list[bytes]:
    responses = []
    for first in range(0, items, PAGE_SIZE):
        last = min(first + PAGE_SIZE, items)
        following = f"http://localhost/api/segments/?page={last // PAGE_SIZE + 1}" if last < items else None
        results = [segment(number) for number in range(first, last)]
        body = json.dumps({"count": items, "next": following, "previous": None, "results": results}).encode()
        responses.append(HEAD.format(len(body)).encode() + body)
    return responses


def serve(connection: socket.socket, responses: list[bytes]) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b""
    with connection:
        while chunk := connection.recv(REQUEST):
            data += chunk
            if data.endswith(b"\r\n\r\n"):  # a GET has no body, and the client does not pipeline
                page = re.match(rb"GET \S*[?&]page=(\d+)", data)
                connection.sendall(responses[int(page[1]) - 1 if page else 0])
                data = b""


def listen(server: socket.socket, responses: list[bytes]) -> None:
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(connection, responses), daemon=True).start()


if __name__ == "__main__":
    shelf = make_responses(int(sys.argv[1]))
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=listen, args=(listener, shelf), daemon=True).start()
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    sys.stdin.read()
