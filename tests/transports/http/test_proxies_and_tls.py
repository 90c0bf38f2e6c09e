"""HttpTransport through proxies, and with certificates: reliability table, rows 9 and 10."""

from __future__ import annotations

import ssl
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from segops.core import Request, SegOpsConfigError, SegOpsTransportError
from segops.transports.http import HttpTransport
from tests.rig.fault_server import Call, FaultServer, raw, respond
from tests.rig.programs import unconfigured
from tests.rig.proxy import Proxy
from tests.rig.tls import TLS
from tests.rig.waiting import wait_until

GET = Request("GET", "/api/segments/%2e/", {"Authorization": "ApiKey sk_live_planted"})
PASSWORD = "pa:ss@wörd"
USERINFO = "user:pa%3Ass%40w%C3%B6rd"
BASIC = "Basic dXNlcjpwYTpzc0B3w7ZyZA=="
LONG = 60.0

Closing = Callable[[HttpTransport], HttpTransport]


@pytest.fixture(autouse=True)
def _no_proxies_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# Proxies


def test_a_plain_request_is_forwarded_with_its_whole_url(closing: Closing) -> None:
    with FaultServer() as server, Proxy(server.port, BASIC) as proxy:
        transport = closing(HttpTransport("http://segops.test/seg", proxy=f"http://{USERINFO}@127.0.0.1:{proxy.port}"))
        assert transport.send(GET, timeout=LONG).status == 202
    assert proxy.journal[0].target == "http://segops.test/seg/api/segments/%2e/"
    assert proxy.journal[0].headers["host"] == "segops.test"
    assert server.journal[0].target == "/seg/api/segments/%2e/"
    assert transport.url == "http://segops.test/seg"


@pytest.mark.parametrize("secure_proxy", [False, True])
def test_a_tls_request_is_tunnelled(tls: TLS, closing: Closing, *, secure_proxy: bool) -> None:
    with (
        FaultServer(tls=tls.server("segops.test")) as server,
        Proxy(server.port, BASIC, tls=tls.server() if secure_proxy else None) as proxy,
    ):
        url = proxy.url.replace("://", f"://{USERINFO}@")
        transport = closing(HttpTransport("https://segops.test", proxy=url, ca_file=tls.ca_file))
        for _ in range(2):
            assert transport.send(GET, timeout=LONG).status == 202
    assert [(received.method, received.target) for received in proxy.journal] == [("CONNECT", "segops.test:443")]
    assert "authorization" not in proxy.journal[0].headers
    assert [received.target for received in server.journal] == [GET.path, GET.path]
    assert "proxy-authorization" not in server.journal[0].headers


@pytest.mark.parametrize("size", [2, 16384])  # less than a record of TLS, and a whole one
def test_bytes_that_came_through_a_tunnel_in_a_tunnel_are_not_taken_for_the_next_response(
    tls: TLS, closing: Closing, size: int
) -> None:
    def respond_twice(call: Call) -> None:
        call.read()
        call.peer.send(raw(202, b"x" * size)[:-size])
        call.peer.send(b"x" * size + raw(500))

    with (
        FaultServer(respond_twice, tls=tls.server("segops.test")) as server,
        Proxy(server.port, tls=tls.server()) as proxy,
    ):
        transport = closing(HttpTransport("https://segops.test", proxy=proxy.url, ca_file=tls.ca_file))
        assert transport.send(GET, timeout=LONG).status == 202
        wait_for_what_is_on_its_way(transport)
        assert transport.send(GET, timeout=LONG).status == 202


def wait_for_what_is_on_its_way(transport: HttpTransport) -> None:
    """Wait until the idle connection is seen to have received something, or for a second if it never is."""
    for _, connection in transport._pool._idle:
        wait_until(lambda: not connection.is_connected, timeout=1.0)  # noqa: B023 - called at once


