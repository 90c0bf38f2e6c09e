"""The guard for tests: which addresses it lets pass, and what it does in a program without pytest."""

from __future__ import annotations

from pathlib import Path

import pytest

from segops import SegOpsAdmin, SegOpsClient, SegOpsConfigError, SegOpsPermissionError
from segops.core import Request
from segops.testing import MemoryTransport
from segops.transports.http import HttpTransport


class Elsewhere(MemoryTransport):
    """A third-party transport that leads to a broker."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "report"
    path.touch()
    monkeypatch.setenv("SEGOPS_GUARD_REPORT", str(path))
    monkeypatch.setenv("SEGOPS_GUARD", "block")
    return path


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:1",
        "http://LOCALHOST:1",
        "http://shop.localhost:1",
        "http://127.0.0.1",
        "http://127.8.8.8",
        "http://[::1]:1",
        "local:",
        "memory:",
        "stdout:",
    ],
)
@pytest.mark.usefixtures("report")
def test_this_machine_is_let_pass(url: str) -> None:
    SegOpsClient(url, "sk_test_1").shutdown(0)
    SegOpsAdmin("sk_test_1", base_url=url).close()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:planted@broker.internal:6379/0", "redis://broker.internal:6379"),
        ("kafka://10.0.0.1/topic", "kafka://10.0.0.1"),
        ("https://localhost.example.com/planted", "https://localhost.example.com"),
        ("https://127.0.0.1.example.com", "https://127.0.0.1.example.com"),
        ("x://[broken", "x://[broken"),
    ],
    ids=["redis", "kafka", "subdomain", "prefix", "malformed"],
)
def test_every_other_machine_is_refused_without_its_secrets(report: Path, url: str, shown: str) -> None:
    with pytest.raises(SegOpsConfigError, match="segops_guard blocks clients for") as refusal:
        SegOpsClient(transport=Elsewhere(url))
    assert f"clients for {shown} in tests" in str(refusal.value)
    assert f"made a client for {shown}\n" in report.read_text("utf-8")
    assert "planted" not in f"{refusal.value} {report.read_text('utf-8')}"


def test_a_request_is_refused_before_it_is_sent(report: Path) -> None:
    transport = HttpTransport("https://api.segops.ai")
    with pytest.raises(SegOpsPermissionError, match=r"blocks requests to https://api\.segops\.ai"):
        transport.send(Request("GET", "/api/"), timeout=10)
    assert "sent a request to https://api.segops.ai" in report.read_text("utf-8")


def test_an_unknown_mode_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGOPS_GUARD", "blok")
    with pytest.raises(SegOpsConfigError, match="SEGOPS_GUARD must be block, warn or off, got 'blok'"):
        SegOpsClient("memory:")


def test_without_a_report_it_is_said_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("SEGOPS_GUARD", "warn")
    monkeypatch.setenv("SEGOPS_GUARD_REPORT", str(tmp_path / "no-such-folder" / "report"))
    for _ in range(2):
        SegOpsClient(transport=Elsewhere("redis://once.example.com")).shutdown()
    said = capsys.readouterr().err
    assert said.count("made a client for redis://once.example.com") == 1
    assert said.startswith("segops guard: ")
