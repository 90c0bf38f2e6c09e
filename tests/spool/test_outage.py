"""Long outages, the end of the process, and the order after it: docs/reliability.md, rows 11, 22 to 24, 42."""

from __future__ import annotations

import os
import signal
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from segops import Limits, SegOpsClient, SegOpsConfigError, SegOpsEventError
from segops.core import SegOpsTransportError
from tests.rig.fault_server import FaultServer, hang_up, hold, respond
from tests.rig.harness import MakeRig, idempotency_key, names, script, users
from tests.rig.waiting import wait_until
from tests.spool.spool_rig import LIMIT, closed_port, held, rows, run, start, stored


def test_without_a_failure_there_is_no_file(make: MakeRig, spool: Path) -> None:
    rig = make()
    rig.track("a")
    assert rig.client.flush()
    assert not spool.exists()


def test_row_11_an_outage_of_a_day_loses_nothing_and_keeps_memory_empty(make: MakeRig, spool: Path) -> None:
    is_up = False
    rig = make(lambda _: 202 if is_up else 503, limits=Limits(max_events=100, batch_events=10))
    for hour in range(24):
        rig.track(*(f"{hour}-{name}" for name in names(60)))
        rig.client.flush(1.0)
        rig.clock.advance(3600.0)
        stats = rig.client.stats()
        assert stats.spooled == stats.pending == (hour + 1) * 60
        assert (stats.pending_bytes, stats.queued) == (0, 0)
    assert held(spool) == 24 * 60
    is_up = True
    assert rig.client.flush()
    assert rig.server.stored == [f"{hour}-{name}" for hour in range(24) for name in names(60)], "in order"
    assert rig.client.stats().dropped == {}
    assert rows(spool) == []


def test_row_11_a_hold_ends_after_72_hours_in_counted_drops(make: MakeRig) -> None:
    rig = make(lambda _: 401)
    rig.track("old")
    rig.client.flush(0.01)
    rig.clock.advance(71 * 3600.0)
    rig.track("young")
    rig.client.flush(0.01)
    assert (rig.client.stats().pending, rig.client.stats().dropped) == (2, {})
    rig.clock.advance(2 * 3600.0)
    rig.client.flush(0.01)
    assert (rig.client.stats().pending, rig.client.stats().dropped) == (1, {"undeliverable": 1})
    assert [error.count for error in rig.errors if isinstance(error, SegOpsEventError)] == [1]


def test_row_11_beyond_its_size_the_oldest_go_first(make: MakeRig, spool: Path) -> None:
    is_up = False
    bound = 200_000
    rig = make(lambda _: 202 if is_up else 503, limits=Limits(spool_bytes=bound))
    for number in range(40):
        rig.client.track(user_id=f"u-{number}", event_type="x", payload={"filler": "f" * 10_000})
        rig.client.flush(0.01)
    assert spool.stat().st_size <= bound + 5 * 4096, "the bound, and a batch more"
    lost = rig.client.stats().dropped["undeliverable"]
    assert 20 < lost < 30
    is_up = True
    rig.clock.advance(60.0)
    rig.client.flush()
    assert rig.server.stored == [f"u-{number}" for number in range(lost, 40)]
    assert rig.balanced()


def test_a_short_flush_interval_does_not_make_many_small_batches_of_an_outage(spool: Path) -> None:
    with (
        FaultServer(respond(429, headers={"Retry-After": "2"})) as server,
        SegOpsClient(server.url, "sk_test_spool", spool=spool, flush_interval=0.01) as client,
    ):
        for number in range(200):
            client.track(user_id=f"u-{number}", event_type="x")
            time.sleep(0.005)
        assert client.flush(LIMIT)
        assert set(stored(server)) == {f"u-{number}" for number in range(200)}
        assert len(server.journal) <= 10, "each batch that was stored is a request"


