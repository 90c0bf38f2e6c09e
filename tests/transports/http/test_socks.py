"""HttpTransport through a SOCKS5 proxy with the extra `socks`, and the error without it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from segops.core import Request, SegOpsConfigError, SegOpsTimeoutError, SegOpsTransportError
from segops.transports.http import HttpTransport
from tests.rig.fault_server import FaultServer
from tests.rig.programs import unconfigured
from tests.rig.tls import TLS

pytest.importorskip("socks")

GET = Request("GET", "/api/segments/")
LONG = 60.0

Closing = Callable[[HttpTransport], HttpTransport]


class SocksProxy:
    """Speaks SOCKS5 to clients that give the name ada and the password s:cret, and leads all of them to one port.

    Attributes:
        asked: The destinations that it was asked for, names as bytes and addresses as text.
    """

    def __init__(self, upstream: int, *, drips: bool = False) -> None:
        self.asked: list[tuple[bytes | str, int]] = []
        self._upstream = upstream
        self._drips = drips
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> SocksProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=[self._listener.accept()[0]], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, IndexError), client, client.makefile("rb") as reader:
            methods = reader.read(reader.read(2)[1])
            if b"\x02" not in methods:
                client.sendall(b"\x05\xff")
                return
            client.sendall(b"\x05\x02")
            reader.read(1)
            user = reader.read(reader.read(1)[0])
            password = reader.read(reader.read(1)[0])
            is_right = (user, password) == (b"ada", b"s:cret")
            client.sendall(b"\x01\x00" if is_right else b"\x01\x01")
            kind = reader.read(4)[3]
            host = reader.read(reader.read(1)[0]) if kind == 3 else socket.inet_ntoa(reader.read(4))
            self.asked.append((host, int.from_bytes(reader.read(2), "big")))
            if self._drips:
                for _ in range(10):
                    client.sendall(b"\x05")
                    threading.Event().wait(0.4)
            with socket.create_connection(("127.0.0.1", self._upstream)) as server:
                client.sendall(b"\x05\x00\x00\x01" + bytes(6))
                threading.Thread(target=self._pump, args=(server, client), daemon=True).start()
                self._pump(client, server)

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_requests_go_through_it_and_it_resolves_the_name(tls: TLS, closing: Closing, scheme: str) -> None:
    is_secure = scheme == "https"
    with (
        FaultServer(tls=tls.server("segops.test") if is_secure else None) as server,
        SocksProxy(server.port) as proxy,
    ):
        url = f"socks5h://ada:s%3Acret@127.0.0.1:{proxy.port}"
        transport = closing(HttpTransport(f"{scheme}://segops.test", proxy=url, ca_file=tls.ca_file))
        for _ in range(2):
            assert transport.send(GET, timeout=LONG).status == 202
        assert proxy.asked == [(b"segops.test", 443 if is_secure else 80)]
        assert [received.target for received in server.journal] == [GET.path] * 2
        assert transport.proxy == f"socks5h://127.0.0.1:{proxy.port}"


def test_with_socks5_the_name_is_resolved_here(closing: Closing, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer() as server, SocksProxy(server.port) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://ada:s%3Acret@127.0.0.1:{proxy.port}")
        transport = closing(HttpTransport("http://192.0.2.1"))
        assert transport.send(GET, timeout=LONG).status == 202
        assert proxy.asked == [("192.0.2.1", 80)]


def test_wrong_credentials_and_a_dead_proxy_are_errors_without_the_password(closing: Closing) -> None:
    with FaultServer() as server, SocksProxy(server.port) as proxy:
        for user in ("ada:planted@", ""):
            transport = closing(HttpTransport("http://segops.test", proxy=f"socks5h://{user}127.0.0.1:{proxy.port}"))
            with pytest.raises(SegOpsTransportError, match=f"socks5h://127.0.0.1:{proxy.port}") as caught:
                transport.send(GET, timeout=LONG)
            assert "planted" not in f"{caught.value!r} {caught.value.__cause__!r}"
    with pytest.raises(SegOpsTransportError, match="through the proxy"):
        HttpTransport("http://segops.test", proxy=f"socks5h://127.0.0.1:{proxy.port}").send(GET, timeout=LONG)


def test_a_proxy_that_drips_is_not_waited_for_without_end(closing: Closing) -> None:
    with FaultServer() as server, SocksProxy(server.port, drips=True) as proxy:
        url = f"socks5h://ada:s%3Acret@127.0.0.1:{proxy.port}"
        with pytest.raises((SegOpsTimeoutError, SegOpsTransportError)):
            closing(HttpTransport("http://segops.test", proxy=url)).send(GET, timeout=1.0)


@pytest.mark.parametrize("proxy", ["socks6://host:1080", "socks5://", "socks5://user:hunter2@host:x", "socks5://h?x=1"])
def test_a_bad_url_of_one_is_an_error(proxy: str) -> None:
    with pytest.raises(SegOpsConfigError, match="the proxy") as caught:
        HttpTransport("https://segops.test", proxy=proxy)
    assert "hunter2" not in str(caught.value)


def test_without_the_extra_the_error_says_what_to_install() -> None:
    program = (
        "import sys\nsys.modules['socks'] = None\nfrom segops import SegOpsClient, SegOpsConfigError\n"
        "try:\n    SegOpsClient('https://segops.example', 'sk_test_1')\n"
        "except SegOpsConfigError as error:\n    print(error)"
    )
    environment = {**unconfigured(), "ALL_PROXY": "socks5://ada:planted@127.0.0.1:9", "all_proxy": "", "no_proxy": ""}
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        environment.pop(name, None)
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert "the proxy socks5://127.0.0.1:9 needs the module 'socks'" in done.stdout, done.stderr
    assert "pip install 'segops-sdk[socks]'" in done.stdout
    assert "planted" not in done.stdout + done.stderr
