"""Print where the time of `track()` goes: `python -m bench.profile_track`.

Each step is timed by itself, as the p50 of single calls without the call of an empty function, in turns with the
others. A tracing profiler would cost more than what it measures here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from statistics import median
from typing import Any

from bench.load import PAYLOAD, TYPE, USER, p50
from segops import Event, Limits, SegOpsClient
from segops.core.buffer import Buffer
from segops.core.encoding import encode_plain, is_plain
from segops.core.ledger import Ledger
from segops.core.reporting import Reporter
from segops.core.retry import Clock

ROUNDS = 30
NOW = datetime.now(timezone.utc)
EVENT = Event(USER, TYPE, NOW, PAYLOAD)
ENCODED = encode_plain(EVENT)
WANTED = frozenset({"page_viewed"})


class Empty:
    """Has a method with the parameters of `track`."""

    def track(
        self,
        event: Any = None,
        *,
        user_id: Any = None,
        event_type: Any = None,
        occurred_at: Any = None,
        payload: Any = None,
        anonymous_id: Any = None,
    ) -> None:
        """Do nothing."""


def steps(client: SegOpsClient) -> dict[str, Callable[[], object]]:
    """Return the parts of `track()`, in their order, and at last the whole."""
    call, track = Empty().track, client.track
    buffer = Buffer(Limits(max_events=10**9, max_bytes=10**12))
    reporter = Reporter(Ledger(buffer, Clock()), buffer, None, (), Clock())
    return {
        "nothing": lambda: None,
        "call with three keywords": lambda: call(user_id=USER, event_type=TYPE, payload=PAYLOAD),
        "clock: datetime.now(utc)": lambda: datetime.now(timezone.utc),
        "Event(…)": lambda: Event(USER, TYPE, NOW, PAYLOAD, None),
        "is it for an enricher?": lambda: TYPE in WANTED,
        "is_plain(payload)": lambda: is_plain(PAYLOAD),
        "encode": lambda: encode_plain(EVENT),
        "reporter.is_telling()": reporter.is_telling,
        "buffer.put()": lambda: buffer.intake.put(ENCODED),
        "track()": lambda: track(user_id=USER, event_type=TYPE, payload=PAYLOAD),
    }


def main() -> None:
    """Measure and print."""
    client = SegOpsClient("memory:", "sk_bench", batch_size=10**9, flush_interval=3600)
    functions = steps(client)
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            taken[name].append(p50(function))
        client.flush()
    costs = {name: median(times) * 1e9 for name, times in taken.items()}
    nothing, whole = costs.pop("nothing"), costs.pop("track()")
    parts = {name: cost - nothing for name, cost in costs.items()}
    parts["the rest: checks and calls between these"] = whole - nothing - sum(parts.values())
    for name, cost in parts.items():
        print(f"{name:42} {cost:6.0f} ns {cost / (whole - nothing):6.0%}")
    print(f"{'track()':42} {whole - nothing:6.0f} ns")
    client.shutdown()


if __name__ == "__main__":
    main()
