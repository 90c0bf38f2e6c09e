"""Real application servers that fork, patch or forbid threads: reliability table, rows 29, 31 and 32."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lifecycle.lifecycle_rig import PATIENCE, Servers, end, events, get, serving, stored
from tests.rig.fault_server import FaultServer
from tests.rig.ports import lasting_port
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.timeout(900)  # the first one waits for the servers to be installed, one of them from source

APPLICATION = """
import os
from segops import SegOpsClient
client = SegOpsClient(os.environ["TEST_URL"], "sk_test_servers", flush_interval=3600, batch_size=1000)
client.track(user_id="preloaded", event_type="x")
served = 0
def application(environ, start_response):
    global served
    path = environ["PATH_INFO"]
    said = str(os.getpid())
    if path == "/flush":
        said = f"{client.flush(50)} {client.stats().pending}"
    elif path == "/stats":
        said = str(client.stats().delivered)
    elif path != "/up":
        client.track(user_id=path, event_type="x", payload={"pid": os.getpid()})
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [said.encode()]
"""

TASKS = """
import os
from celery import Celery
from segops import SegOpsClient
client = SegOpsClient(os.environ["TEST_URL"], "sk_test_servers", flush_interval=3600, batch_size=1000)
client.track(user_id="preloaded", event_type="x")
app = Celery("tasks", broker="filesystem://")
app.conf.update(
    broker_transport_options={
        "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control",
    },
    task_ignore_result=True,
    worker_hijack_root_logger=False,
)
@app.task
def work(number):
    client.track(user_id=f"task-{number}", event_type="x", payload={"pid": os.getpid()})
    open(f"done-{number}", "w").close()
"""

GEVENT = """
from gevent import monkey
monkey.patch_all()
import sys, time
import gevent
from segops import SegOpsClient
client = SegOpsClient(sys.argv[1], "sk_test_gevent", batch_size=50)
def visitor(number):
    for each in range(20):
        client.track(user_id=f"{number}-{each}", event_type="x")
        gevent.sleep(0.001)
ticks = []
def ticker():
    while True:
        ticks.append(time.monotonic())
        gevent.sleep(0.01)
beat = gevent.spawn(ticker)
gevent.joinall([gevent.spawn(visitor, number) for number in range(50)])
flushed = client.flush(50)
for last in range(5):
    client.track(user_id=f"last-{last}", event_type="x")
stats = client.stats()
slowest = max(late - early for early, late in zip(ticks, ticks[1:]))
print(flushed, stats.accepted, stats.delivered + stats.pending, slowest < 20.0)
"""


def test_row_29_gunicorn_with_preload_delivers_of_each_process_its_own(servers: Servers, tmp_path: Path) -> None:
    """The client is made before the fork; each worker sends what it tracked, the parent what it did, all at exit."""
    (tmp_path / "wsgi.py").write_text(APPLICATION)
    port = lasting_port()
    command = [servers.program("gunicorn"), "--preload", "--workers", "3", "--bind", f"127.0.0.1:{port}", "wsgi"]
    with FaultServer() as server:
        with serving([*command, "--no-control-socket"], tmp_path, TEST_URL=server.url):
            for number in range(60):
                get(port, f"/{number}")
            assert not [name for name in stored(server) if name != "preloaded"], "what follows is about the exit"
        assert stored(server) == sorted(["preloaded", *[f"/{number}" for number in range(60)]])
        assert len({event["payload"]["pid"] for event in events(server) if event.get("payload")}) >= 1


def test_row_29_celery_prefork_delivers_what_its_tasks_tracked(servers: Servers, tmp_path: Path) -> None:
    """Its processes end by `os._exit`, without atexit."""
    (tmp_path / "tasks.py").write_text(TASKS)
    for folder in ("queue", "control"):
        (tmp_path / folder).mkdir()
    code = (
        f"import os, sys\nos.chdir({str(tmp_path)!r})\nsys.path.insert(0, '.')\nos.environ['SEGOPS_DISABLED'] = '1'\n"
    )
    code += "os.environ['TEST_URL'] = ''\nimport tasks\nfor number in range(20): tasks.work.delay(number)"
    worker = [servers.program("celery"), "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", "2"]
    with FaultServer() as server:
        servers.run(code)
        assert len(list((tmp_path / "queue").iterdir())) == 20
        with serving([*worker, "--without-gossip", "--without-mingle"], tmp_path, TEST_URL=server.url) as process:
            assert wait_until(lambda: len(list(tmp_path.glob("done-*"))) == 20)
            end(process)
        tracked = [name for name in stored(server) if name != "preloaded"]
        assert tracked == sorted(f"task-{number}" for number in range(20))
        assert stored(server).count("preloaded") == 1, "the parent's own, and no copy of it by a child"


@pytest.mark.parametrize(
    "options", [[], ["--master"], ["--master", "--processes", "2"]], ids=["alone", "master", "two"]
)
def test_row_31_uwsgi_without_threads_delivers_on_flush_and_at_exit(
    servers: Servers, tmp_path: Path, options: list[str]
) -> None:
    """Without `enable-threads` a thread of ours runs only while a request is served, and forks pass Python by."""
    (tmp_path / "wsgi.py").write_text(APPLICATION)
    port = lasting_port()
    command = [servers.program("uwsgi"), "--http-socket", f"127.0.0.1:{port}", "--wsgi-file", "wsgi.py"]
    command += ["--die-on-term", "--need-app", "--virtualenv", str(servers.python.parents[1]), *options]
    with FaultServer() as server:
        with serving(command, tmp_path, TEST_URL=server.url):
            for number in range(10):
                get(port, f"/{number}")
            assert get(port, "/flush") == "True 0"
            if "--processes" not in options:
                assert {f"/{number}" for number in range(10)} <= set(stored(server))
            for number in range(10, 20):
                get(port, f"/{number}")
        # A master process is ended without the exit code of Python: what it tracked before the fork is not sent.
        arrived = [name for name in stored(server) if options == [] or name != "preloaded"]
        assert arrived == sorted([*[f"/{number}" for number in range(20)], *([] if options else ["preloaded"])])


def test_row_32_gevent_loses_nothing_and_goes_on_meanwhile(servers: Servers) -> None:
    with FaultServer() as server:
        said = servers.run(GEVENT, server.url, timeout=PATIENCE)
        assert said.split() == ["True", "1005", "1005", "True"]
        assert len(stored(server)) == len(set(stored(server))) == 1005
