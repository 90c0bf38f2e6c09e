"""Responses of a hostile or broken server, over real sockets: reliability table, rows 16 to 21."""

from __future__ import annotations

import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from segops.core import SegOpsApiError
from tests.network.network_rig import PATIENCE, SECRET, MakeDesk, same_request, stored
from tests.rig.fault_server import Fault, FaultServer, endless_body, endless_headers, redirect, respond
from tests.rig.waiting import wait_until

BOMB = """
import resource, sys
from segops import SegOpsClient
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
client = SegOpsClient(sys.argv[1], "sk_test_bomb", batch_size=1000)
client.track(user_id="a", event_type="x")
assert client.flush(50)
before = peak()
client.track(user_id="b", event_type="x")
assert client.flush(50)
print((peak() - before) // 1024, client.stats().delivered)
"""


@pytest.mark.parametrize("status", [401, 403])
def test_row_16_a_revoked_key_is_one_error_and_events_wait(desk: MakeDesk, status: int) -> None:
    with FaultServer(*[respond(status, b'{"detail": "revoked"}')] * 4) as server:
        it = desk(server.url)
        it.track("a", "b")
        it.flush_fails(5.0)
        assert wait_until(lambda: len(server.journal) >= 4)
        assert wait_until(lambda: it.client.flush(1.0)), "the key was allowed again"
        assert it.delivers(2)
        assert same_request(server)
    [error] = it.errors
    assert isinstance(error, SegOpsApiError)
    assert error.status == status
    assert SECRET not in str(error)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_row_17_a_redirect_to_another_host_is_not_followed(desk: MakeDesk, status: int) -> None:
    with FaultServer() as elsewhere, FaultServer(*[redirect(f"{elsewhere.url}/stolen/", status)] * 3) as server:
        it = desk(server.url)
        it.track("a")
        it.flush_fails(5.0)
        assert wait_until(lambda: len(server.journal) >= 3)
        assert wait_until(lambda: it.client.flush(1.0))
        assert it.delivers(1)
        assert elsewhere.connections == 0, "the second host sees nothing"
    [error] = it.errors
    assert isinstance(error, SegOpsApiError)
    assert error.status == status


def test_row_18_a_gzip_bomb_costs_neither_memory_nor_the_event() -> None:
    """One mebibyte on the wire that unpacks to a gibibyte: what is read of it ends at 1 MiB."""
    packer = zlib.compressobj(9, wbits=31)
    head = packer.compress(b"\0" * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b"\0" * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)
    bomb = head + block * 1023
    assert len(zlib.decompressobj(wbits=31).decompress(bomb[: len(head) + 9 * len(block)])) == 10 * 2**20
    with FaultServer(respond(), respond(202, bomb, {"Content-Encoding": "gzip"})) as server:
        done = subprocess.run(
            [sys.executable, "-c", BOMB, server.url],
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
            cwd=Path(__file__).parents[2],
        )
        assert stored(server) == ["a", "b"]
    mebibytes, delivered = done.stdout.split()
    assert int(mebibytes) < 16
    assert delivered == "2"


@pytest.mark.parametrize(("fault", "requests"), [(endless_body(), 1), (endless_headers(), 2)], ids=["body", "headers"])
def test_row_19_an_endless_response_is_cut(desk: MakeDesk, fault: Fault, requests: int) -> None:
    """An endless body does not change the status; endless headers are not a response."""
    with FaultServer(fault) as server:
        it = desk(server.url)
        it.track("a")
        assert it.delivers(1)
        assert len(server.journal) == requests
        assert same_request(server)


@pytest.mark.parametrize("body", [b"<html>fine</html>", b'{"queued": tr', b"", b"\xff\xfe", b"[" * 100_000])
def test_row_20_a_success_that_is_no_json_is_delivered_by_its_status(desk: MakeDesk, body: bytes) -> None:
    with FaultServer(respond(200, body)) as server:
        it = desk(server.url)
        it.track("a")
        assert it.delivers(1)
        assert len(server.journal) == 1
    assert it.errors == []


def test_row_21_what_the_server_skipped_is_counted(desk: MakeDesk) -> None:
    with FaultServer(respond(202, b'{"queued": 3, "skipped": 2}')) as server:
        it = desk(server.url)
        it.track(*"abcde")
        assert not it.client.flush(PATIENCE)
        assert len(server.journal) == 1
    stats = it.client.stats()
    assert (stats.delivered, stats.dropped, stats.pending) == (3, {"rejected": 2}, 0)