def test_a_plain_request_goes_through_a_tls_proxy(tls: TLS, closing: Closing) -> None:
    with FaultServer() as server, Proxy(server.port, tls=tls.server()) as proxy:
        transport = closing(HttpTransport("http://segops.test", proxy=proxy.url, ca_file=tls.ca_file))
        assert transport.send(GET, timeout=LONG).status == 202
    assert proxy.journal[0].target == "http://segops.test/api/segments/%2e/"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_credentials_is_an_error_without_those_it_got(scheme: str, closing: Closing) -> None:
    """Row 10."""
    with FaultServer() as server, Proxy(server.port, "Basic other") as proxy:
        transport = closing(HttpTransport(f"{scheme}://segops.test", proxy=f"http://{USERINFO}@127.0.0.1:{proxy.port}"))
        with pytest.raises(SegOpsTransportError, match="requires credentials") as caught:
            transport.send(GET, timeout=LONG)
    text = f"{caught.value} {caught.value.__cause__!r} {transport!r} {transport.proxy!r}"
    assert f"127.0.0.1:{proxy.port}" in text
    for secret in (PASSWORD, USERINFO, "pa%3A", BASIC, "planted"):
        assert secret not in text
    assert not server.journal


def test_row_67_the_words_of_a_proxy_stay_out_of_the_error(closing: Closing) -> None:
    words = b"HTTP/1.1 502 \x1b[31mno way for planted\r\n\r\n"

    def refuse(call: Call) -> None:
        call.peer.send(words)

    with FaultServer(refuse) as proxy:
        transport = closing(HttpTransport("https://segops.test", proxy=proxy.url))
        with pytest.raises(SegOpsTransportError, match=f"502 .through the proxy {proxy.url}") as caught:
            transport.send(GET, timeout=LONG)
    text = "".join(traceback.format_exception(caught.value))
    assert "planted" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_dead_proxy_is_an_error_that_names_it(scheme: str) -> None:
    """Row 10."""
    with FaultServer() as server:
        pass
    with pytest.raises(SegOpsTransportError, match=f"through the proxy {server.url}") as caught:
        HttpTransport(f"{scheme}://segops.test", proxy=server.url).send(GET, timeout=LONG)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
@pytest.mark.parametrize("written", ["http://127.0.0.1:{}", "127.0.0.1:{}"])
def test_the_environment_names_the_proxy(
    name: str, written: str, monkeypatch: pytest.MonkeyPatch, closing: Closing
) -> None:
    with FaultServer() as server, Proxy(server.port) as proxy:
        monkeypatch.setenv(name, written.format(proxy.port))
        assert closing(HttpTransport("http://segops.test")).send(GET, timeout=LONG).status == 202
        assert len(proxy.journal) == 1


