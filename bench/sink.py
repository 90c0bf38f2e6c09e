"""A server that takes everything and keeps nothing: `python -m bench.sink healthy` or `… black-hole`.

It prints its URL, and ends when its standard input does. The black hole accepts connections and never answers.
"""

from __future__ import annotations

import re
import socket
import sys
import threading

ANSWER = b'HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{"queued": 20}'
CHUNK = 262_144


def serve(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b""
    with connection:
        while chunk := connection.recv(CHUNK):
            data += chunk
            head, end, body = data.partition(b"\r\n\r\n")
            if not end:
                continue
            length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            missing = (int(length[1]) if length else 0) - len(body)
            while missing > 0 and (chunk := connection.recv(CHUNK)):
                missing -= len(chunk)
            connection.sendall(ANSWER)
            data = b""


def listen(server: socket.socket, *, answers: bool) -> None:
    silent = []
    while True:
        connection, _ = server.accept()
        if answers:
            threading.Thread(target=serve, args=(connection,), daemon=True).start()
        else:
            silent.append(connection)


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=listen, args=(listener,), kwargs={"answers": sys.argv[1] == "healthy"}, daemon=True).start()
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    sys.stdin.read()