def test_what_is_spooled_goes_before_what_is_newer(make: MakeRig) -> None:
    rig = make(script(503))
    rig.track("first")
    rig.client.flush(0.01)
    assert rig.client.stats().spooled == 1
    rig.clock.advance(60.0)
    rig.track("second")
    assert rig.client.flush()
    assert [users(request) for request in rig.server.requests] == [["first"], ["first"], ["second"]]


def test_row_42_a_batch_that_comes_back_is_the_same_to_the_byte(make: MakeRig) -> None:
    rig = make(script(SegOpsTransportError("reset"), 503))
    rig.track(*names(3))
    assert rig.client.flush(60.0)
    first, *others = rig.server.requests
    assert len(others) == 2
    assert {(request.path, request.body, idempotency_key(request)) for request in others} == {
        (first.path, first.body, idempotency_key(first))
    }
    assert rig.client.stats().retries == 2


def test_row_42_what_was_killed_between_sending_and_the_answer_is_resent_once(spool: Path) -> None:
    with FaultServer(hold()) as server:
        child = start("client = make(spool_policy='always')\ntrack(client, 'a')\nclient.flush()", server.url, spool)
        assert wait_until(lambda: len(server.journal) >= 1)
        child.kill()
        child.communicate()
        assert run("client = make()\nprint(client.flush(), client.stats().adopted)", server.url, spool) == ["True", "1"]
        assert run("client = make()\nprint(client.flush(), client.stats().adopted)", server.url, spool) == ["True", "0"]
        assert stored(server) == ["a", "a"]
        keys = {received.headers["idempotency-key"] for received in server.journal}
        assert len(keys) == 1
    assert rows(spool) == []


def test_a_poisoned_batch_is_split_in_the_spool_and_keeps_its_order(make: MakeRig, spool: Path) -> None:
    answers = script(503)
    rig = make(lambda request: 400 if "user-2" in users(request) else answers(request))
    rig.track(*names(8))
    rig.client.flush(0.01)
    rig.track("later")
    assert not rig.client.flush(60.0)
    assert rig.server.stored == [*(name for name in names(8) if name != "user-2"), "later"]
    assert rig.client.stats().dropped == {"rejected": 1}
    assert rig.balanced()
    assert rows(spool) == []


def test_a_batch_that_is_split_survives_at_every_step(make: MakeRig, spool: Path) -> None:
    answers = [503, 413, 413]
    rig = make(lambda _: answers.pop(0) if answers else 503)
    rig.track(*names(8))
    rig.client.flush(2.0)
    rig.client.shutdown(0)
    assert [events for _, events, *_ in rows(spool)] in ([2, 2, 4], [4, 4])
    other = make()
    assert other.client.flush()
    assert other.server.stored == names(8)


@pytest.mark.parametrize("policy", ["overflow", "always"])
def test_row_22_what_an_exit_cannot_deliver_is_sent_by_the_next_process(spool: Path, policy: str) -> None:
    code = f"client = make(spool_policy={policy!r})\ntrack(client, 'a', 'b')\nif sys.argv[3:]: raise SystemExit(0)"
    run(code, closed_port(), spool, "exit")
    assert held(spool) == 2
    with FaultServer() as server:
        run("client = make()\ntrack(client, 'c')", server.url, spool)
        assert stored(server) == ["a", "b", "c"]
    assert rows(spool) == []


def test_row_22_a_server_that_hangs_delays_the_exit_by_two_seconds_at_most(spool: Path) -> None:
    with FaultServer(hold(), hold(), hold(), hold()) as server:
        code = """
            client = make(timeout=60.0)
            track(client, *map(str, range(1000)))
            print(time.monotonic())  # of one clock for all processes
        """
        [began] = run(code, server.url, spool)
        assert time.monotonic() - float(began) < 2.0 + 18.0, "the timeout of a request is 60 s"
    assert held(spool) == 1000


