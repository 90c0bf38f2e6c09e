"""Several processes, forks and kills: docs/reliability.md, rows 24, 28, 36 and 41."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from segops import UserContext
from segops.core import SESSION_PATH, Request
from segops.spool.database import connect, transaction
from tests.rig.fault_server import FaultServer, respond
from tests.rig.harness import PUBLIC, SECRET, MakeRig, Reply, reply
from tests.rig.programs import unmeasured
from tests.spool.spool_rig import LIMIT, closed_port, held, rows, run, start, stored

ROUNDS = int(os.environ.get("SEGOPS_KILL_ROUNDS", "50"))

STORE = """
    import itertools
    client = make(spool_policy=sys.argv[3], batch_size=1, flush_interval=0.05, retry=RetryPolicy(base=0.1))
    for number in itertools.count():
        track(client, f"{os.getpid()}-{number}")
        wait_until(lambda: client.stats().spooled - client.stats().adopted > number)
        print(f"{os.getpid()}-{number}", flush=True)
"""


@pytest.mark.timeout(100 + 6 * ROUNDS)
def test_rows_24_and_36_nothing_committed_is_lost_by_a_kill(spool: Path) -> None:
    """Kill children at random moments; whatever they said was stored must arrive."""
    promised: list[str] = []
    url = closed_port()
    for number in range(0, ROUNDS, 2):
        children = [start(STORE, url, spool, policy) for policy in ("always", "overflow")]
        for child in children:
            assert child.stdout is not None
            name = child.stdout.readline().strip()
            assert name, child.communicate()[1]
            promised.append(name)
        time.sleep(random.Random(number).random() * 0.05)
        for child in children:
            child.kill()
            out, _ = child.communicate(timeout=LIMIT)
            promised += [name for name in out.split("\n")[:-1] if name]
    assert len(promised) >= ROUNDS
    with FaultServer() as server:
        [flushed] = run("client = make()\nprint(client.flush())", server.url, spool)
        arrived = stored(server)
    assert flushed == "True"
    assert set(promised) <= set(arrived), "0 lost"
    assert len(arrived) == len(set(arrived)), "and none twice"
    assert rows(spool) == []
    assert [file.name for file in spool.parent.glob("*-lease-*")] == []


def test_row_24_a_torn_journal_is_rolled_back(spool: Path) -> None:
    """Stop a child in the middle of its writes by killing it at each of its first syncs."""
    url = closed_port()
    for nth in range(1, 12):
        code = f"""
            import sqlite3
            client = make(spool_policy="always", worker="inline", batch_size=1)
            import segops.spool.database as database
            count = 0
            original = database.insert
            def insert(connection, record):
                global count
                count += 1
                original(connection, record)
                if count == {nth}:
                    connection.execute("PRAGMA cache_spill = ON")
                    connection.execute("PRAGMA cache_size = 1")
                    os.kill(os.getpid(), signal.SIGKILL)
            database.insert = insert
            import segops.spool.store as store
            store.insert = insert
            for number in range({nth}):
                track(client, f"{nth}-{{number}}")
                client.flush(0.01)
        """
        with start(code, url, spool) as child:
            child.communicate(timeout=LIMIT)
        assert child.returncode == -signal.SIGKILL
    with FaultServer() as server:
        run("client = make()\nclient.flush()", server.url, spool)
        assert stored(server) == [f"{nth}-{number}" for nth in range(1, 12) for number in range(nth - 1)]


def test_row_41_processes_that_share_a_spool_send_each_event_once(spool: Path) -> None:
    code = """
        client = make(spool_policy=sys.argv[4], batch_size=3, flush_interval=0.02, retry=RetryPolicy(cap=0.05))
        for number in range(60):
            track(client, f"{sys.argv[3]}-{number}")
            time.sleep(0.002)
        client.shutdown(60)
    """
    with FaultServer(*[respond(503) if number % 3 else respond() for number in range(60)]) as server:
        children = [start(code, server.url, spool, str(n), ("always", "overflow")[n % 2]) for n in range(4)]
        for child in children:
            _, err = child.communicate(timeout=LIMIT)
            assert child.returncode == 0, err
        run("client = make()\nprint(client.flush())", server.url, spool)
        delivered = [name for received, name in arrivals(server)]
    assert sorted(delivered) == sorted(f"{n}-{number}" for n in range(4) for number in range(60))


def arrivals(server: FaultServer) -> list[tuple[str, str]]:
    """Return the requests that got a 202, without repetitions."""
    last = {received.headers["idempotency-key"]: received for received in server.journal}
    kept = FaultServer()
    kept.journal += list(last.values())
    kept._listener.close()
    return [("", name) for name in stored(kept)]


def test_row_41_a_living_process_keeps_what_it_holds(make: MakeRig, spool: Path) -> None:
    one, two = make(lambda _: 503), make()
    one.track("a")
    one.client.flush(0.01)
    assert two.client.flush(60.0)
    two.clock.advance(100.0)
    assert two.client.flush(60.0)
    assert two.server.stored == []
    one.client.shutdown(0)
    two.clock.advance(31.0)
    two.track("b")
    assert two.client.flush(60.0)
    assert two.server.stored == ["a", "b"]
    assert two.client.stats().adopted == 1
    assert rows(spool) == []


def test_row_41_what_another_kind_of_key_left_is_left_alone(make: MakeRig) -> None:
    secret = make(lambda _: 503)
    secret.track("a")
    secret.client.shutdown(0)
    public = make(lambda _: 503, key=PUBLIC)
    public.track("b")
    public.client.shutdown(0)
    assert public.client.stats().adopted == 0
    again = make()
    assert again.client.flush(60.0)
    assert again.server.stored == ["a"]


def test_what_a_user_left_is_sent_as_that_user(make: MakeRig, spool: Path) -> None:
    """No signature is stored: an unsigned session does where the key allows it, and else the user's next visit."""
    user = UserContext(user_id="ada", user_id_sig="0" * 64, user_id_ts=1)
    first = make(lambda _: 503, key=PUBLIC, get_user=lambda: user)
    first.track("x")
    first.client.shutdown(0)
    assert b"0000000000" not in spool.read_bytes()

    def accept_signed(request: Request) -> Reply:
        if request.path != SESSION_PATH:
            return 202
        if b"user_id_sig" in request.body:
            return reply(200, b'{"token": "t", "expires_at": "2099-01-01T00:00:00Z"}')
        return 403

    second = make(accept_signed, key=PUBLIC, get_user=lambda: user)
    assert not second.client.flush(1.0)
    assert second.server.stored == []
    assert second.client.stats().pending == 1
    second.track("y")
    second.clock.advance(60.0)
    second.client.flush(1.0)
    second.clock.advance(60.0)
    assert second.client.flush(1.0)
    assert second.server.stored == ["x", "y"]


