"""The log of a client: events, levels, fields, and when nothing is printed."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from segops import (
    Observer,
    RetryPolicy,
    SegOpsAdmin,
    SegOpsClient,
    SegOpsEventError,
    SegOpsPluginError,
    SegOpsSpoolError,
    hookimpl,
)
from segops.core import Response
from segops.plugins.logging import LogObserver
from segops.testing import FakeClock, MemoryTransport
from tests.rig.programs import unconfigured, unmeasured


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """Configure structlog as an application would, and return what it gets."""
    capture = LogCapture()
    structlog.configure(processors=[capture])
    yield capture.entries
    structlog.reset_defaults()


def client_of(*responses: Any, **options: Any) -> SegOpsClient:
    transport = MemoryTransport(*responses, offline=False)
    return SegOpsClient(api_key="sk_test_log", transport=transport, worker="inline", clock=FakeClock(), **options)


def track(client: SegOpsClient, user_id: str = "u-1") -> None:
    client.track(user_id=user_id, event_type="order_placed")


def test_a_retry_is_a_debug_line_with_its_status_and_delay(lines: list[Any]) -> None:
    with client_of(503, retry=RetryPolicy(base=1.0, cap=1.0)) as client:
        track(client)
        assert client.flush()
    [line] = lines
    assert (line["log_level"], line["event"], line["status"]) == ("debug", "segops.delivery.retry", 503)
    assert line["error_type"] == "SegOpsServerError"
    assert 0 < line["delay"] <= 1.0


def test_a_drop_is_a_warning_with_its_reason_and_count(lines: list[Any]) -> None:
    with client_of() as client:
        track(client, "")
        client.flush()
    [line] = lines
    assert (line["log_level"], line["event"], line["reason"], line["count"]) == (
        "warning",
        "segops.delivery.drop",
        "invalid",
        1,
    )


def test_events_that_were_never_delivered_name_the_last_failure(lines: list[Any]) -> None:
    with client_of(*[ConnectionRefusedError("nobody listens")] * 99) as client:
        track(client)
        track(client)
        client.flush(1)
    assert {line["event"] for line in lines[:-1]} == {"segops.delivery.retry"}
    drop = lines[-1]
    assert (drop["event"], drop["reason"], drop["count"]) == ("segops.delivery.drop", "undeliverable", 2)
    assert "ConnectionRefusedError" in drop["last_error"]


def test_a_refused_key_is_an_error_and_is_written_once(lines: list[Any]) -> None:
    with client_of(*[Response(401)] * 5) as client:
        track(client)
        assert not client.flush()
        assert not client.flush()
    refused = [line for line in lines if line["event"] == "segops.delivery.key_refused"]
    assert [(line["log_level"], line["status"]) for line in refused] == [("error", 401)]


def test_a_broken_plugin_and_a_failing_observer_are_warnings(lines: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    class Raising(Observer):
        @hookimpl
        def segops_register_observers(self) -> list[Observer]:
            return [self]

        def on_delivered(self, count: int, seconds: float) -> None:
            raise LookupError(count, seconds)

    monkeypatch.setenv("SEGOPS_PLUGINS", "no_such_plugin")
    with client_of(plugins=[Raising()]) as client:
        track(client)
        client.flush()
    assert [(line["log_level"], line["event"]) for line in lines] == [("warning", "segops.plugin.broken")] * 2
    failing, broken = (line["error"] for line in lines)
    assert "observer Raising failed: LookupError was raised at " in failing
    assert "no_such_plugin" in broken


def test_lines_of_one_kind_are_counted_for_a_minute(lines: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("segops.plugins.logging.monotonic", lambda: now)
    observer = LogObserver()
    for reason in ("invalid", "invalid", "closed", "invalid"):
        observer.on_error(SegOpsEventError("bad", reason=reason, count=2))
    now = 61.0
    observer.on_error(SegOpsEventError("bad", reason="invalid", count=1))
    assert [(line["reason"], line["count"]) for line in lines] == [("invalid", 2), ("closed", 2), ("invalid", 5)]


def test_a_spool_that_fails_and_anything_else_are_errors(lines: list[Any]) -> None:
    observer = LogObserver()
    observer.on_error(SegOpsSpoolError("the disk is full"))
    observer.on_error(RuntimeError("a bug"))
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("error", "segops.spool.failed"),
        ("error", "segops.delivery.failed"),
    ]


def test_any_number_of_kinds_needs_little_memory(lines: list[Any]) -> None:
    observer = LogObserver()
    for index in range(1000):
        observer.on_error(SegOpsPluginError(f"plugin {index}"))
    assert len(lines) == 1000
    assert sys.getsizeof(observer.__dict__) < 10_000


def test_retries_of_the_admin_client_are_logged(lines: list[Any]) -> None:
    transport = MemoryTransport(503, Response(200, {"content-type": "application/json"}, b"{}"), offline=False)
    with SegOpsAdmin("sk_test_log", transport=transport, clock=FakeClock()) as admin:
        admin.http.request("GET", "/tenant/")
    [line] = lines
    assert (line["log_level"], line["event"], line["status"]) == ("debug", "segops.admin.retry", 503)
    assert (line["method"], line["path"], line["attempt"]) == ("GET", "/api/tenant/", 1)


def test_the_standard_log_gets_the_lines_of_its_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "segops")
    with client_of(503) as client:
        track(client)
        track(client, "")
        client.flush()
    [record] = caplog.records
    assert (record.name, record.levelname) == ("segops", "WARNING")
    assert record.getMessage().startswith("event='segops.delivery.drop' reason='invalid' count=1")


def test_the_plugin_can_be_left_out(lines: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGOPS_PLUGINS", "-logging")
    with client_of() as client:
        track(client, "")
        client.flush()
    assert lines == []


PROGRAM = """
import sys
from segops import SegOpsClient
CONFIGURE
client = SegOpsClient("memory:", CALLBACK)
client.track(user_id="", event_type="order_placed")
client.shutdown()
print("structlog" in sys.modules)
"""


@pytest.mark.parametrize(
    ("callback", "configure", "printed"),
    [
        ("", "", True),
        ("on_error=print", "", False),
        ("on_error=lambda error: None", "import logging; logging.basicConfig()", True),
        ("on_error=lambda error: None", "import logging; logging.getLogger('segops').disabled = True", False),
        ("", "import logging; logging.getLogger('segops').setLevel(logging.CRITICAL)", False),
    ],
)
def test_the_default_line_is_printed_unless_the_application_hears_itself(
    callback: str, configure: str, *, printed: bool
) -> None:
    program = textwrap.dedent(PROGRAM).replace("CALLBACK", callback).replace("CONFIGURE", configure)
    done = subprocess.run(
        [sys.executable, "-c", program], env=unconfigured(unmeasured()), capture_output=True, text=True, check=True
    )
    assert ("segops.delivery.drop" in done.stderr) is printed
    assert done.stdout.endswith(f"{printed}\n"), "structlog is loaded only to write a line"
