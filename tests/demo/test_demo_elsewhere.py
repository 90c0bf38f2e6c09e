"""`segops demo --api-url … --api-key …`: another SegOps, a wrong key, no server, one that hangs, and Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping

import pytest

from segops.emulator import LocalSegOps, LocalServer
from tests.rig.fault_server import FaultServer, hang_up, hold, respond
from tests.rig.ports import refused_port
from tests.rig.programs import SEGOPS, Run, unmeasured
from tests.rig.waiting import wait_until


def test_another_segops_gets_the_same(run: Run, local: LocalSegOps, server: LocalServer) -> None:
    done = run("demo", "--api-url", server.url, "--api-key", local.secret_key)
    assert done.returncode == 0, done.stderr
    assert f"sent to {server.url}" in done.stdout
    assert "cannot read back" in done.stderr
    summary = local.summary()
    assert summary.by_type == {"order_placed": 6919, "page_viewed": 12, "ai_referral_session": 7}
    assert summary.users == 2357


def test_the_key_may_come_from_the_environment(run: Run, local: LocalSegOps, server: LocalServer) -> None:
    done = run("demo", "--limit", "5", "--api-url", server.url, SEGOPS_API_KEY=local.secret_key)
    assert done.returncode == 0, done.stderr
    assert local.summary().by_type["order_placed"] == 5


def test_the_url_may_come_from_the_environment(run: Run, local: LocalSegOps, server: LocalServer) -> None:
    done = run("demo", "--limit", "5", "--api-key", local.secret_key, SEGOPS_API_URL=f"{server.url}/api")
    assert done.returncode == 0, done.stderr
    assert local.summary().by_type["order_placed"] == 5


def test_a_wrong_key(run: Run, local: LocalSegOps, server: LocalServer) -> None:
    done = run("demo", "--api-url", server.url, "--api-key", "sk_test_wrong")
    assert (done.returncode, done.stdout) == (4, "")
    assert "401" in done.stderr
    assert "check the API key" in done.stderr
    assert "sk_test_wrong" not in done.stderr
    assert local.summary().events == 0


def test_a_public_key_is_refused(run: Run, local: LocalSegOps, server: LocalServer) -> None:
    done = run("demo", "--api-url", server.url, "--api-key", local.public_key)
    assert (done.returncode, done.stdout) == (2, "")
    assert "use a secret key (sk_)" in done.stderr
    assert local.requests() == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--api-url", "gopher://x", "--api-key", "sk_x"], "unknown URL scheme"),
        (["--api-url", "http://127.0.0.1:1"], "SEGOPS_API_KEY"),
        (["--api-key", "mk_x"], "sk_"),
        (["--api-key", ""], "key"),
        (["--api-key", "sk_x", "--db", "x.db"], "--db configures the local SegOps"),
    ],
)
def test_arguments_that_cannot_be_used(run: Run, words: list[str], message: str) -> None:
    done = run("demo", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_no_server_fails_within_seconds(run: Run) -> None:
    done = run("demo", "--api-url", f"http://127.0.0.1:{refused_port()}", "--api-key", "sk_test_x")
    assert (done.returncode, done.stdout) == (5, "")
    assert "check the URL, and that the server is running" in done.stderr


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (202, b'{"queued": 0, "skipped": 500}', 1, "segops: 24 of 24 events were not delivered (rejected 24)"),
        (404, b"<h1>no such page</h1>", 3, "check the URL and the arguments"),
        (302, b"", 1, "check the URL and the arguments"),
    ],
)
def test_a_server_that_does_not_take_events(run: Run, status: int, body: bytes, code: int, message: str) -> None:
    with FaultServer(default=respond(status, body)) as server:
        done = run("demo", "--limit", "5", "--api-url", server.url, "--api-key", "sk_test_x")
    assert done.returncode == code
    assert message in done.stderr


@pytest.mark.parametrize(("status", "code"), [(401, 4), (501, 1)])
def test_a_server_that_turns_away_half_way(run: Run, status: int, code: int) -> None:
    with FaultServer(respond(202, b"{}"), default=respond(status, b"no")) as server:
        done = run("demo", "--api-url", server.url, "--api-key", "sk_test_x")
    assert (done.returncode, done.stdout) == (code, "")
    assert f"returned {status} " in done.stderr


@pytest.mark.parametrize("status", [408, 503])
def test_a_server_that_is_busy_for_a_moment(run: Run, status: int) -> None:
    with FaultServer(respond(status, b"")) as server:
        done = run("demo", "--limit", "5", "--api-url", server.url, "--api-key", "sk_test_x")
    assert done.returncode == 0, done.stderr
    assert "accepted           24     sent to" in done.stdout


def test_a_server_that_breaks_off_half_way(run: Run) -> None:
    with FaultServer(respond(202, b"{}"), default=hang_up()) as server:
        done = run("demo", "--api-url", server.url, "--api-key", "sk_test_x")
    assert (done.returncode, done.stdout) == (5, "")
    assert "check the URL, and that the server is running" in done.stderr


def test_an_interrupt_ends_it_at_once(environment: Mapping[str, str]) -> None:
    with FaultServer(hold()) as server:
        command = [*SEGOPS, "demo", "--api-url", server.url, "--api-key", "sk_test_x"]
        with subprocess.Popen(
            command, env=unmeasured(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert wait_until(lambda: server.journal)
            process.send_signal(signal.SIGINT)
            output, complaint = process.communicate(timeout=100)
    assert (process.returncode, output) == (130, "")
    assert complaint.endswith("segops: interrupted\n")
    assert "Traceback" not in complaint
