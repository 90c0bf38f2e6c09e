"""An application that tracks from four threads and measures itself; run by test_soak.py."""

from __future__ import annotations

import os
import sys
import threading
import time

import msgspec

from segops import Limits, Observer, RetryPolicy, SegOpsClient, hookimpl

KEY = "sk_test_planted_in_the_soak"
TRACKERS = 4
PAUSE = 0.005


class Counter(Observer):
    """Counts what observers receive."""

    def __init__(self) -> None:
        self.delivered = 0
        self.dropped: dict[str, int] = {}

    def on_delivered(self, count: int, seconds: float) -> None:
        del seconds
        self.delivered += count

    def on_drop(self, reason: str, count: int) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + count

    @hookimpl
    def segops_register_observers(self) -> list[Observer]:
        return [self]


def look() -> list[int]:
    """Return kilobytes of memory, open descriptors and threads of this process."""
    with open("/proc/self/statm") as statm:  # noqa: PTH123 - the same each second, without making paths
        pages = int(statm.read().split()[1])
    return [pages * os.sysconf("SC_PAGE_SIZE") // 1024, len(os.listdir("/proc/self/fd")), threading.active_count()]  # noqa: PTH208 - as above


def main(url: str, seconds: float, spool: str) -> None:
    """Track, and write what was seen as JSON."""
    counter = Counter()
    client = SegOpsClient(
        url,
        KEY,
        flush_interval=0.02,
        timeout=0.15,
        retry=RetryPolicy(base=0.005, cap=0.02, budget=1.0, floor=1e9),
        limits=Limits(exit=10.0),
        plugins=[counter],
        spool=spool or None,
    )
    end = time.monotonic() + seconds
    tracked = [0] * TRACKERS

    def track(number: int) -> None:
        while time.monotonic() < end:
            user_id = f"{number}-{tracked[number]}" if tracked[number] % 50 else ""
            client.track(user_id=user_id, event_type="x", payload={"filler": "f" * (tracked[number] % 500)})
            tracked[number] += 1
            time.sleep(PAUSE)

    threads = [threading.Thread(target=track, args=(number,)) for number in range(TRACKERS)]
    for thread in threads:
        thread.start()
    seen: list[list[int]] = []
    unbalanced = 0
    while time.monotonic() < end:
        stats = client.stats()
        unbalanced += stats.accepted != stats.delivered + sum(stats.dropped.values()) + stats.pending
        seen.append(look())
        time.sleep(min(1.0, seconds / 60))
    for thread in threads:
        thread.join()
    end = time.monotonic() + 60.0  # flush() returns at once while the server refuses the key
    while client.stats().pending and time.monotonic() < end:
        client.flush(1.0)
        time.sleep(0.02)
    client.shutdown()
    stats = client.stats()
    result = {
        "tracked": sum(tracked),
        "accepted": stats.accepted,
        "delivered": stats.delivered,
        "dropped": stats.dropped,
        "pending": stats.pending,
        "retries": stats.retries,
        "unbalanced": unbalanced,
        "observed": [counter.delivered, counter.dropped],
        "seen": seen,
    }
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3])
