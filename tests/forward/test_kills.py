"""Forwarders are killed at random moments while events come in: none is lost, and each user's stay in order."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from segops import SegOpsClient
from tests.rig.fault_server import Call, FaultServer, raw
from tests.rig.forwarding import Oracle, Segops
from tests.rig.redis_server import RedisServer
from tests.rig.waiting import wait_until

ROUNDS = int(os.environ.get("SEGOPS_KILL_ROUNDS", "50"))
BATCH = 500
LEASE = 3


def arguments(url: str, server: FaultServer) -> list[str]:
    return ["forward", url, "--to", server.url, "--rate", "0", "--lease", str(LEASE)]


def slow(call: Call) -> None:
    """Respond after a moment, so that kills hit requests under way."""
    call.read()
    time.sleep(0.02)
    call.peer.send(raw())


@pytest.mark.timeout(200 + 2 * ROUNDS)
def test_nothing_is_lost_by_a_kill(redis_server: RedisServer, stream: str, tmp_path: Path) -> None:
    """Three forwarders run at any time."""
    url = redis_server.url(stream=stream, shards=8)
    randomness = random.Random(1)
    with (
        FaultServer(default=slow) as server,
        Segops(tmp_path) as segops,
        SegOpsClient(url, batch_size=100) as client,
    ):
        oracle = Oracle(server)
        line = arguments(url, server)
        running = [segops.start(*line) for _ in range(3)]
        for _ in range(ROUNDS):
            oracle.track(client, 200)
            time.sleep(randomness.random() * 0.2)
            killed = running.pop(0)
            killed.send(signal.SIGKILL)
            assert killed.stderr == ""
            running.append(segops.start(*line))
        assert client.flush(60)
        oracle.wait()
        assert oracle.check(duplicates=ROUNDS * BATCH) > 0, "some kills hit a request"
        assert wait_until(lambda: entries_left(redis_server, stream) == 0), "what has arrived is acknowledged"
        assert dead_letters(redis_server, stream) == 0
        assert [each.stderr for each in running] == [""] * 3


def test_a_forwarder_that_stands_still_loses_its_shards(redis_server: RedisServer, stream: str, tmp_path: Path) -> None:
    url = redis_server.url(stream=stream, shards=4)
    with (
        FaultServer() as server,
        Segops(tmp_path) as segops,
        SegOpsClient(url) as client,
    ):
        oracle = Oracle(server)
        first = segops.start(*arguments(url, server))
        oracle.track(client, 2000)
        assert client.flush(60)
        oracle.wait()
        first.send(signal.SIGSTOP)
        oracle.track(client, 2000)
        assert client.flush(60)
        segops.start(*arguments(url, server))
        oracle.wait()
        first.send(signal.SIGCONT)
        oracle.track(client, 2000)
        assert client.flush(60)
        oracle.wait()
        oracle.check(duplicates=BATCH)


def entries_left(server: RedisServer, stream: str) -> int:
    return sum(server.client.xlen(key) for key in server.client.keys(f"{{{stream}:*}}:entries"))


def dead_letters(server: RedisServer, stream: str) -> int:
    return sum(server.client.xlen(key) for key in server.client.keys(f"{{{stream}:*}}:dead"))