def test_row_28_a_forked_child_leaves_the_parents_spool_alone(spool: Path) -> None:
    code = """
        client = make(spool_policy="always", batch_size=1, retry=RetryPolicy(base=100.0, cap=100.0))
        stop = False
        def hammer():
            number = 0
            while not stop:
                track(client, f"parent-{number}")
                number += 1
                time.sleep(0.01)
        thread = threading.Thread(target=hammer, daemon=True)
        thread.start()
        for child in range(5):
            pid = os.fork()
            if pid == 0:
                track(client, f"child-{child}")
                client.shutdown(10.0)
                os._exit(0 if client.stats().accepted >= 1 and client.stats().dropped == {} else 3)
            _, status = os.waitpid(pid, 0)
            assert status == 0, status
        stop = True
        thread.join()
        client.shutdown(10.0)
        stats = client.stats()
        assert stats.accepted == stats.pending == stats.spooled, stats
        print(stats.accepted - stats.adopted)
    """
    with start(code, closed_port(), spool) as child:
        out, err = child.communicate(timeout=LIMIT)
    assert child.returncode == 0, err
    own = int(out)
    with FaultServer() as server:
        run("client = make()\nclient.flush()", server.url, spool)
        arrived = stored(server)
    assert sorted(arrived) == sorted([f"child-{n}" for n in range(5)] + [f"parent-{n}" for n in range(own)])


def test_a_lease_ends_with_its_process_however_that_ends(spool: Path) -> None:
    code = "client = make(batch_size=1)\ntrack(client, 'a')\nwait_for(lambda: client.stats().spooled)\nos._exit(1)"
    with start(code, closed_port(), spool) as child:
        child.communicate(timeout=LIMIT)
    assert len(list(spool.parent.glob("*-lease-*"))) == 1
    with FaultServer() as server:
        run("client = make()\nclient.flush()", server.url, spool)
        assert stored(server) == ["a"]
    assert list(spool.parent.glob("*-lease-*")) == []


def test_a_stopped_process_keeps_its_lease(spool: Path) -> None:
    code = """
        client = make(batch_size=1)
        track(client, 'a')
        wait_until(lambda: client.stats().spooled)
        print('ready', flush=True)
        time.sleep(100)
    """
    with start(code, closed_port(), spool) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGSTOP)
        try:
            with FaultServer() as server:
                assert run("client = make()\nprint(client.flush())", server.url, spool) == ["True"]
                assert stored(server) == []
        finally:
            child.kill()
            child.communicate()
    assert held(spool) == 1


def test_no_sqlite_is_loaded_without_a_spool() -> None:
    code = """
        import sys, segops
        with segops.SegOpsClient("memory:") as client:
            client.track(user_id="a", event_type="x")
        assert "sqlite3" not in sys.modules
        assert "segops.spool.spool" not in sys.modules
        assert "segops.spool.store" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=unmeasured(), check=True)


def test_the_environment_names_a_spool(make: MakeRig, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGOPS_SPOOL", str(spool))
    rig = make(lambda _: 503, spool=None)
    rig.track("a")
    rig.client.shutdown(0)
    assert held(spool) == 1
    assert SECRET not in repr(rig.client)


HAMMER = """
from pathlib import Path
from segops.spool.database import connect, transaction
connection, _ = connect(Path(sys.argv[2]))
print("begun", flush=True)
while True:
    with transaction(connection):
        connection.execute("UPDATE totals SET held = held")
"""


def test_processes_that_commit_all_the_time_leave_gaps_for_others(spool: Path) -> None:
    """Row 41. With SQLite's own pauses, two of them kept a third one out for the whole of its 5 s, again and again."""
    connection, _ = connect(spool)
    with start(HAMMER, closed_port(), spool) as one, start(HAMMER, closed_port(), spool) as other:
        try:
            for child in (one, other):
                assert child.stdout is not None
                assert child.stdout.readline() == "begun\n"
            for _ in range(10):
                with transaction(connection):
                    connection.execute("UPDATE totals SET held = held")
        finally:
            one.kill()
            other.kill()
    connection.close()
