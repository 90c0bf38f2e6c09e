"""`segops forward` as a program: what arrives, in what requests, and what it prints; and what goes wrong."""

from __future__ import annotations

import itertools
import json
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from segops import SegOpsClient
from segops.emulator import LocalSegOps, LocalServer
from tests.rig.fault_server import Call, Fault, FaultServer, raw, respond, stall
from tests.rig.forwarding import KEY, Oracle, Segops
from tests.rig.ports import refused_port
from tests.rig.programs import unconfigured
from tests.rig.redis_server import RedisServer, needs_redis
from tests.rig.terminal import on_terminal
from tests.rig.waiting import wait_until

pytestmark = needs_redis


def produce(url: str, oracle: Oracle, count: int, users: int = 20) -> None:
    with SegOpsClient(url) as client:
        oracle.track(client, count, users)
        assert client.flush(60)


def left(server: RedisServer, stream: str, what: str = "entries") -> int:
    return sum(server.client.xlen(key) for key in server.client.keys(f"{{{stream}:*}}:{what}"))


def test_entries_are_merged_to_full_requests(redis_server: RedisServer, stream: str, segops: Segops) -> None:
    url = redis_server.url(stream=stream, shards=2)
    with FaultServer() as server:
        oracle = Oracle(server)
        for _ in range(40):
            produce(url, oracle, 101)
        done = segops.run("forward", url, "--to", server.url, "--once", "--rate", "0")
        assert (done.wait(), done.stderr) == (0, "")
        oracle.check(duplicates=0)
        sizes = [len(json.loads(request.body)["events"]) for request in server.journal]
        assert sorted(sizes)[2:] == [500] * (len(sizes) - 2), "all requests are full, but the last one of each shard"
        assert {request.headers["authorization"] for request in server.journal} == {f"ApiKey {KEY}"}
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["delivered"] == 4040
    assert (lines[-1]["lag"], lines[-1]["dead"], lines[-1]["url"]) == (0, 0, url.partition("&")[0])
    assert left(redis_server, stream) == 0
    assert redis_server.client.keys(f"{{{stream}:*}}:lease") == []
    assert redis_server.client.zcard(f"{{{stream}}}:forwarders") == 0


def test_events_reach_a_local_segops(redis_server: RedisServer, stream: str, segops: Segops) -> None:
    url = redis_server.url(stream=stream)
    local = LocalSegOps()
    with LocalServer(local) as server:
        with SegOpsClient(url) as client:
            for number in range(100):
                client.track(user_id=f"user-{number}", event_type="order_placed", payload={"n": number})
        done = segops.run("forward", url, "--to", server.url, "--once", "--rate", "0", key=local.secret_key)
        assert done.wait() == 0, done.stderr
        assert len([*local.events()]) == 100


def poisoned(call: Call) -> None:
    """Reject requests that contain a certain event."""
    request = call.read()
    call.peer.send(raw(400 if b'"poison"' in request.body else 202, b"{}"))
    if b'"poison"' in request.body:
        call.server.journal.pop()


def test_a_rejected_event_goes_to_the_dead_letters_and_back(
    redis_server: RedisServer, stream: str, segops: Segops
) -> None:
    url = redis_server.url(stream=stream, shards=1)
    with FaultServer(default=poisoned) as server:
        oracle = Oracle(server)
        produce(url, oracle, 300)
        with SegOpsClient(url) as client:
            client.track(user_id="somebody@example.com", event_type="poison")
        produce(url, oracle, 300)
        done = segops.run("forward", url, "--to", server.url, "--once", "--rate", "0")
        oracle.check(duplicates=0)
    assert done.wait() == 1
    assert "1 event(s) are in the dead letters" in done.stderr
    assert "400" in done.stderr
    assert "somebody" not in done.stderr + done.stdout
    listed = segops.run("forward", "dead", "list", url)
    [letter] = json.loads(listed.stdout)
    assert (letter["events"], letter["reason"], letter["shard"]) == (1, "rejected", "0")
    assert "400" in letter["why"]
    assert segops.run("forward", "dead", "replay", url).stdout == '{\n  "replayed": 1\n}\n'
    assert (left(redis_server, stream), left(redis_server, stream, "dead")) == (1, 0)
    with FaultServer() as server:
        assert segops.run("forward", url, "--to", server.url, "--once", "--rate", "0").wait() == 0
        [event] = Oracle(server).events()
    assert event["event_type"] == "poison"


