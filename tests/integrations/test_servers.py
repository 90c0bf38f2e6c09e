"""Real frameworks under real servers: users are seen, and SIGTERM loses nothing.

`make test` has two of them, `make test-full` sets SEGOPS_TEST_SERVERS=all for the whole list.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integrations import applications
from tests.lifecycle.lifecycle_rig import PATIENCE, ROOT, end, environment, events, get, serving
from tests.rig.fault_server import FaultServer
from tests.rig.ports import lasting_port
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.timeout(300)

IS_FULL = os.environ.get("SEGOPS_TEST_SERVERS") == "all"
GUNICORN = ("gunicorn", "--no-control-socket", "--bind", "127.0.0.1:PORT", "app:app", "--workers", "2")
UVICORN_WORKER = ("--worker-class", "uvicorn.workers.UvicornWorker")
UVICORN = ("uvicorn", "--port", "PORT", "app:app")
HYPERCORN = ("hypercorn", "--bind", "127.0.0.1:PORT", "app:app")


class Case(NamedTuple):
    """A framework under a server."""

    name: str
    application: str
    command: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()


ASGI = (("TEST_INTERFACE", "asgi"),)
CASES = [
    Case("fastapi, uvicorn", applications.FASTAPI, UVICORN),
    Case("flask, gunicorn", applications.FLASK, GUNICORN),
]
FULL = [
    Case("flask, gunicorn gthread", applications.FLASK, (*GUNICORN, "--threads", "4")),
    Case("flask, gunicorn --preload", applications.FLASK, (*GUNICORN, "--preload")),
    Case("fastapi, gunicorn UvicornWorker", applications.FASTAPI, (*GUNICORN, *UVICORN_WORKER)),
    Case("fastapi, hypercorn", applications.FASTAPI, HYPERCORN),
    Case("flask, hypercorn", applications.FLASK, HYPERCORN),
    Case("django, gunicorn", applications.DJANGO, GUNICORN),
    Case("django, gunicorn gthread --preload", applications.DJANGO, (*GUNICORN, "--threads", "4", "--preload")),
    Case("django, uvicorn", applications.DJANGO, UVICORN, ASGI),
    Case("django, gunicorn UvicornWorker", applications.DJANGO, (*GUNICORN, *UVICORN_WORKER), ASGI),
    Case("django, hypercorn", applications.DJANGO, HYPERCORN, ASGI),
]


def prepare(case: Case, folder: Path, url: str) -> tuple[list[str], dict[str, str], int]:
    """Write the application, and return the command, its environment, and the port."""
    (folder / "app.py").write_text(case.application)
    port = lasting_port()
    module, *arguments = [part.replace("PORT", str(port)) for part in case.command]
    variables = {"TEST_URL": url, "TEST_DATABASE": str(folder / "database"), **dict(case.variables)}
    if case.application == applications.DJANGO:
        command = [sys.executable, "app.py"]
        subprocess.run(command, cwd=folder, env=environment(**variables), check=True, timeout=PATIENCE)
    return [sys.executable, "-m", module, *arguments], variables, port


@pytest.mark.parametrize("case", CASES + (FULL if IS_FULL else []), ids=lambda case: case.name)
def test_sigterm_loses_nothing_also_of_a_request_in_progress(case: Case, tmp_path: Path) -> None:
    with FaultServer() as server:
        command, variables, port = prepare(case, tmp_path, server.url)
        with serving(command, tmp_path, **variables) as process:
            get(port, "/up")
            for number in range(10):
                assert get(port, f"/page/u-{number}") == f"<p>hello u-{number}"
            assert events(server) == [], "what follows is about the exit"
            slow = threading.Thread(target=get, args=(port, "/page/slow?wait=2"))
            slow.start()
            assert not wait_until(lambda: not slow.is_alive(), 1), "the request is in progress"
            end(process)
            slow.join(PATIENCE)
        views = [event for event in events(server) if event["event_type"] == "page_viewed"]
        assert sorted(event["user_id"] for event in views) == sorted([*[f"u-{n}" for n in range(10)], "slow"])
        assert {event["payload"]["url"] for event in views} >= {f"http://127.0.0.1:{port}/page/u-0"}
        if case.application == applications.FASTAPI:
            assert "last" in [event["user_id"] for event in events(server)], "the end of its own lifespan"


def test_close_on_signal_where_there_is_no_lifespan(tmp_path: Path) -> None:
    case = Case("", applications.FASTAPI, (*UVICORN, "--lifespan", "off"), (("TEST_REMEDY", "close_on_signal"),))
    with FaultServer() as server:
        command, variables, port = prepare(case, tmp_path, server.url)
        with serving(command, tmp_path, **variables) as process:
            get(port, "/up")
            for number in range(5):
                get(port, f"/page/u-{number}")
            end(process)
        assert sorted(event["user_id"] for event in events(server)) == [f"u-{number}" for number in range(5)]


def hang_up(port: int, path: str) -> None:
    """Ask for a page, and reset the connection before it comes."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_requests_get_the_response_of_the_application(case: Case, tmp_path: Path) -> None:
    with FaultServer() as server:
        command, variables, port = prepare(case, tmp_path, server.url)
        with serving(command, tmp_path, **variables) as process:
            get(port, "/up")
            for referrer in (b"\xff\xfe\x80 \xe9", b"http://" + b"x" * 3000, b"https://blog.example/\xc3\xa9?q=secret"):
                with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
                    sock.sendall(
                        b"GET /page/u-1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nReferer: %b\r\n\r\n" % referrer
                    )
                    received = b"".join(iter(lambda sock=sock: sock.recv(4096), b""))  # type: ignore[misc]
                assert received.startswith(b"HTTP/1.1 200"), received
                assert received.endswith(b"<p>hello u-1")
            hang_up(port, "/page/gone?wait=0.2")
            assert get(port, "/page/u-2") == "<p>hello u-2"
            end(process)
        views = [event for event in events(server) if event["user_id"] in {"u-1", "u-2"}]
        assert Counter(event["payload"].get("referrer") for event in views) == {
            None: 3,
            "https://blog.example/%C3%A9": 1,
        }


