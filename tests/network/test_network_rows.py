"""Network failures, with a client over real sockets that must lose nothing: reliability table, rows 1 to 10."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from segops import RetryPolicy
from segops.core import SegOpsTransportError
from segops.transports.http import HttpTransport
from tests.network.network_rig import PATIENCE, SECRET, TIMEOUT, MakeDesk, same_request, stored
from tests.rig.fault_server import Fault, FaultServer, cut, drip, hang_up, hold, reset, respond, stall
from tests.rig.ports import lasting_port
from tests.rig.proxy import Proxy
from tests.rig.tls import TLS
from tests.rig.waiting import wait_until

HALF_OPEN = """
import sys
from tests.rig.fault_server import FaultServer
with FaultServer() as server:
    print(server.url, flush=True)
    sys.stdin.read()
    for received in server.journal:
        print(received.body.decode())
"""


def test_row_1_a_name_that_cannot_be_looked_up(desk: MakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = socket.getaddrinfo
    failures = [socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), socket.gaierror(socket.EAI_NONAME, "Unknown")]

    def fail_at_first(host: Any, *args: Any, **options: Any) -> Any:
        if failures and "flags" not in options:  # those ask whether it is an address
            raise failures.pop()
        return look_up(host, *args, **options)

    with FaultServer() as server:
        monkeypatch.setattr(socket, "getaddrinfo", fail_at_first)
        it = desk(f"http://localhost:{server.port}")
        it.track("a", "b")
        assert it.delivers(2)
        assert stored(server) == ["a", "b"]
    assert wait_until(lambda: len(it.errors) == 2), (it.errors, it.client.stats())


def test_row_1_a_name_that_nobody_has_is_bounded_and_loses_nothing(desk: MakeDesk) -> None:
    it = desk("https://nowhere.invalid")
    it.track("a")
    it.flush_fails(0.3)
    assert all(isinstance(error, SegOpsTransportError) for error in it.errors)


def test_row_2_nobody_listens_until_somebody_does(desk: MakeDesk) -> None:
    port = lasting_port()
    it = desk(f"http://127.0.0.1:{port}")
    it.track("a", "b")
    it.flush_fails(0.3)
    with FaultServer(port=port) as server:
        assert it.delivers(2)
        assert stored(server) == ["a", "b"]


@pytest.mark.parametrize(
    ("fault", "read"),
    [
        (stall(), False),
        (hold(), True),
        (reset(read=False), False),
        (reset(), True),
        (hang_up(), True),
        (cut(20), True),
        (drip(headers=True), True),
        (drip(), True),
    ],
    ids=["3 stall", "3 hold", "4 reset at once", "4 reset", "6 hang up", "6 cut", "8 drip headers", "8 drip body"],
)
def test_rows_3_4_6_and_8_what_went_wrong_is_sent_again_as_it_was(desk: MakeDesk, fault: Fault, *, read: bool) -> None:
    with FaultServer(fault, fault) as server:
        it = desk(server.url, timeout=1.5)
        it.track("a", "b", "c")
        assert it.delivers(3)
        assert len(server.journal) == (3 if read else 1)
        assert same_request(server), "also under the same idempotency key"
        assert stored(server)[-3:] == ["a", "b", "c"]
    assert wait_until(lambda: len(it.errors) == 2)


def test_row_3_one_exchange_takes_the_timeout_in_total(desk: MakeDesk) -> None:
    with FaultServer(*[hold()] * 9) as server:
        it = desk(server.url, timeout=0.5, retry=RetryPolicy(base=0.0, cap=0.0, budget=10.0))
        started = time.monotonic()
        it.track("a")
        it.client.flush(1.7)
        assert wait_until(lambda: it.client.stats().retries >= 2)
        assert time.monotonic() - started < 15.0, "two of them; with the default each would take 10 s"
        assert it.client.stats().dropped == {}


def test_row_5_a_connection_that_the_server_closed_is_replaced_at_once(desk: MakeDesk) -> None:
    with FaultServer(*[respond(close=True)] * 3) as server:
        it = desk(server.url)
        for number in range(4):
            it.track(f"u-{number}")
            assert it.delivers(number + 1)
            time.sleep(0.02)  # for the server's FIN to arrive
        assert [received.connection for received in server.journal] == [1, 2, 3, 4]
        assert stored(server) == ["u-0", "u-1", "u-2", "u-3"]
    assert (it.errors, it.client.stats().retries) == ([], 0)


def test_row_7_a_peer_that_is_stopped_and_goes_on(desk: MakeDesk) -> None:
    command = [sys.executable, "-c", HALF_OPEN]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        it = desk(process.stdout.readline().strip())
        it.track("a")
        assert it.delivers(1)
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)  # it has stopped, not only received the signal
        try:
            it.track("b")
            started = time.monotonic()
            assert not it.client.flush(1.0)
            assert time.monotonic() - started < TIMEOUT / 2
            assert it.client.stats().pending == 1
        finally:
            process.send_signal(signal.SIGCONT)
        assert it.delivers(2)
        journal, _ = process.communicate("", timeout=PATIENCE)
    assert '"a"' in journal
    assert '"b"' in journal


@pytest.mark.parametrize("fault", ["unknown authority", "wrong host", "expired"])
def test_row_9_a_certificate_that_does_not_hold_means_one_error_and_waiting(
    desk: MakeDesk, tls: TLS, fault: str
) -> None:
    context = tls.server(*(["other.test"] if fault == "wrong host" else []), expired=fault == "expired")
    ca_file = None if fault == "unknown authority" else tls.ca_file
    with FaultServer(tls=context) as server:
        it = desk(HttpTransport(server.url, ca_file=ca_file))
        it.track("a", "b")
        it.flush_fails(1.0)
        assert wait_until(lambda: server.connections >= 3), "it is probed"
        it.client.flush(0.1)
        assert not server.journal, "nothing was sent to an untrusted server, not even unencrypted"
        assert len(it.errors) == 1
    assert "certificate" in str(it.errors[0])
    assert it.client.stats().pending == 2


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_row_10_a_proxy_that_wants_credentials(desk: MakeDesk, tls: TLS, *, secure: bool) -> None:
    with FaultServer(tls=tls.server() if secure else None) as server:
        refusal = respond(407, b"", {"Proxy-Authenticate": "Basic"}, close=True)
        with Proxy(server.port, first=[refusal, refusal]) as proxy:
            it = desk(HttpTransport(server.url, ca_file=tls.ca_file, proxy=proxy.url))
            it.track("a", "b")
            it.client.flush(0.01)
            assert wait_until(lambda: it.errors)
            assert it.client.stats().dropped == {}
            assert wait_until(lambda: len(proxy.journal) >= 2)
            assert wait_until(lambda: it.client.flush(1.0))
            assert it.delivers(2)
        assert stored(server) == ["a", "b"]
    assert "requires credentials" in str(it.errors[0])
    assert SECRET not in "".join(map(str, it.errors))


def test_row_10_a_proxy_that_is_dead(desk: MakeDesk) -> None:
    port = lasting_port()
    with FaultServer() as server:
        it = desk(HttpTransport(server.url, proxy=f"http://127.0.0.1:{port}"))
        it.track("a")
        it.flush_fails(0.3)
        assert wait_until(lambda: it.errors)
        assert "proxy" in str(it.errors[0])
        assert not server.journal, "the proxy is not gone round"
        with Proxy(server.port, port=port):
            assert it.delivers(1)
        assert stored(server) == ["a"]
