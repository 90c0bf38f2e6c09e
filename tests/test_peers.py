"""`make bench-peers` without the package index: its driver, its sink and its page."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import msgspec
import pytest

import segops
from bench.peers import results
from bench.peers.adapters import EVENTS, OURS, PEERS, VENDOR
from bench.peers.drive import Throughput
from bench.peers.measure import PINS, Delivery, Folders, deliver, python, seconds_to_import, wait_for_slow_server
from bench.processes import OURS as PROJECT
from bench.sink import count

PEER = {peer.name: peer for peer in PEERS}


def _measured(rate: float, *, events: int = EVENTS, repeated: int = 0) -> results.Measured:
    took = Throughput(rate=rate, cpu=1 / rate, peak=30e6, version="1.0", found="")
    calls = [number / 1e6 for number in range(1, 1001)]
    return results.Measured([Delivery(took, 40, 4_000_000, events, repeated)], [0.05], [calls])


def _cells(table: str) -> dict[str, list[str]]:
    lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    return {cells[0]: cells[1:] for cells in lines}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(peers=tmp_path, needs=Path(msgspec.__file__).parent.parent)


def test_ours_delivers_through_the_driver(folders: Folders) -> None:
    delivery = deliver(PEER[OURS], folders, 2000)
    assert (delivery.events, delivery.repeated) == (2000, 0)
    assert 4 <= delivery.requests <= 2000
    assert delivery.took["rate"] > 0
    assert delivery.took["version"] == segops.__version__
    assert Path(delivery.took["found"]).is_relative_to(PROJECT)


def test_calls_are_timed_with_a_slow_server(folders: Folders) -> None:
    assert len(wait_for_slow_server(PEER[OURS], folders, 100, 60)) == 100
    assert wait_for_slow_server(PEER[OURS], folders, 100, 0) == []


def test_a_peer_is_found_before_ours(folders: Folders) -> None:
    (folders.peers / "segops.py").touch()
    program = "import sys; sys.path += sys.argv[1].splitlines(); import segops, bench; print(segops.__file__)"
    assert python(program, PEER[VENDOR], folders).strip() == str(folders.peers / "segops.py")
    assert python(program, PEER[OURS], folders).strip() == str(PROJECT / "segops" / "__init__.py")
    assert seconds_to_import(PEER[VENDOR], folders) > 0


def test_the_sink_counts_events_in_any_format() -> None:
    form = b"data=%7B%22order_id%22%3A%22ord-10000000%22%7D"
    protobuf = b"\x0cord-100000012\x07", b"\x0cord-1000000129"
    packed = gzip.compress(b'{"order_id": "ord-10000002"}{"order_id": "ord-10000000"}')
    bodies = [form, *protobuf, packed]
    assert count([[body[:7], body[7:]] for body in bodies]) == {
        "requests": len(bodies),
        "bytes": sum(map(len, bodies)),
        "events": 3,
        "repeated": 2,
    }


def test_the_table_shows_what_was_lost_or_came_twice() -> None:
    measured = {OURS: _measured(400_000.0), "posthog": _measured(8000.0, events=EVENTS - 1, repeated=2)}
    cells = _cells(results.delivery_table(measured))
    assert cells[OURS] == ["1.0", "400 k/s", "1", "2.5 µs", "1", "30 MB", "50 ms", "40", "all"]
    assert cells["posthog"] == [
        "1.0",
        "8 k/s",
        "50",
        "125 µs",
        "0.02",
        "30 MB",
        "50 ms",
        "40",
        "19,999 of 20,000, 2 repeated",
    ]


def test_goals_compare_with_the_fastest_peer_that_is_not_the_vendor() -> None:
    measured = {peer.name: _measured(1000.0 * number) for number, peer in enumerate(reversed(PEERS), start=1)}
    assert results.fastest_other(measured) == "mixpanel"
    measured["segment"] = _measured(9999.0)
    measured[OURS] = _measured(20 * 9999.0)
    lines = results.goals_table(measured).splitlines()
    assert re.search(r"\| segment +\| 10 k/s +\| 20 +\| ≥ 15 +\| met ", lines[2])
    assert re.search(r"\| vendor +\| 50 ms +\| 1 +\| ≤ 0.8 +\| missed ", lines[-1])


def test_percentiles_of_calls() -> None:
    assert _cells(results.blocking_table({OURS: _measured(1.0)}))[OURS] == ["1,000", "500 µs", "990 µs", "999 µs"]


def test_each_peer_is_pinned() -> None:
    pins = set(re.findall(r"^([\w-]+)==", PINS.read_text(), re.MULTILINE))
    assert {peer.distribution for peer in PEERS if not peer.ours} < pins
    assert "://" not in PINS.read_text()