class Browser:
    """Keeps cookies, as a browser does."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}
        self.headers: list[tuple[str, str]] = []

    def get(self, path: str) -> str:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers={"Cookie": cookie})
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            self.headers = response.getheaders()
            for name, value in self.headers:
                if name.lower() == "set-cookie":
                    self.cookies.update([value.partition(";")[0].split("=", 1)])  # type: ignore[list-item]
            text: str = response.read().decode()
            return text


ALONE = (*GUNICORN, "--workers", "1")  # so that events arrive in order
LOGGED_IN = [
    Case("flask, gunicorn", applications.FLASK, ALONE),
    Case("django, gunicorn", applications.DJANGO, ALONE),
    Case("django, uvicorn", applications.DJANGO, UVICORN, ASGI),
    Case("django alone, hypercorn", applications.DJANGO, HYPERCORN, (("TEST_INTERFACE", "asgi alone"),)),
]


@pytest.mark.parametrize("place", ["0", "2"])
@pytest.mark.parametrize("prefix", ["", "/async"])
@pytest.mark.parametrize("case", LOGGED_IN if IS_FULL else LOGGED_IN[:1], ids=lambda case: case.name)
def test_the_users_of_the_framework_are_seen(case: Case, tmp_path: Path, prefix: str, place: str) -> None:
    if case.application == applications.FLASK and prefix + place != "0":
        pytest.skip("Flask has neither")
    with FaultServer() as server:
        command, variables, port = prepare(case, tmp_path, server.url)
        more = {"TEST_ANONYMOUS": "cookie", "TEST_PLACE": place} if case.name != "django, uvicorn" else {}
        with serving(command, tmp_path, **variables, **more) as process:
            get(port, "/up")
            browser = Browser(port)
            browser.get(f"{prefix}/current-user")
            is_varied = "vary" in {name.lower() for name, _ in browser.headers}
            assert is_varied == (case.application == applications.FLASK), "by Flask-Login itself, and not by us"
            first = browser.cookies.get("segops_anonymous_id")
            for path in ("/login/ada", "/current-user", "/logout", "/current-user"):
                browser.get(prefix + path)
            second = browser.cookies.get("segops_anonymous_id")
            end(process, signal.SIGTERM)
        whom = [(event["user_id"], event.get("anonymous_id")) for event in events(server)]
    if more:
        assert first != second
        assert whom[:3] == [(f"anon_{first}", first), ("ada", first), ("ada", first)]
        assert sorted(whom[3:]) == [(f"anon_{second}", second)] * 2
    else:
        assert [user for user, _ in whom] == ["anonymous", "ada", "ada", "anonymous", "anonymous"]


@pytest.mark.skipif(not IS_FULL, reason="part of make test-full")
@pytest.mark.parametrize("case", LOGGED_IN[1:], ids=lambda case: case.name)
def test_streams_files_and_errors_of_django(case: Case, tmp_path: Path) -> None:
    with FaultServer() as server:
        command, variables, port = prepare(case, tmp_path, server.url)
        with serving(command, tmp_path, **variables) as process:
            get(port, "/up")
            browser = Browser(port)
            assert browser.get("/stream") == "ab"
            if dict(case.variables):
                assert browser.get("/async/stream") == "ab"
            assert browser.get("/file") == (tmp_path / "app.py").read_text()
            for path in ("/stream?fails", "/async/stream?fails", "/fails"):
                with pytest.raises(Exception, match=r"Incomplete|500|IncompleteRead"):
                    browser.get(path)
            end(process)
        seen = Counter((event["user_id"], event["payload"]["path"]) for event in events(server))
    streams = {("streamed", "/stream"): 1, ("anonymous", "/file"): 1}
    assert seen == (streams | {("streamed", "/async/stream"): 1} if dict(case.variables) else streams)


@pytest.mark.skipif(not IS_FULL, reason="part of make test-full")
def test_celery_prefork_knows_the_user_of_the_request_and_loses_nothing(tmp_path: Path) -> None:
    pytest.importorskip("celery", reason="Celery is not installed: pip install -r requirements/full.txt")
    (tmp_path / "tasks.py").write_text(applications.TASKS)
    for folder in ("queue", "control"):
        (tmp_path / folder).mkdir()
    send = "import tasks\nfor user in ['/ada', '/bob', '/']:\n"
    send += "    [*tasks.site({'REQUEST_METHOD': 'GET', 'PATH_INFO': user}, print)]"
    worker = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", "2"]
    with FaultServer() as server:
        variables = environment(TEST_URL=server.url)
        variables["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{ROOT}"
        subprocess.run([sys.executable, "-c", send], cwd=tmp_path, env=variables, check=True, timeout=PATIENCE)
        with serving([*worker, "--without-gossip", "--without-mingle"], tmp_path, TEST_URL=server.url) as process:
            assert wait_until(lambda: len(list(tmp_path.glob("done-*"))) == 3, PATIENCE)
            end(process)
        assert Counter(event["user_id"] for event in events(server)) == {"/ada": 3, "/bob": 3, "nobody": 3}
