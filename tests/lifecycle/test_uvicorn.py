"""uvicorn raises SIGTERM again once it has shut down, so that `atexit` never runs: the two documented remedies."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.lifecycle.lifecycle_rig import end, get, serving, stored
from tests.rig.fault_server import FaultServer
from tests.rig.ports import lasting_port

APPLICATION = """
import os, signal
from segops import SegOpsClient, close_on_signal
client = SegOpsClient(os.environ["TEST_URL"], "sk_test_uvicorn", flush_interval=3600, batch_size=1000)
remedy = os.environ["TEST_REMEDY"]
if remedy == "close_on_signal":
    close_on_signal(signal.SIGTERM)
async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if remedy == "lifespan":
            await client.ashutdown()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] != "/up":
        client.track(user_id=scope["path"], event_type="x")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""


@pytest.mark.parametrize("remedy", ["lifespan", "close_on_signal"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_uvicorn_loses_nothing_with_a_remedy(tmp_path: Path, remedy: str, how: signal.Signals) -> None:
    (tmp_path / "application.py").write_text(APPLICATION)
    port = lasting_port()
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "application:application"]
    with FaultServer() as server:
        with serving(command, tmp_path, TEST_URL=server.url, TEST_REMEDY=remedy) as process:
            for number in range(5):
                get(port, f"/{number}")
            assert stored(server) == [], "what follows is about the exit"
            end(process, how)
        assert stored(server) == [f"/{number}" for number in range(5)]