@pytest.mark.parametrize("excluded", ["segops.test", ".test", "*", "segops.test:80"])
def test_no_proxy_and_the_empty_option_exclude_it(excluded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert HttpTransport("http://segops.test").proxy is not None
    assert HttpTransport("http://segops.test", proxy="").proxy is None
    monkeypatch.setenv("no_proxy", excluded)
    assert HttpTransport("http://segops.test").proxy is None


@pytest.mark.parametrize(
    ("no_proxy", "url", "excluded"),
    [
        ("localhost,10.0.0.0/8", "https://10.1.2.3", True),
        ("localhost 10.0.0.0/8", "https://10.1.2.3", True),
        ("10.9.9.9/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.0.0.0/33, 10.0.0.0/x", "https://10.1.2.3", False),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("10.1.2.3:443", "https://10.1.2.3", True),
        ("10.1.2.3:444", "https://10.1.2.3", False),
        ("3", "https://10.1.2.3", False),
        ("2.3", "https://10.1.2.3", False),
        ("[2001:db8::1]", "https://[2001:db8::1]", True),
        ("2001:db8:0::1", "https://[2001:db8::1]", True),
        ("[2001:DB8::1]:8443", "https://[2001:db8::1]:8443", True),
        ("[2001:db8::1]:8443", "https://[2001:db8::1]", False),
        ("2001:db8::/32", "https://[2001:db8::1]", True),
        ("[2001:db8::]/32,x", "https://[2001:db8::1]", False),
        ("10.0.0.0/8", "https://[::ffff:10.1.2.3]", True),
        ("10.0.0.0/8", "https://ten.example", False),
        ("example", "https://segops.example", True),
        ("*.example", "https://segops.example", True),
        ("SEGOPS.example.", "https://segops.example", True),
        ("segops.example", "https://segops.example.", True),
        ("ops.example", "https://segops.example", False),
        ("segops.example:8443", "https://segops.example:8443", True),
        ("segops.example:8443", "https://segops.example", False),
        ("*", "https://[2001:db8::1]", True),
        (" , ,. *", "https://segops.example", True),
        (",.,:443", "https://segops.example", False),
    ],
)
def test_no_proxy_is_read_as_curl_reads_it(
    no_proxy: str, url: str, monkeypatch: pytest.MonkeyPatch, *, excluded: bool
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (HttpTransport(url).proxy is None) is excluded


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "[::1]"])
def test_the_environments_proxy_is_not_asked_for_this_machine(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert HttpTransport(f"http://{host}:8000").proxy is None


@pytest.mark.parametrize(
    "url", ["socks6://host:1080", "http://user:hunter2@", "http://user:hunter2@host:x", "host:3128"]
)
def test_a_bad_proxy_is_an_error_without_its_credentials(url: str) -> None:
    with pytest.raises(SegOpsConfigError, match="the proxy") as caught:
        HttpTransport("https://segops.test", proxy=url)
    assert "hunter2" not in str(caught.value)


def test_407_from_a_server_without_proxy_is_a_response(closing: Closing) -> None:
    with FaultServer(respond(407)) as server:
        assert closing(HttpTransport(server.url)).send(GET, timeout=LONG).status == 407


# Certificates


def test_a_key_log_that_cannot_be_written_is_named(
    tls: TLS, closing: Closing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for unusable in (tmp_path / "no" / "keys.log", tmp_path):
        monkeypatch.setenv("SSLKEYLOGFILE", str(unusable))
        with pytest.raises(SegOpsConfigError, match=f"SSLKEYLOGFILE={unusable} cannot be written") as caught:
            HttpTransport("https://segops.test", ca_file=tls.ca_file)
        assert "ca_file" not in str(caught.value)
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    with FaultServer(tls=tls.server()) as server:
        assert closing(HttpTransport(server.url, ca_file=tls.ca_file)).send(GET, timeout=LONG).status == 202
    assert (tmp_path / "keys.log").stat().st_size > 0


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_variable_that_names_the_authorities_is_named_when_a_certificate_is_refused(
    name: str, tls: TLS, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with FaultServer(tls=tls.server()) as server:
        monkeypatch.setenv(name, str(tmp_path / "none"))
        with pytest.raises(SegOpsTransportError, match=f"{name}={tmp_path}/none, which cannot be read"):
            HttpTransport(server.url).send(GET, timeout=LONG)
        readable = tmp_path / "authorities"
        readable.touch() if name == "SSL_CERT_FILE" else readable.mkdir()
        monkeypatch.setenv(name, str(readable))
        with pytest.raises(SegOpsTransportError, match=f"{name}={readable}[;)]"):
            HttpTransport(server.url).send(GET, timeout=LONG)


def test_an_unusable_configuration_of_openssl_is_named(tmp_path: Path) -> None:
    (tmp_path / "openssl.cnf").write_text(
        "openssl_conf = a\n[a]\nproviders = b\n[b]\nlegacy = c\n[c]\nactivate = 1\n"  # and no default one
    )
    program = (
        "from segops import SegOpsClient\nsaid = []\n"
        "client = SegOpsClient('https://127.0.0.1:9', 'sk_test_1', on_error=lambda error: said.append(str(error)))\n"
        "client.track(user_id='u-1', event_type='x')\nclient.flush(5)\nprint(said[:1])\nclient.shutdown(0)"
    )
    environment = {**unconfigured(), "OPENSSL_CONF": str(tmp_path / "openssl.cnf")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert "OPENSSL_CONF" in done.stdout, done.stderr


def test_a_custom_authority_is_trusted(tls: TLS, closing: Closing) -> None:
    with FaultServer(tls=tls.server()) as server:
        transport = closing(HttpTransport(server.url, ca_file=tls.ca_file))
        for _ in range(3):
            assert transport.send(GET, timeout=LONG).status == 202
    assert [received.connection for received in server.journal] == [1, 1, 1]


@pytest.mark.parametrize("fault", ["unknown authority", "wrong host", "expired"])
def test_a_certificate_that_does_not_hold_is_refused(fault: str, tls: TLS) -> None:
    """Row 9."""
    context = tls.server(*(["other.test"] if fault == "wrong host" else []), expired=fault == "expired")
    ca_file = None if fault == "unknown authority" else tls.ca_file
    with FaultServer(tls=context) as server, pytest.raises(SegOpsTransportError, match="certificate") as caught:
        HttpTransport(server.url, ca_file=ca_file).send(GET, timeout=LONG)
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
    assert not server.journal