def test_row_23_a_signal_can_be_made_to_close_first(spool: Path) -> None:
    code = """
        import segops
        segops.close_on_signal(signal.SIGTERM)
        client = make()
        track(client, "a", "b")
        print("ready", flush=True)
        time.sleep(100)
    """
    with start(code, closed_port(), spool) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.terminate()
        child.communicate(timeout=LIMIT)
    assert child.returncode == -signal.SIGTERM, "it ends as it would have without us"
    assert held(spool) == 2


def test_row_23_a_handler_of_the_host_is_called_as_well(spool: Path) -> None:
    code = """
        import segops
        signal.signal(signal.SIGTERM, lambda number, frame: (print("mine", flush=True), os._exit(7)))
        segops.close_on_signal(signal.SIGTERM)
        client = make()
        track(client, "a")
        os.kill(os.getpid(), signal.SIGTERM)
    """
    with start(code, closed_port(), spool) as child:
        out, _ = child.communicate(timeout=LIMIT)
    assert (child.returncode, out) == (7, "mine\n")
    assert held(spool) == 1


def test_row_23_without_it_a_signal_loses_only_what_is_in_memory(spool: Path) -> None:
    code = """
        client = make(batch_size=2)
        track(client, "a", "b")
        wait_until(lambda: client.stats().spooled == 2)
        track(client, "lost")
        print("ready", flush=True)
        time.sleep(100)
    """
    with start(code, closed_port(), spool) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.terminate()
        child.communicate(timeout=LIMIT)
    assert held(spool) == 2


def test_row_22_shutdown_tells_that_something_is_left(make: MakeRig) -> None:
    rig = make(lambda _: 503)
    rig.track("a")
    assert not rig.client.shutdown(1.0)
    stats = rig.client.stats()
    assert (stats.accepted, stats.pending, stats.spooled, stats.dropped) == (1, 1, 1, {})
    rig.track("late")
    assert rig.client.stats().dropped == {"closed": 1}
    assert not rig.client.flush(0.01)


def test_a_flush_waits_for_what_a_former_process_left(make: MakeRig) -> None:
    former = make(lambda _: 503)
    former.track("a")
    former.client.shutdown(0)
    now = make(script(503))
    assert not now.client.flush(0.01)
    assert now.client.flush(60.0)
    assert now.server.stored == ["a"]
    stats = now.client.stats()
    assert (stats.accepted, stats.adopted, stats.delivered) == (1, 1, 1)


def test_a_client_starts_to_send_what_was_left_without_an_event(make: MakeRig) -> None:
    former = make(lambda _: 503)
    former.track("a")
    former.client.shutdown(0)
    now = make(worker="thread")
    assert wait_until(lambda: now.server.stored == ["a"])


def test_overflow_moves_events_to_disk_before_memory_is_full(spool: Path) -> None:
    with FaultServer(*[hang_up()] * 1000) as server:
        client = SegOpsClient(server.url, "sk_test", spool=spool, limits=Limits(max_events=10_000))
        for number in range(25_000):
            client.track(user_id=str(number), event_type="x")
            while (stats := client.stats()).pending - stats.spooled > 8_000:
                time.sleep(0.005)  # the worker begins to move them to disk long before
        client.shutdown(4.0)
        stats = client.stats()
    assert stats.accepted == 25_000
    assert stats.dropped == {}
    assert stats.spooled == held(spool) == 25_000


def test_files_are_for_this_user_alone(make: MakeRig, tmp_path: Path) -> None:
    path = tmp_path / "new" / "spool.db"
    before = os.umask(0)
    try:
        rig = make(lambda _: 503, spool=path)
        rig.track("a")
        rig.client.flush(0.01)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("wrong", [{"spool": 5}, {"spool_policy": "sometimes"}, {"spool": "a\0b"}])
def test_a_wrong_option_is_refused(make: MakeRig, wrong: dict[str, Any]) -> None:
    with pytest.raises(SegOpsConfigError):
        make(**wrong)