def corrupt(server: RedisServer, stream: str, shard: int, fields: dict[str, Any]) -> None:
    server.client.xadd(f"{{{stream}:{shard}}}:entries", fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"order": "1"},
        {"v": "1", "n": "2", "b": '{"events":[{"user_id":"u","event_type":"t"}]}'},
        {"v": "1", "n": "x", "b": '{"events":[{}]}'},
        {"v": "1", "n": "1", "b": '{"event'},
        {"v": "1", "n": "0", "b": '{"events":[]}'},
        {"v": "", "n": "1", "b": '{"events":[{}]}'},
    ],
)
def test_an_entry_that_cannot_be_read_is_a_dead_letter(
    redis_server: RedisServer, stream: str, segops: Segops, fields: dict[str, Any]
) -> None:
    url = redis_server.url(stream=stream, shards=1)
    with FaultServer() as server:
        oracle = Oracle(server)
        produce(url, oracle, 100)
        corrupt(redis_server, stream, 0, fields)
        produce(url, oracle, 100)
        done = segops.run("forward", url, "--to", server.url, "--once", "--rate", "0")
        assert (done.wait(), "cannot be read" in done.stderr) == (1, True), done.stderr
        oracle.check(duplicates=0)
        assert (left(redis_server, stream), left(redis_server, stream, "dead")) == (0, 1)
        [(_, kept)] = redis_server.client.xrange(f"{{{stream}:0}}:dead")
        assert {name.encode(): text.encode() for name, text in fields.items()}.items() <= kept.items(), "as it was"
        [letter] = json.loads(segops.run("forward", "dead", "list", url, "-o", "json").stdout)
        assert letter["reason"] == "unreadable"
        refused = segops.run("forward", "dead", "purge", url)
        assert (refused.wait(), "1 dead letter(s): add --yes" in refused.stderr) == (2, True)
        assert json.loads(segops.run("forward", "dead", "purge", url, "--yes").stdout) == {"deleted": 1}
        assert left(redis_server, stream, "dead") == 0


def test_an_event_with_broken_bytes_costs_no_other(redis_server: RedisServer, stream: str, segops: Segops) -> None:
    local = LocalSegOps()
    url = redis_server.url(stream=stream, shards=1)
    with LocalServer(local) as server:
        body = b'{"events":[{"user_id":"a","event_type":"t"},\n{"user_id":"b\xff","event_type":"t"}]}'
        corrupt(redis_server, stream, 0, {"v": "1", "n": "2", "b": body})
        with SegOpsClient(url) as client:
            client.track(user_id="c", event_type="t")
        done = segops.run("forward", url, "--to", server.url, "--once", "--rate", "0", key=local.secret_key)
        assert done.wait() == 1
        assert sorted(event.user_id for event in local.events()) == ["a", "c"]
        assert left(redis_server, stream, "dead") == 1


def test_an_entry_of_a_later_format_waits_for_a_later_version(
    redis_server: RedisServer, stream: str, segops: Segops
) -> None:
    url = redis_server.url(stream=stream, shards=1)
    with FaultServer() as server:
        oracle = Oracle(server)
        produce(url, oracle, 100)
        corrupt(redis_server, stream, 0, {"v": "2", "z": "compressed"})
        forwarder = segops.start("forward", url, "--to", server.url, "--rate", "0")
        oracle.wait()
        time.sleep(0.5)
        forwarder.send(signal.SIGTERM)
        assert forwarder.wait() == 0
        assert "has format 2, and this version of segops-sdk reads 1: upgrade the forwarder" in forwarder.stderr
        assert (left(redis_server, stream), left(redis_server, stream, "dead")) == (1, 0), "nothing is lost"


