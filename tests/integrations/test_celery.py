"""Identity in tasks that a worker of this process runs; test_servers.py has a real prefork."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.programs import unconfigured

PROGRAM = """
from celery import Celery
from celery.contrib.testing.worker import start_worker
from segops import SegOpsClient
from segops.integrations import WsgiMiddleware, identify_request, request_identity
from segops.integrations.celery import connect

client = SegOpsClient("memory:", flush_interval=3600, batch_size=1000)
app = Celery("tasks", broker="memory://", backend="cache+memory://")
connect(client)
connect(client)

@app.task
def who(more=0):
    before = request_identity().user_id
    if more:
        assert who.apply().get() == before == request_identity().user_id
        who.delay().forget()
        identify_request("task")
    client.track(user_id=str(before), event_type="x")
    return before

seen = []

def site(environ, start_response):
    identify_request("ada")
    seen.append(who.delay(1).get(timeout=60, disable_sync_subtasks=False))
    seen.append(who.apply().get())
    seen.append(who())
    start_response("200 OK", [])
    return []

with start_worker(app, perform_ping_check=False, pool="solo"):
    WsgiMiddleware(site, client)({"REQUEST_METHOD": "POST"}, lambda *_: None)
    seen.append(who.delay().get(timeout=60))
client.flush()
print(seen, sorted(event["user_id"] for event in client.transport.events), request_identity().user_id)
"""


def test_a_task_knows_who_was_the_user_of_the_request(tmp_path: Path) -> None:
    pytest.importorskip("celery", reason="Celery is not installed: pip install -r requirements/full.txt")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env=unconfigured(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = "['ada', 'ada', 'ada', None]"
    assert done.stdout.strip() == f"{seen} ['None', 'ada', 'ada', 'ada', 'ada', 'ada'] None"
