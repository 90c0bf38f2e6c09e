"""Track events with the `segops` that Python finds, and print the cost per event as JSON.

Usage: python drive.py URL EVENTS BATCH_SIZE
Both the vendor's package and ours accept these calls. CPU is the time of the whole process, without the loop.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path

from segops import SegOpsClient

# Loaded by its path, because only the vendor's package is importable.
spec = importlib.util.spec_from_file_location("load", Path(__file__).with_name("load.py"))
assert spec is not None
assert spec.loader is not None
load = importlib.util.module_from_spec(spec)
spec.loader.exec_module(load)


def main(url: str, events: int, batch_size: int) -> None:
    payload, nothing = load.payload, load.nothing
    client = SegOpsClient(url, "sk_bench", batch_size=batch_size)
    cpu = time.process_time()
    for number in range(events):
        nothing(user_id="user-1234", event_type="order_placed", payload=payload(number))
    loop = time.process_time() - cpu
    cpu, wall = time.process_time(), time.perf_counter()
    track = client.track
    for number in range(events):
        track(user_id="user-1234", event_type="order_placed", payload=payload(number))
    client.shutdown()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    stats = getattr(client, "stats", None)
    assert stats is None or stats().delivered == events
    json.dump({"cpu": (cpu - loop) / events, "rate": events / wall}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