def test_a_retry_has_the_same_bytes_and_the_same_key(redis_server: RedisServer, stream: str, segops: Segops) -> None:
    url = redis_server.url(stream=stream, shards=1)
    with FaultServer(respond(503), respond(500), respond(429, headers={"Retry-After": "1"})) as server:
        oracle = Oracle(server)
        produce(url, oracle, 100)
        assert segops.run("forward", url, "--to", server.url, "--once", "--rate", "0").wait() == 0
        first = server.journal[0]
        assert [(each.body, each.headers["idempotency-key"]) for each in server.journal] == [
            (first.body, first.headers["idempotency-key"])
        ] * 4


def test_retry_after_and_the_rate_hold_for_all_forwarders(
    redis_server: RedisServer, stream: str, segops: Segops
) -> None:
    """The third forwarder starts when the others have been asked to wait, and waits, too."""
    url = redis_server.url(stream=stream, shards=2)
    times: list[float] = []

    def timed(status: int, **headers: str) -> Fault:
        def fault(call: Call) -> None:
            times.append(time.monotonic())
            respond(status, headers={name.replace("_", "-"): text for name, text in headers.items()})(call)

        return fault

    with FaultServer(timed(429, Retry_After="4"), default=timed(202)) as server:
        oracle = Oracle(server)
        produce(url, oracle, 100)
        key = "sk_test_shared"
        line = [url, "--to", server.url, "--rate", "120", "--once"]
        first = segops.start("forward", *line)
        assert wait_until(lambda: len(times) == 1)
        time.sleep(0.5)
        other = RedisServer.url(redis_server, stream=f"{stream}-2", shards=8)
        second = Oracle(server)
        produce(other, second, 100)
        done = segops.run("forward", other, *line[1:])
        assert (first.wait(), done.wait()) == (0, 0), done.stderr
        assert key not in str(redis_server.client.keys("*"))
        gaps = [later - sooner for sooner, later in itertools.pairwise(times)]
        assert gaps[0] > 3.5, "nobody sends before the time that the server named"
        assert times[-1] - times[1] > 0.5 * (len(times) - 5), "and then 120 requests a minute, together"
    assert json.loads(segops.run("forward", "status", other, "-o", "json").stdout)["waits"] >= 1


def test_sigterm_finishes_the_request_and_gives_the_leases_back(
    redis_server: RedisServer, stream: str, segops: Segops
) -> None:
    url = redis_server.url(stream=stream, shards=4)

    def slow(call: Call) -> None:
        call.read()
        time.sleep(0.3)
        call.peer.send(raw())

    with FaultServer(default=slow) as server:
        oracle = Oracle(server)
        produce(url, oracle, 5000)
        forwarder = segops.start("forward", url, "--to", server.url, "--rate", "0")
        assert wait_until(lambda: len(server.journal) > 1)
        forwarder.send(signal.SIGTERM)
        assert (forwarder.wait(), forwarder.stderr) == (0, "")
        sent = len(oracle.events())
        last = json.loads(forwarder.stdout.splitlines()[-1])
        assert (last["delivered"], last["lag"], last["forwarders"]) == (sent, 5000 - sent, 0)
        assert redis_server.client.keys(f"{{{stream}:*}}:lease") == []
        assert segops.run("forward", url, "--to", server.url, "--once", "--rate", "0").wait() == 0
        assert oracle.check(duplicates=0) == 0


def test_five_crashes_bury_what_was_being_sent(redis_server: RedisServer, stream: str, segops: Segops) -> None:
    """A request that kills each forwarder that sends it must not stop the shard for ever."""
    url = redis_server.url(stream=stream, shards=1)
    with FaultServer(*[stall()] * 5) as server:
        oracle = Oracle(server)
        produce(url, oracle, 500)
        for _ in range(5):
            connections = server.connections
            forwarder = segops.start("forward", url, "--to", server.url, "--rate", "0", "--lease", "30")
            assert wait_until(lambda seen=connections: server.connections > seen)  # type: ignore[misc]
            forwarder.send(signal.SIGKILL)
            redis_server.client.delete(f"{{{stream}:0}}:lease")  # as if its time was over
        after = Oracle(server)
        produce(url, after, 50)
        done = segops.run("forward", url, "--to", server.url, "--once", "--rate", "0")
        assert "5 forwarders in a row ended while they sent this" in done.stderr
        after.check(duplicates=0)
        [letter] = json.loads(segops.run("forward", "dead", "list", url).stdout)
        assert (letter["events"], letter["reason"]) == (500, "crashes")
        assert segops.run("forward", "dead", "replay", url).wait() == 0
        assert segops.run("forward", url, "--to", server.url, "--once", "--rate", "0").wait() == 0
        assert len(oracle.events()) == 550


