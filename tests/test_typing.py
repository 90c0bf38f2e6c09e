"""A user's program passes `mypy --strict` against the installed package: `py.typed`, and typed public names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# A line that is wrong carries a `type: ignore`, and strict mypy objects to one that is not needed.
PROGRAM = """
import segops
from segops import Event, SegOpsClient, UserContext, detect_ai_referrer, hookimpl
from segops.core import Enricher, Request, Response, Transport
from segops.emulator import LocalSegOps, LocalServer
from typing_extensions import assert_type


class Printer(Transport):
    def send(self, request: Request, *, timeout: float) -> Response:
        assert_type(request.body, bytes)
        return Response(202)


class Plugin:
    @hookimpl
    def segops_register_enrichers(self) -> list[Enricher]:
        return [Enricher(name="mine", event_types=frozenset({"order_placed"}), enrich=self.enrich)]

    def enrich(self, event: Event) -> Event:
        return event


def user() -> UserContext:
    return UserContext(user_id="u-1")


with SegOpsClient("https://api.segops.ai", "sk_1", get_user=user, transport=Printer(), plugins=[Plugin()]) as client:
    assert_type(client, SegOpsClient)
    client.track(user_id="u-1", event_type="order_placed", payload={"total": 42})
    client.track(Event("u-1", "order_placed"))
    client.track({"user_id": "u-1", "event_type": "order_placed"})
    client.track(user_id=1, event_type="order_placed")  # type: ignore[arg-type]
    client.track("order_placed")  # type: ignore[arg-type]
    client.trak()  # type: ignore[attr-defined]
    assert_type(client.flush(), bool)
    assert_type(client.stats(), segops.Stats)
    assert_type(client.stats().accepted, int)


async def main() -> None:
    async with SegOpsClient(transport="memory:") as client:
        assert_type(await client.aflush(), bool)


referral = detect_ai_referrer("https://chatgpt.com/", None)
assert_type(referral, segops.AiReferral | None)
referral.source_provider  # type: ignore[union-attr]
signed = segops.sign_user_id("00ff", "u-1")
assert_type(signed, segops.SignedUser)
assert_type(signed["user_id_ts"], int)
segops.sign_user_id(b"00ff", "u-1")  # type: ignore[arg-type]
segops.no_such_name  # type: ignore[attr-defined]
SegOpsClient("https://api.segops.ai", "sk_1", batch_size="20")  # type: ignore[arg-type]
SegOpsClient("https://api.segops.ai", "sk_1", worker="fiber")  # type: ignore[arg-type]

with LocalServer(LocalSegOps()) as server:
    assert_type(server.url, str)
"""


def check(program: str, folder: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(program, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={cache}", "program.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def cache(pytestconfig: pytest.Config) -> Path:
    """A cache that outlives the run: a cold one costs seconds."""
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("mypy_of_a_user")


def test_a_users_program_type_checks(tmp_path: Path, cache: Path) -> None:
    done = check(PROGRAM, tmp_path, cache)
    assert done.stdout == "Success: no issues found in 1 source file\n", done.stdout + done.stderr


def test_a_wrong_program_does_not(tmp_path: Path, cache: Path) -> None:
    done = check(
        "import segops\nsegops.SegOpsClient(api_url=1)\nreveal_type(segops.detect_ai_referrer)\n", tmp_path, cache
    )
    assert 'program.py:2: error: Argument "api_url"' in done.stdout
    assert "AiReferral | None" in done.stdout
