"""Clients that produce into a broker: from threads, inline, and from forked children."""

from __future__ import annotations

import subprocess
import sys
import threading

from segops import SegOpsClient

_FORK = """
import os, sys
from segops import SegOpsClient
url, children, each, later = sys.argv[1], *map(int, sys.argv[2:])
client = SegOpsClient(url)
client.track(user_id="parent", event_type="t")
assert client.flush(60)
forked = []
for number in range(children):
    pid = os.fork()
    if pid == 0:
        for _ in range(each):
            client.track(user_id=f"child-{number}", event_type="t")
        os._exit(0 if client.flush(60) else 1)
    forked.append(pid)
for _ in range(later):
    client.track(user_id="parent", event_type="t")
assert client.flush(60)
assert all(os.waitpid(pid, 0)[1] == 0 for pid in forked)
"""


def produce_from_threads(client: SegOpsClient, inline: SegOpsClient, each: int) -> None:
    """Track so many events on each of four threads, and meanwhile 600 with the client that sends inline."""

    def track(name: str) -> None:
        for number in range(each):
            client.track(user_id=name, event_type="t", payload={"n": number})

    threads = [threading.Thread(target=track, args=(f"thread-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for number in range(600):
        inline.track(user_id="inline", event_type="t", payload={"n": number})
    for thread in threads:
        thread.join()
    assert client.flush(60)
    assert inline.flush(60)


def produce_from_children(url: str, *, children: int, each: int, later: int) -> None:
    """Run a program that tracks one event, has each of its children track some, and then tracks `later` events."""
    numbers = map(str, (children, each, later))
    subprocess.run([sys.executable, "-c", _FORK, url, *numbers], check=True, timeout=100)