def test_five_deploys_in_an_outage_bury_nothing(redis_server: RedisServer, stream: str, segops: Segops) -> None:
    url = redis_server.url(stream=stream, shards=1)
    with FaultServer(default=respond(503)) as server:
        oracle = Oracle(server)
        produce(url, oracle, 100)
        for number in range(6):
            seen = len(server.journal)
            forwarder = segops.start("forward", url, "--to", server.url, "--rate", "0")
            assert wait_until(lambda seen=seen: len(server.journal) > seen)  # type: ignore[misc]
            time.sleep(0.3)
            forwarder.send(signal.SIGKILL if number % 2 else signal.SIGTERM)
            redis_server.client.delete(f"{{{stream}:0}}:lease")
        server.journal.clear()
    with FaultServer() as server:
        oracle.server = server
        assert segops.run("forward", url, "--to", server.url, "--once", "--rate", "0").wait() == 0
        oracle.check(duplicates=0)


def test_metrics_are_served_and_printed(redis_server: RedisServer, stream: str, segops: Segops) -> None:
    url = redis_server.url(stream=stream, shards=2)
    port = refused_port() + 2
    with FaultServer() as server:
        forwarder = segops.start("forward", url, "--to", server.url, "--metrics", str(port), "--rate", "0")
        oracle = Oracle(server)
        produce(url, oracle, 100)
        oracle.wait()
        assert wait_until(lambda: "segops_forward_delivered_events_total 100\n" in scrape(port))
        found = scrape(port)
        taken = segops.run("forward", url, "--to", server.url, "--metrics", str(port))
        forwarder.send(signal.SIGTERM)
    assert 'segops_forward_waiting_events{shard="0"} 0\n' in found
    assert "# TYPE segops_forward_dead_letters gauge\n" in found
    assert (taken.wait(), "cannot listen on" in taken.stderr) == (2, True)


def scrape(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
            return str(response.read().decode())
    except OSError:
        return ""


def test_status_shows_who_works_on_what(redis_server: RedisServer, stream: str, segops: Segops) -> None:
    url = redis_server.url(stream=stream, shards=3)
    with FaultServer(default=stall()) as server:
        produce(url, Oracle(server), 300)
        forwarder = segops.start("forward", url, "--to", server.url, "--shards", "0-1")
        assert wait_until(lambda: len(redis_server.client.keys(f"{{{stream}:*}}:lease")) == 2)
        status = json.loads(segops.run("forward", "status", url).stdout)
        forwarder.send(signal.SIGKILL)
    assert (status["lag"], status["forwarders"], status["dead"]) == (300, 1, 0)
    assert [shard["holder"] is None for shard in status["shards"]] == [False, False, True]
    assert 0 <= status["oldest"] < 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{url}", "--to", "http://127.0.0.1:9", "--shards", "99"], "shard 99 does not exist: "),
        (["{url}", "--shards", "1-x"], "--shards must be a list such as 0-3,8, got '1-x'"),
        (["{url}", "--metrics", "x"], "--metrics must be [ADDRESS:]PORT or -, got 'x'"),
        (["{url}", "--rate", "fast"], "must be a number of requests"),
        (["{url}", "--lease", "0"], "must be a number of seconds"),
        (["{url}", "--yes"], "--yes has no effect on `forward URL`"),
        (["{url}", "-o", "json"], "--output has no effect on `forward URL`"),
        (["status", "{url}", "--once"], "--once has no effect on `forward status`"),
        (["dead", "{url}"], "cannot tell what `forward dead"),
        (["dead", "drop", "{url}"], "cannot tell what `forward dead drop"),
        (["dead", "list"], "cannot tell what `forward dead list`"),
        (["https://api.segops.ai"], "URL must be that of a broker"),
        (["{url}", "--to", "{url}"], "--to is the stream itself"),
        (["{url}", "--to", "ftp://h"], "unknown URL scheme 'ftp'"),
        ([], "the following arguments are required"),
        (["status", "{database}"], "there is no database 99: check the path of the URL"),
        (["{url}&shard=3"], "unknown option 'shard': did you mean 'shards'"),
    ],
)
def test_bad_arguments(
    redis_server: RedisServer, stream: str, segops: Segops, arguments: list[str], message: str
) -> None:
    url = redis_server.url(stream=stream)
    done = segops.run("forward", *[each.format(url=url, database=url.replace("/0?", "/99?")) for each in arguments])
    assert (done.wait(), message in done.stderr) == (2, True), done.stderr


