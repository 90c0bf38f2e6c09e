"""Track events in the smallest configuration that works, and print the cost as JSON.

Usage: python feed.py small|default native|pure FILE EVENTS [LIMIT]
LIMIT bounds the address space, in bytes, before anything is imported. The peaks are those of the whole process, in
bytes, as Linux counts them: of Python itself, then with each thing that comes on top. What the process did that the
smallest setting should not need is listed, as Python's audit events tell of it.
"""

import os
import sys

SMALL = {"max_events": 1000, "max_bytes": 256 * 1024, "max_event_bytes": 2048, "batch_events": 100}
BEGINNING = 3000
"""The number of events: enough that some batches are written, or dropped with a warning in the log."""

WATCHED = ("_thread.start", "os.fork", "os.posix_spawn", "socket.", "subprocess.", "sqlite3.")
STATUS = "/proc/self/status"

seen: set[str] = set()


def watch(name: str, arguments: tuple[object, ...]) -> None:
    if name.startswith(WATCHED):
        seen.add(name)
    elif name == "open":
        path, _, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
        if path != STATUS and (writes or str(path).startswith("/proc")):
            seen.add(f"open {path}")


def peak() -> int:
    with open(STATUS, encoding="ascii") as status:  # noqa: PTH123 - pathlib takes memory, too
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def main(bounds: str, code: str, file: str, events: str, limit: str = "") -> None:
    if limit:
        import resource  # noqa: PLC0415 - Windows has none

        resource.setrlimit(resource.RLIMIT_AS, (int(limit), int(limit)))
    if code == "pure":
        sys.modules["segops.delivery._speedups"] = None  # type: ignore[assignment] # as without the compiled extension
    sys.modules["rich"] = None  # type: ignore[assignment] # a development dependency, which structlog imports if it is installed
    before = set(sys.modules)
    peaks = {"python": peak()}
    import msgspec  # noqa: PLC0415 - here and below: what each takes is measured
    import pluggy  # noqa: F401, PLC0415

    peaks["dependencies"] = peak()
    os.environ["SEGOPS_PLUGINS"] = "none"
    sys.addaudithook(watch)
    from segops import Limits, SegOpsClient  # noqa: PLC0415

    peaks["import"] = peak()
    small = bounds == "small"
    limits = msgspec.convert(SMALL if small else {}, Limits)
    client = SegOpsClient(f"file:{file}", worker="inline", batch_size=100 if small else 20, limits=limits)
    peaks["client"] = peak()
    most = 0
    for number in range(int(events)):
        payload = {"order_id": f"ord-{number}", "total": number * 0.25, "quantity": number % 7}
        client.track(
            user_id="user-1234", event_type="order_placed", payload={**payload, "currency": "USD", "is_first": True}
        )
        if number == BEGINNING:
            peaks["beginning"] = peak()
        most = max(most, client.stats().pending_bytes) if number % 50 == 0 else most
    peaks["events"] = peak()
    modules = sorted(set(sys.modules) - before)
    client.shutdown(0)
    report = {"peaks": peaks, "most": most, "stats": client.stats(), "modules": modules, "seen": sorted(seen)}
    print(msgspec.json.encode(report).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
