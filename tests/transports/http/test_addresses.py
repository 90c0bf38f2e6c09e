"""HttpTransport: check the URL and options, and choose a proxy."""

from __future__ import annotations

from pathlib import Path

import pytest

from segops.core import Request, SegOpsConfigError
from segops.transports.http import HttpTransport
from tests.rig.fault_server import FaultServer

GET = Request("GET", "/api/segments/%2e/", {"Authorization": "ApiKey sk_live_planted"})
LONG = 60.0


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://api.segops.ai", "https://api.segops.ai"),
        ("HTTPS://API.segops.ai:443/", "https://api.segops.ai"),
        ("http://localhost:8000/api/", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://[::1]/seg/api//", "https://[::1]/seg"),
        ("https://xn--bcher-kva.example./a%20b", "https://xn--bcher-kva.example./a%20b"),
        ("http://my_stack:80", "http://my_stack"),
    ],
)
def test_a_good_url(given: str, shown: str) -> None:
    assert HttpTransport(given).url == shown
    assert repr(HttpTransport(given)) == f"HttpTransport({shown!r})"


@pytest.mark.parametrize(
    ("url", "what_is_wrong"),
    [
        ("", "scheme ''"),
        ("api.segops.ai", "scheme ''"),
        ("ftp://api.segops.ai", "scheme 'ftp'"),
        ("https://", "host ''"),
        ("https:///path", "host ''"),
        ("https://a..b", "host 'a..b'"),
        ("https://-a.b", "host '-a.b'"),
        ("https://" + "a" * 64, "host"),
        ("https://good.example\\.evil.example", "host"),
        ("https://[::zz]", "host|brackets"),
        ("https://[::1", "brackets"),
        ("https://host:0", "port"),
        ("https://host:65536", "port"),
        ("https://host:eighty", "port"),
        ("https://user:hunter2@host", "user info"),
        ("https://host?token=hunter2", "has the unknown option 'token' in its query"),
        ("https://host?a=1&token=hunter2", "unknown option 'a'"),
        ("https://host?timeout", "unknown option 'timeout'"),
        ("https://host/#hunter2", "fragment"),
        ("https://host/?", "ends with a question mark"),
        ("https://host\r\nX-Evil: hunter2", "control character"),
        ("https://host\0", "control character"),
        (" https://host", "space"),
        ("https://bücher.example", "xn--"),
    ],
)
def test_a_bad_url_is_an_error_that_names_what_is_wrong(url: str, what_is_wrong: str) -> None:
    with pytest.raises(SegOpsConfigError, match=what_is_wrong) as caught:
        HttpTransport(url)
    assert "hunter2" not in str(caught.value)


def test_a_url_must_be_text() -> None:
    with pytest.raises(SegOpsConfigError, match="got bytes"):
        HttpTransport(b"https://host")  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"max_response_bytes": 0}, {"pool_size": -1}])
def test_a_bad_size_is_an_error(options: dict[str, int]) -> None:
    with pytest.raises(SegOpsConfigError, match="at least"):
        HttpTransport("https://host", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bad_ca_file_is_an_error_of_construction(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SegOpsConfigError, match="ca_file"):
        HttpTransport("https://host", ca_file=path)


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "api/x/"),
        Request("GET", "@evil.example/"),
        Request("GET", "/api/a b/"),
        Request("GET", "/api/ü/"),
        Request("GET /evil", "/api/"),
        Request("GET", "/api/\r\nX-Evil: 1"),
        Request("GET", "/api/", {"X-Key": "planted\r\nX-Evil: 1"}),
        Request("GET", "/api/", {"X-Key": "planted\n"}),
        Request("GET", "/api/", {"X-Key": "planted\0"}),
        Request("GET", "/api/", {"X-Key": "plantéd"}),
        Request("GET", "/api/", {"X-Evil\r\n": "planted"}),
    ],
)
def test_a_request_that_would_break_out_of_its_line_is_never_sent(request_: Request) -> None:
    """Row 65."""
    with FaultServer() as server:
        with pytest.raises(SegOpsConfigError) as caught:
            HttpTransport(server.url).send(request_, timeout=LONG)
        assert server.connections == 0
    assert "plant" not in str(caught.value)
    assert caught.value.__context__ is None
