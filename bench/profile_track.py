"""Print how `track()` spends its time: `python -m bench.profile_track`.

Each step is timed by itself, as the p50 of single calls without the call of an empty function, in turns with the
others. A tracing profiler would cost more than what it measures here; it would not see into what is compiled either.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from statistics import median
from typing import Any

from bench.load import PAYLOAD, TYPE, USER, p50
from segops import Event, Limits, SegOpsClient
from segops.core.encoding import encode_plain, is_plain
from segops.delivery.queue import EventQueue, PureEventQueue, make_queue

ROUNDS = 30
NOW = datetime.now(timezone.utc)
EVENT = Event(USER, TYPE, NOW, PAYLOAD)
ENCODED = encode_plain(EVENT)

Steps = dict[str, Callable[[], object]]


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


def pure_queue() -> PureEventQueue:
    """Return the large queue in Python, whether or not there is a compiled one."""
    queue = PureEventQueue()
    whole = make_queue(Limits(max_events=10**9, max_bytes=10**12))
    whole.wake_at = 10**9
    for name in (name for name in PureEventQueue.__slots__ if not name.startswith("_")):
        setattr(queue, name, getattr(whole, name))
    return queue


def steps(client: SegOpsClient) -> dict[str, Steps]:
    """Return the parts of three ways of an event, in their order, the whole way last."""
    call, track, pure = Empty().track, client.track, pure_queue()
    called: Steps = {"call with three keywords": lambda: call(user_id=USER, event_type=TYPE, payload=PAYLOAD)}
    checked: Steps = {"is_plain(payload)": lambda: is_plain(PAYLOAD)}
    encoded: Steps = {
        "Event(…)": lambda: Event(USER, TYPE, NOW, PAYLOAD, None),
        "encode the event": lambda: encode_plain(EVENT),
    }
    clock: Steps = {"clock: datetime.now(utc)": lambda: datetime.now(timezone.utc)}
    compiled: Steps = {
        **called,
        "encode the payload": lambda: encode_plain(PAYLOAD),
        "track()": lambda: track(user_id=USER, event_type=TYPE, payload=PAYLOAD),
    }
    python: Steps = {
        **checked,
        **clock,
        **encoded,
        "queue.enqueue()": lambda: pure.enqueue(ENCODED),
        "PureEventQueue.try_enqueue()": lambda: pure.try_enqueue(USER, TYPE, PAYLOAD, None),
    }
    long: Steps = {
        **called,
        **checked,
        **encoded,
        "track() of a past event": lambda: track(user_id=USER, event_type=TYPE, payload=PAYLOAD, occurred_at=NOW),
    }
    return {f"The usual event, {EventQueue.__module__}": compiled, "The same in Python": python, "The long way": long}


def measure(functions: Steps, forget: Callable[[], object]) -> dict[str, float]:
    """Return the nanoseconds of each part, without those of an empty function."""
    functions = {"nothing": lambda: None, **functions}
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            taken[name].append(p50(function))
        forget()
    nothing, *others = (median(times) * 1e9 for times in taken.values())
    return dict(zip(list(functions)[1:], (cost - nothing for cost in others), strict=True))


def main() -> None:
    """Measure and print."""
    client = SegOpsClient("memory:", "sk_bench", batch_size=10**9, flush_interval=3600)
    for title, functions in steps(client).items():
        parts = measure(functions, client.flush)
        name, whole = parts.popitem()
        parts["the rest"] = whole - sum(parts.values())
        print(title)
        for part, cost in {**parts, name: whole}.items():
            print(f"  {part:28} {cost:6.0f} ns {cost / whole:6.0%}")
    client.shutdown()


if __name__ == "__main__":
    main()
