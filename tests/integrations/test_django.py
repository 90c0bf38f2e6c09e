"""The middleware for Django with its own test clients; test_servers.py has it under real servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integrations import applications
from tests.rig.programs import unconfigured

VISITS = """
import json, logging, sys
import app
from django.core.management import call_command
from django.test import AsyncClient, Client
logging.disable()
call_command("migrate", verbosity=0)
for name in ("ada", "bob"):
    app.User.objects.create_user(name)
responses = []

def keep(response, content):
    responses.append([response.status_code, content.decode(), response.headers.get("Vary")])

def visit(browser):
    for path in PATHS:
        response = browser.get(path)
        keep(response, response.getvalue())
        response.close()

async def async_visit(browser):
    for path in PATHS:
        response = await browser.get(path)
        if response.streaming:
            keep(response, b"".join([part async for part in response]))
            response.close()
        else:
            keep(response, response.content)

PATHS = sys.argv[2:]
if sys.argv[1] == "async":
    app.asyncio.run(async_visit(AsyncClient(raise_request_exception=False)))
else:
    visit(Client(raise_request_exception=False))
app.client.flush()
print(json.dumps([responses, [[each["user_id"], each["payload"]["path"]] for each in app.client.transport.events]]))
"""


def visit(folder: Path, kind: str, *paths: str, place: int = 0, **variables: str) -> tuple[list[Any], list[Any]]:
    """Visit pages with a test client; return the responses, and whose page views were tracked."""
    (folder / "app.py").write_text(applications.DJANGO)
    given = {"TEST_URL": "memory:", "TEST_DATABASE": str(folder / "database"), "TEST_PLACE": str(place), **variables}
    environment = {**unconfigured(), **given, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)])}
    done = subprocess.run(
        [sys.executable, "-c", VISITS, kind, *paths],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "SynchronousOnlyOperation" not in done.stderr
    responses, views = json.loads(done.stdout.splitlines()[-1])
    return responses, views


@pytest.mark.parametrize(
    ("kind", "prefix", "place"),
    [("sync", "", 0), ("sync", "", 2), ("async", "/async", 0), ("async", "/async", 2), ("sync", "/async", 2)],
)
def test_the_user_that_a_view_logs_in_is_seen(tmp_path: Path, kind: str, prefix: str, place: int) -> None:
    paths = ("/current-user", "/login/ada", "/current-user", "/logout", "/current-user")
    responses, views = visit(tmp_path, kind, *[prefix + path for path in paths], place=place)
    assert [user for user, _ in views] == ["anonymous", "ada", "ada", "anonymous", "anonymous"]
    (tmp_path / "database").unlink()
    without, nothing = visit(tmp_path, kind, *[prefix + path for path in paths], place=-1)
    assert nothing == []
    assert responses == without


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_function_for_ids_that_raises_breaks_no_response(tmp_path: Path, kind: str) -> None:
    responses, views = visit(tmp_path, kind, "/login/bob", "/async/current-user")
    assert [response[0] for response in responses] == [200, 200]
    assert views == [["anonymous", "/login/bob"], ["anonymous", "/async/current-user"]]


def test_streams_files_and_errors(tmp_path: Path) -> None:
    responses, views = visit(tmp_path, "sync", "/stream", "/file", "/fails", "/up", "/page/u-1")
    assert [response[0] for response in responses] == [200, 200, 500, 200, 200]
    assert responses[0][1] == "ab"
    assert responses[1][1] == applications.DJANGO
    assert views == [["streamed", "/stream"], ["anonymous", "/file"], ["u-1", "/page/u-1"]]


def test_asynchronous_streams(tmp_path: Path) -> None:
    responses, views = visit(tmp_path, "async", "/async/stream", "/fails", "/page/u-1", TEST_ANONYMOUS="skip")
    assert [response[0] for response in responses] == [200, 500, 200]
    assert responses[0][1] == "ab"
    assert views == [["streamed", "/async/stream"], ["u-1", "/page/u-1"]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("None", "must be a dict with a client, such as"),
        ("{}", "got dict without client"),
        ("{'client': client, 'polcy': 1}", "the setting SEGOPS has an unknown key 'polcy': did you mean 'policy'?"),
        ("{'client': client, 'x': 1}", "unknown key 'x': use client, policy, user_id"),
        ("{'client': client, 'user_id': 1}", "SEGOPS['user_id'] must be callable, got int"),
        ("{'client': 'os.path'}", "client must be a SegOpsClient, got module"),
    ],
)
def test_a_bad_setting_is_refused(tmp_path: Path, value: str, message: str) -> None:
    program = (
        "from django.conf import settings\nfrom segops import SegOpsClient\n"
        "from segops.integrations.django import SegOpsMiddleware\n"
        f"client = SegOpsClient('memory:')\nsettings.configure(SEGOPS={value})\nSegOpsMiddleware(print)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=unconfigured(), capture_output=True, text=True, check=False
    )
    assert "SegOpsConfigError" in done.stderr
    assert message in done.stderr
