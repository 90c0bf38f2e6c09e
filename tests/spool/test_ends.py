"""The spool at exit, under signals, across forks, and with a locked file."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from segops import SegOpsClient, SegOpsConfigError
from segops.core import Batch
from segops.spool.store import Store
from tests.rig.fault_server import FaultServer, stall
from tests.spool.spool_rig import closed_port, held, run, start, stored

HANGING = """
from segops import close_on_signal
import contextlib, atexit
how = sys.argv[3]
client = make(flush_interval=60.0, batch_size=10**6, worker=sys.argv[4])
if how == "raises":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
elif how == "own":
    signal.signal(signal.SIGTERM, lambda *_: (client.shutdown(2), os._exit(3)))
else:
    close_on_signal(signal.SIGTERM)
track(client, *map(str, range(200)))
threading.Timer(1.0, lambda: print("ready", flush=True)).start()
if how == "thread":
    threading.Thread(target=client.shutdown, args=(60,), daemon=True).start()
    time.sleep(60)
elif how == "flush":
    client.flush(60)
elif how != "exit":
    client.shutdown(60)
"""


@pytest.mark.parametrize("worker", ["thread", "inline"])
@pytest.mark.parametrize("how", ["shutdown", "exit", "thread", "flush", "raises", "own"])
def test_a_signal_while_the_client_is_closed_loses_nothing(spool: Path, how: str, worker: str) -> None:
    with FaultServer(*[stall() for _ in range(9)]) as server, start(HANGING, server.url, spool, how, worker) as child:
        assert child.stdout is not None
        if how != "exit":
            assert child.stdout.readline() == "ready\n"
        else:
            time.sleep(1.5)  # its exit waits for the thread that says so
        child.send_signal(signal.SIGTERM)
        child.wait(60)
        assert held(spool) == 200


def _leave(spool: Path, count: int) -> None:
    """Have a process that is gone leave so many batches."""
    store = Store(spool)
    event = b'{"user_id":"old","event_type":"x"}'
    store.put([Batch.of([event], number, "/api/ingestion/track/batch/", None) for number in range(count)], time.time())
    store.close()
    store.lock.release(remove=False)


SHORT = """
client = make()
track(client, *["new"] * 100)
time.sleep(float(sys.argv[3]))
"""


@pytest.mark.parametrize("nap", ["0", "0.2"])
def test_a_backlog_does_not_keep_new_events_from_the_spool(spool: Path, nap: str) -> None:
    spool.parent.chmod(0o700)
    _leave(spool, 150_000)
    run(SHORT, closed_port(), spool, nap)
    assert held(spool) == 150_100


def test_a_backlog_is_taken_over_whole(spool: Path) -> None:
    spool.parent.chmod(0o700)
    _leave(spool, 3_000)
    client = SegOpsClient("memory:", "sk_test_spool", spool=spool)
    end = time.monotonic() + 60
    while client.stats().adopted < 3_000 and time.monotonic() < end:
        time.sleep(0.05)
    assert client.flush(100)
    assert client.stats().delivered == 3_000
    client.shutdown()
    assert held(spool) == 0
    assert not list(spool.parent.glob("*-lease-*"))


def test_events_are_sent_while_another_process_has_the_file_locked(spool: Path) -> None:
    spool.parent.chmod(0o700)
    _leave(spool, 1)
    with FaultServer() as server, closing(sqlite3.connect(spool, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        run(SHORT, server.url, spool, "0")
        assert stored(server) == ["new"] * 100


def test_a_child_of_a_fork_that_could_not_wait_for_the_spool_says_so_and_delivers(spool: Path) -> None:
    with FaultServer() as server:
        out = run(
            """
            from segops.utils import concurrency
            from segops.spool import spool as module
            concurrency._FORK_PATIENCE = 0.2
            errors = []
            client = make(on_error=errors.append)
            track(client, "parent")
            client.flush(50)
            held = threading.Event()
            def hold():
                with module._lock:
                    held.set()
                    time.sleep(60)
            threading.Thread(target=hold, daemon=True).start()
            held.wait()
            child = os.fork()
            if child == 0:
                open(sys.argv[2], "a").close()
                os.chmod(sys.argv[2], 0o600)
                track(client, "child")
                done = client.flush(50)
                print(done, len([e for e in errors if "forked" in str(e)]), flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            os._exit(0)
            """,
            server.url,
            spool,
        )
        assert out == ["True", "1"]
        assert stored(server) == ["parent", "child"]


def test_a_fork_starts_no_thread_in_the_child_before_its_first_event(spool: Path) -> None:
    """The thread would wait forever for a lock that Python replaces at the end of the fork, such as that of logging."""
    with FaultServer() as server:
        out = run(
            """
            open(sys.argv[2], "a").close()
            os.chmod(sys.argv[2], 0o600)
            client = make()
            track(client, "parent")
            client.flush(50)
            child = os.fork()
            if child == 0:
                names = [thread.name for thread in threading.enumerate() if thread.name == "segops"]
                track(client, "child")
                print(names, client.flush(50), flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            os._exit(0)
            """,
            server.url,
            spool,
        )
        assert out == ["[]", "True"]
        assert stored(server) == ["parent", "child"]


def test_a_fork_breaks_off_a_long_look_and_both_deliver(spool: Path) -> None:
    spool.parent.chmod(0o700)
    _leave(spool, 150_000)
    with FaultServer() as server:
        out = run(
            """
            client = make()
            time.sleep(0.1)
            started = time.monotonic()
            child = os.fork()
            if child == 0:
                client.track(user_id="child", event_type="x")
                client.flush(1.0)
                os._exit(0)
            took = time.monotonic() - started
            os.waitpid(child, 0)
            print(took < 4.0, flush=True)
            os._exit(0)
            """,
            server.url,
            spool,
        )
        assert out == ["True"]


@pytest.mark.parametrize("keep", [100, 4096, 8192])
def test_a_spool_that_was_cut_says_what_it_cannot_know(spool: Path, keep: int) -> None:
    spool.parent.chmod(0o700)
    _leave(spool, 400)
    os.truncate(spool, keep)
    errors: list[Exception] = []
    client = SegOpsClient("memory:", "sk_test_spool", spool=spool, on_error=errors.append)
    client.flush(50)
    client.shutdown()
    reports = [str(error) for error in errors if "was damaged" in str(error)]
    assert len(reports) == 1
    assert "0 not" not in reports[0]
    assert "an unknown number lost" in reports[0]


def test_a_count_that_is_damaged_is_reported(spool: Path) -> None:
    spool.parent.chmod(0o700)
    _leave(spool, 4)
    with closing(sqlite3.connect(spool)) as connection, connection:
        connection.execute("UPDATE totals SET held = held + 7")
    errors: list[Exception] = []
    client = SegOpsClient("memory:", "sk_test_spool", spool=spool, on_error=errors.append)
    assert client.flush(50)
    client.shutdown()
    assert ["4 event(s) recovered, an unknown number lost" in str(error) for error in errors] == [True]


@pytest.mark.parametrize("mode", [0o1777, 0o755])
def test_a_directory_that_others_may_use_is_not_to_be_changed(tmp_path: Path, mode: int) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    with pytest.raises(SegOpsConfigError, match="a directory of its own, such as") as refused:
        SegOpsClient("memory:", spool=shared / "spool.db")
    advised = str(refused.value).split("'")[3]
    client = SegOpsClient("http://127.0.0.1:9", "sk_x", spool=advised)
    client.track(user_id="u", event_type="x")
    client.shutdown(1)
    assert held(Path(advised)) == 1


def test_what_could_be_neither_sent_nor_stored_in_time_is_reported(spool: Path) -> None:
    out = run(
        """
        from segops.spool import spool as module
        errors = []
        client = make(on_error=errors.append)
        module._lock.__enter__()
        track(client, "a", "b")
        print(client.shutdown(0.5), sum("2 event(s) could not be sent" in str(error) for error in errors))
        os._exit(0)
        """,
        closed_port(),
        spool,
    )
    assert out == ["False", "1"]
