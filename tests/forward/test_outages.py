"""Redis restarts, stands still or is full while events are produced and forwarded."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

from segops import SegOpsClient
from tests.rig.fault_server import Call, FaultServer, raw
from tests.rig.forwarding import Oracle, Segops
from tests.rig.redis_server import RedisServer, needs_redis
from tests.rig.waiting import wait_until

pytestmark = needs_redis

LEASE = 3
BATCH = 500


def test_redis_is_killed_and_started_again(tmp_path: Path, segops: Segops) -> None:
    with RedisServer(tmp_path) as redis, FaultServer() as server, SegOpsClient(redis.url(shards=4)) as client:
        oracle = Oracle(server)
        oracle.track(client, 1000)
        assert client.flush(60)
        line = ["forward", redis.url(shards=4), "--to", server.url, "--rate", "0", "--lease", str(LEASE)]
        forwarders = [segops.start(*line) for _ in range(2)]
        assert wait_until(lambda: redis.client.zcard("{segops}:forwarders") == 2)
        for _ in range(4):
            oracle.track(client, 1000)
            redis.kill()
            oracle.track(client, 1000)
            time.sleep(0.2)
            redis.start()
            assert client.flush(60)
        oracle.wait()
        oracle.check(duplicates=8 * BATCH)
        for forwarder in forwarders:
            forwarder.send(signal.SIGTERM)
            assert forwarder.wait() == 0


def test_redis_stands_still(tmp_path: Path, segops: Segops) -> None:
    """For longer than anybody waits for it: all leases end meanwhile."""
    url_of = {"shards": 4}
    with RedisServer(tmp_path) as redis, FaultServer() as server:
        oracle = Oracle(server)
        with SegOpsClient(redis.url(**url_of), timeout=1) as client:
            oracle.track(client, 1000)
            assert client.flush(60)
            line = ["forward", redis.url(**url_of), "--to", server.url, "--rate", "0", "--lease", str(LEASE)]
            forwarders = [segops.start(*line) for _ in range(2)]
            assert wait_until(lambda: redis.client.zcard("{segops}:forwarders") == 2)
            redis.pause()
            oracle.track(client, 1000)
            assert not client.flush(6)
            redis.resume()
            assert client.flush(60)
            oracle.wait()
        oracle.check(duplicates=2 * BATCH)
        for forwarder in forwarders:
            forwarder.send(signal.SIGTERM)
            assert forwarder.wait() == 0
        assert "did not respond within" in "".join(forwarder.stderr for forwarder in forwarders)


def test_a_full_redis_is_drained(tmp_path: Path, segops: Segops) -> None:
    """Producers are refused, and a forwarder that starts only then still gets its leases."""
    with RedisServer(tmp_path) as redis, FaultServer() as server:
        oracle = Oracle(server)
        url = redis.url(shards=4)
        with SegOpsClient(url) as client:
            oracle.track(client, 20_000)
            assert client.flush(60)
            redis.client.config_set("maxmemory", str(int(redis.client.info()["used_memory"]) - 500_000))
            oracle.track(client, 500)
            assert not client.flush(1)
            forwarder = segops.start("forward", url, "--to", server.url, "--rate", "0")
            assert wait_until(lambda: len(oracle.events()) >= 20_000), "what nothing can be added to is drained"
            assert client.flush(60), "and then there is room"
            oracle.wait()
        oracle.check(duplicates=0)
        forwarder.send(signal.SIGTERM)
        assert forwarder.wait() == 0
        assert forwarder.stderr == ""


def test_a_forwarder_that_cannot_acknowledge_does_so_later(tmp_path: Path, segops: Segops) -> None:
    """Redis is away when the response comes: what was sent is not sent again."""
    is_away = threading.Event()

    def late(call: Call) -> None:
        call.read()
        is_away.wait(60)
        call.peer.send(raw())

    with RedisServer(tmp_path) as redis, FaultServer(default=late) as server:
        oracle = Oracle(server)
        url = redis.url(shards=1)
        with SegOpsClient(url) as client:
            oracle.track(client, 400)
        forwarder = segops.start("forward", url, "--to", server.url, "--rate", "0", "--lease", "60")
        assert wait_until(lambda: server.journal)
        redis.kill()
        is_away.set()
        assert wait_until(lambda: "refused" in forwarder.stderr)
        redis.start()
        assert wait_until(lambda: redis.client.xlen("{segops:0}:entries") == 0)
        oracle.check(duplicates=0)
        forwarder.send(signal.SIGTERM)
        assert forwarder.wait() == 0
