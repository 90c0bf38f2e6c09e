"""The producing side: what is added to a stream, by threads, forks and the inline worker, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from segops import SegOpsClient, SegOpsConfigError, SegOpsTransportError
from segops.brokers.redis_streams import RedisTransport
from segops.core import BATCH_PATH, Request, Transport
from segops.testing import TransportConformance
from tests.rig.ports import deaf_port, refused_port
from tests.rig.producing import produce_from_children, produce_from_threads
from tests.rig.redis_server import RedisServer, needs_redis
from tests.rig.tls import TLS

pytestmark = needs_redis


def stored(server: RedisServer, stream: str) -> list[dict[str, Any]]:
    """Return the events of all shards, shard by shard."""
    keys = sorted(server.client.keys(f"{{{stream}:*}}:entries"), key=lambda key: int(key.split(b":")[1][:-1]))
    bodies = [fields[b"b"] for key in keys for _, fields in server.client.xrange(key)]
    return [event for body in bodies for event in json.loads(body)["events"]]


def batch(*users: str) -> Request:
    events = [{"user_id": user, "event_type": "t"} for user in users]
    return Request("POST", BATCH_PATH, {"Idempotency-Key": "k-1"}, json.dumps({"events": events}).encode())


class TestRedisTransport(TransportConformance):
    @pytest.fixture
    def transport(self, redis_server: RedisServer, stream: str) -> Iterator[RedisTransport]:
        self.server, self.stream = redis_server, stream
        transport = RedisTransport.from_url(redis_server.url(stream=stream, shards=1))
        yield transport
        transport.close()

    def delivered(self, transport: Transport) -> Sequence[Mapping[str, Any]]:  # noqa: ARG002 - as the base class
        return stored(self.server, self.stream)

    def stalled(self) -> Transport:
        return RedisTransport.from_url(f"redis+stream://127.0.0.1:{deaf_port()}")


def test_an_entry_has_the_events_of_one_shard(redis_server: RedisServer, stream: str) -> None:
    transport = RedisTransport.from_url(redis_server.url(stream=stream, shards=16))
    users = [f"u-{number % 40}" for number in range(400)]
    assert transport.send(batch(*users), timeout=10).status == 202
    assert redis_server.client.hgetall(stream) == {b"format": b"1", b"shards": b"16"}
    events = 0
    seen: dict[str, bytes] = {}
    for key in redis_server.client.keys(f"{{{stream}:*}}:entries"):
        [(_, fields)] = redis_server.client.xrange(key)
        here = json.loads(fields[b"b"])["events"]
        assert (fields[b"v"], int(fields[b"n"]), fields[b"k"]) == (b"1", len(here), b"k-1")
        assert int(fields[b"t"]) > 1.7e12
        assert all(seen.setdefault(event["user_id"], key) == key for event in here), "a user has one shard"
        state = redis_server.client.hgetall(key.replace(b"entries", b"state"))
        assert state == {b"bytes": str(len(fields[b"b"])).encode(), b"events": str(len(here)).encode()}
        events += len(here)
    assert (events, len(seen)) == (400, 40)
    assert len({*seen.values()}) > 8


def test_a_batch_is_added_once_however_often_it_is_sent(redis_server: RedisServer, stream: str) -> None:
    """As after a response that was lost."""
    for _ in range(3):
        transport = RedisTransport.from_url(redis_server.url(stream=stream))
        assert transport.send(batch("a", "b"), timeout=10).status == 202
    assert len(stored(redis_server, stream)) == 2


def test_threads_and_the_inline_worker_produce(redis_server: RedisServer, stream: str) -> None:
    url = redis_server.url(stream=stream)
    with SegOpsClient(url) as client, SegOpsClient(url, worker="inline") as inline:
        produce_from_threads(client, inline, 300)
        sizes = [client.stats().latency, inline.stats().latency]
    assert len(stored(redis_server, stream)) == 1800
    assert sum(each.requests for sample in sizes for each in sample.values()) <= 8, "batches of 500 by default"
    for user in ("inline", "thread-0", "thread-3"):
        numbers = [event["payload"]["n"] for event in stored(redis_server, stream) if event["user_id"] == user]
        assert numbers == sorted(numbers)


def test_forked_children_produce(redis_server: RedisServer, stream: str) -> None:
    produce_from_children(redis_server.url(stream=stream), children=4, each=50, later=1)
    users = [event["user_id"] for event in stored(redis_server, stream)]
    assert {user: users.count(user) for user in {*users}} == {"parent": 2, **{f"child-{n}": 50 for n in range(4)}}


def test_a_full_stream_takes_nothing_and_the_events_wait(redis_server: RedisServer, stream: str) -> None:
    url = redis_server.url(stream=stream, shards=2, max_bytes=1400)
    transport = RedisTransport.from_url(url)
    crowded = batch(*["same"] * 20)
    assert transport.send(crowded, timeout=10).status == 202, "the first entry of a shard always fits"
    second = Request(crowded.method, crowded.path, {}, crowded.body)
    response = transport.send(second, timeout=10)
    assert (response.status, b"is full" in response.body) == (503, True)
    both = Request("POST", BATCH_PATH, {}, batch("same", *[f"u-{number}" for number in range(9)]).body)
    assert transport.send(both, timeout=10).status == 503, "no shard gets its part if one is full"
    assert len(stored(redis_server, stream)) == 20
    with SegOpsClient(url, batch_size=10) as client:
        client.track(user_id="same", event_type="t")
        assert not client.flush(0.5)
        assert client.stats().pending == 1
        redis_server.client.flushdb()
        assert client.flush(30)
    assert len(stored(redis_server, stream)) == 1


def test_redis_that_is_out_of_memory_takes_nothing(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        transport = RedisTransport.from_url(server.url())
        assert transport.send(batch("a"), timeout=10).status == 202
        server.client.config_set("maxmemory", "1")
        response = transport.send(Request("POST", BATCH_PATH, {}, batch("a").body), timeout=10)
        assert response.status == 503
        assert b"maxmemory" in response.body
        server.client.config_set("maxmemory", "0")
        server.client.replicaof("127.0.0.1", refused_port())
        assert transport.send(Request("POST", BATCH_PATH, {}, batch("a").body), timeout=10).status == 503, "read-only"


def test_an_eviction_policy_is_refused(tmp_path: Path) -> None:
    with RedisServer(tmp_path, {"maxmemory-policy": "allkeys-lru"}) as server:
        transport = RedisTransport.from_url(server.url())
        with pytest.raises(SegOpsConfigError, match=r"'allkeys-lru'.*CONFIG SET maxmemory-policy noeviction"):
            transport.send(batch("a"), timeout=10)


def test_another_number_of_shards_is_refused(redis_server: RedisServer, stream: str) -> None:
    RedisTransport.from_url(redis_server.url(stream=stream, shards=4)).send(batch("a"), timeout=10)
    transport = RedisTransport.from_url(redis_server.url(stream=stream, shards=8))
    with pytest.raises(SegOpsConfigError, match=r"has 4 shards, and the URL says 8: write shards=4; to resize"):
        transport.send(batch("a"), timeout=10)
    redis_server.client.hset(stream, "format", "2")
    with pytest.raises(SegOpsConfigError, match=r"format '2'.*upgrade"):
        transport.send(batch("a"), timeout=10)
    assert len(stored(redis_server, stream)) == 1


@pytest.mark.parametrize("kind", ["a stream", "a hash", "text", "a shard"])
def test_keys_of_others_are_left_alone(redis_server: RedisServer, stream: str, kind: str) -> None:
    client = redis_server.client
    if kind == "a stream":
        client.xadd(stream, {"order": "1"})
    elif kind == "a hash":
        client.hset(stream, "name", "theirs")
    elif kind == "text":
        client.set(stream, "theirs")
    else:
        client.set(f"{{{stream}:0}}:entries", "theirs")
    before = {key: client.dump(key) for key in client.keys(f"*{stream}*")}
    transport = RedisTransport.from_url(redis_server.url(stream=stream, shards=1))
    with pytest.raises(SegOpsConfigError, match=r"belongs to another program: choose another name with \?stream="):
        transport.send(batch("a"), timeout=10)
    assert {key: client.dump(key) for key in client.keys(f"*{stream}*")} == before


def test_a_wrong_configuration_is_told_and_the_events_wait(redis_server: RedisServer, stream: str) -> None:
    redis_server.client.set(stream, "theirs")
    errors: list[Exception] = []
    with SegOpsClient(redis_server.url(stream=stream), on_error=errors.append) as client:
        client.track(user_id="a", event_type="t")
        assert not client.flush(60), "it does not wait for a person"
        assert client.stats().pending == 1
        assert "belongs to another program" in str(errors[0])
        redis_server.client.delete(stream)
        assert client.shutdown(30)
    assert len(stored(redis_server, stream)) == 1


def test_credentials_and_permissions(redis_server: RedisServer, stream: str) -> None:
    at = f"127.0.0.1:{redis_server.port}/0?stream={stream}"
    redis_server.client.execute_command("ACL", "SETUSER", "adder", "on", ">s3cret@/", "~*", "+info", "+eval")
    try:
        with pytest.raises(SegOpsConfigError, match="refuses the user or the password") as caught:
            RedisTransport.from_url(f"redis+stream://adder:wr0ng@{at}").send(batch("a"), timeout=10)
        assert "wr0ng" not in str(caught.value)
        transport = RedisTransport.from_url(f"redis+stream://adder:s3cret%40%2F@{at}")
        with pytest.raises(SegOpsConfigError, match=r"lacks a permission .*docs/scale-out.md"):
            transport.send(batch("a"), timeout=10)
        assert "s3cret" not in f"{transport!r}{transport.url}"
        commands = ["hmget", "exists", "xlen", "hget", "hset", "xadd", "hincrby", "set"]
        redis_server.client.execute_command("ACL", "SETUSER", "adder", *[f"+{name}" for name in commands])
        assert transport.send(batch("a"), timeout=10).status == 202
    finally:
        redis_server.client.execute_command("ACL", "DELUSER", "adder")


def test_wait_asks_for_replicas(redis_server: RedisServer, stream: str) -> None:
    transport = RedisTransport.from_url(redis_server.url(stream=stream, wait=1))
    with pytest.raises(SegOpsTransportError, match="0 of 1 replicas"):
        transport.send(batch("a"), timeout=0.5)
    with pytest.raises(SegOpsTransportError, match="0 of 1 replicas"):
        transport.send(batch("a"), timeout=0.5)
    assert len(stored(redis_server, stream)) == 1, "the retry adds nothing"


def test_nobody_listens() -> None:
    with pytest.raises(SegOpsTransportError, match="refused"):
        RedisTransport.from_url(f"redis+stream://127.0.0.1:{refused_port()}").send(batch("a"), timeout=10)


def test_tls(tmp_path: Path, tls: TLS, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    tls.issue_to(chain, key)
    settings = {"tls-port": "0", "tls-cert-file": str(chain), "tls-key-file": str(key), "tls-auth-clients": "no"}
    with RedisServer(tmp_path, {**settings, "tls-ca-cert-file": str(tls.ca_file)}) as server:
        port = refused_port() + 1
        server.client.config_set("tls-port", port)
        url = f"rediss+stream://127.0.0.1:{port}"
        with pytest.raises(SegOpsTransportError, match=r"(?i)certificate"):
            RedisTransport.from_url(url).send(batch("a"), timeout=10)
        monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca_file))
        assert RedisTransport.from_url(url).send(batch("a"), timeout=10).status == 202
        assert len(stored(server, "segops")) == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis+stream://h/0?shard=8", "unknown option 'shard': did you mean 'shards'"),
        ("redis+stream://h/0?zzz=8", "unknown option 'zzz': use stream, shards, max_bytes, wait"),
        ("redis+stream://h/0?shards=8&shards=9", "'shards' twice"),
        ("redis+stream://h/0?shards=0", "shards must be a whole number from 1 to 1,024, got '0'"),
        ("redis+stream://h/0?shards=x", "shards must be a whole number"),
        ("redis+stream://h/0?max_bytes=1gib", "max_bytes must be a size such as 512mb or 1gb, got '1gib'"),
        ("redis+stream://h/0?max_bytes=0", "max_bytes must be a size"),
        ("redis+stream://h/0?wait=-1", "wait must be a whole number"),
        ("redis+stream://h/zero", "the database in the path of the URL must be"),
        ("redis+stream://h:port", "invalid port"),
        ("redis+stream://h:99999", "invalid port"),
        ("redis+stream:///0", "has no host"),
        ("redis+stream:", "has no host"),
        ("redis+stream://u:secret@/0", "has no host"),
        ("redis+stream://[::1", "unbalanced brackets"),
        ("redis+stream://h/0#s", "has a fragment"),
        ("redis+stream://h/0?stream=", "stream must be 1 to 64"),
        ("redis+stream://h/0?stream={a}", "stream must be 1 to 64"),
        ("redis+stream://h/0?stream=a b", "a space or a control character"),
    ],
)
def test_urls_that_are_refused(url: str, message: str) -> None:
    with pytest.raises(SegOpsConfigError) as caught:
        SegOpsClient(url)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_extra_is_named_if_it_is_missing() -> None:
    program = "import sys; sys.modules['redis'] = None\nimport segops\nsegops.SegOpsClient('redis+stream://h')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "pip install 'segops-sdk[redis]'" in done.stderr