def test_the_help_shows_all_forms(segops: Segops) -> None:
    done = segops.run("forward", "--help")
    assert (done.wait(), "segops forward dead replay URL" in done.stdout) == (0, True), done.stderr


def test_no_redis_at_the_start(segops: Segops) -> None:
    done = segops.run("forward", f"redis+stream://127.0.0.1:{refused_port()}/0")
    assert (done.wait(), "refused" in done.stderr) == (5, True), done.stderr


@pytest.mark.parametrize(
    ("key", "message"),
    [("pk_test_public", "use a secret key (sk_)"), (None, "missing API key"), ("nonsense", "invalid API key")],
)
def test_keys_of_the_wrong_class(
    redis_server: RedisServer, stream: str, segops: Segops, key: str | None, message: str
) -> None:
    done = segops.run("forward", redis_server.url(stream=stream), "--to", "http://127.0.0.1:9", key=key)
    assert (done.wait(), message in done.stderr) == (2, True), done.stderr


def test_a_key_that_segops_refuses_ends_once_and_loses_nothing(
    redis_server: RedisServer, stream: str, segops: Segops
) -> None:
    url = redis_server.url(stream=stream, shards=1)
    with FaultServer(default=respond(401)) as server:
        produce(url, Oracle(server), 10)
        done = segops.run("forward", url, "--to", server.url, "--once")
    assert (done.wait(), "401" in done.stderr) == (4, True), done.stderr
    assert left(redis_server, stream) == 1


def test_a_stream_of_others_is_refused(redis_server: RedisServer, stream: str, segops: Segops) -> None:
    redis_server.client.xadd(stream, {"order": "1"})
    for arguments in (["--to", "http://127.0.0.1:9"], []):
        done = segops.run("forward", *([] if arguments else ["status"]), redis_server.url(stream=stream), *arguments)
        assert (done.wait(), "belongs to another program" in done.stderr) == (2, True), done.stderr
    assert redis_server.client.xlen(stream) == 1


def test_another_number_of_shards_is_refused(
    redis_server: RedisServer, stream: str, segops: Segops, tmp_path: Path
) -> None:
    with FaultServer() as server:
        produce(redis_server.url(stream=stream, shards=4), Oracle(server), 10)
    done = segops.run("forward", redis_server.url(stream=stream), "--to", f"file:{tmp_path / 'e.ndjson'}")
    assert (done.wait(), "write shards=4; to resize" in done.stderr) == (2, True), done.stderr


def test_a_disabled_sdk_forwards_nothing(redis_server: RedisServer, stream: str, segops: Segops) -> None:
    done = segops.run("forward", redis_server.url(stream=stream), "--once", SEGOPS_DISABLED="1")
    assert (done.wait(), "unset SEGOPS_DISABLED" in done.stderr) == (2, True), done.stderr


def test_a_terminal_shows_a_line_and_a_table(redis_server: RedisServer, stream: str) -> None:
    url = redis_server.url(stream=stream, shards=2)
    environment = {**unconfigured(), "SEGOPS_API_KEY": KEY}
    with FaultServer(respond(503)) as server:
        produce(url, Oracle(server), 120)
        table = on_terminal("forward", "status", url, environment=environment)
        line = on_terminal("forward", url, "--to", server.url, "--once", "--rate", "0", environment=environment)
    assert (table.code, line.code) == (0, 0)
    assert "120 event(s) wait in " in table.text
    assert "SHARD" in table.text
    assert "\r  0 sent" in line.text
    assert "503" in line.text
    assert "120 sent (" in line.text
    assert "/s), 0 wait, 0 dead letter(s)" in line.text.splitlines()[-1]
