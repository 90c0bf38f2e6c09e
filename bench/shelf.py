"""A server of one long list, page by page: `python -m bench.shelf ITEMS`. It prints its URL; it ends with its input."""

from __future__ import annotations

import http.server
import json
import sys
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE_SIZE = 200


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


def make_pages(items: int) -> list[bytes]:
    pages = []
    for first in range(0, items, PAGE_SIZE):
        last = min(first + PAGE_SIZE, items)
        following = f"http://localhost/api/segments/?page={last // PAGE_SIZE + 1}" if last < items else None
        results = [segment(number) for number in range(first, last)]
        pages.append(json.dumps({"count": items, "next": following, "previous": None, "results": results}).encode())
    return pages


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    pages: list[bytes]

    def do_GET(self) -> None:
        body = self.pages[int(parse_qs(urlsplit(self.path).query).get("page", ["1"])[0]) - 1]
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Keep quiet."""


if __name__ == "__main__":
    Handler.pages = make_pages(int(sys.argv[1]))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()
