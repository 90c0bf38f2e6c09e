"""`segops dev --watch` shows what waits in a broker."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from segops import SegOpsClient
from segops.devserver.server import DevServer
from segops.emulator import LocalSegOps
from segops.forward import StreamWatch
from tests.devserver.browser import Browser
from tests.devserver.dev_rig import ask
from tests.rig.ports import refused_port
from tests.rig.programs import DevProcess
from tests.rig.redis_server import RedisServer, needs_redis

pytestmark = needs_redis


def produce(url: str) -> None:
    with SegOpsClient(url) as client:
        for number in range(30):
            client.track(user_id=f"u-{number}", event_type="t")
        assert client.flush(60)


def test_it_tells_what_waits_and_what_is_dead(tmp_path: Path, environment: dict[str, str]) -> None:
    with RedisServer(tmp_path) as redis:
        produce(redis.url(shards=2))
        redis.client.xadd("{segops:1}:dead", {"v": "1", "n": "1", "b": "{}", "reason": "rejected", "why": "400"})
        with DevProcess(environment, "--watch", redis.url(shards=2)) as process:
            assert f"broker          redis+stream://127.0.0.1:{redis.port}/0?stream=segops" in process.said
            status, seen = ask(process.url, "/_dev/broker")
            assert (status, seen["lag"], seen["dead"], seen["forwarders"]) == (200, 30, 1, 0)
            assert [shard["dead"] for shard in seen["shards"]] == [0, 1]
            redis.kill()
            status, seen = ask(process.url, "/_dev/broker")
            assert (status, [*seen]) == (200, ["error"])
            assert "redis+stream://127.0.0.1" in seen["error"]


def test_without_it_there_is_no_broker(url: str) -> None:
    status, seen = ask(url, "/_dev/broker")
    assert (status, "--watch URL" in seen["detail"]) == (404, True)


@pytest.mark.parametrize(
    ("watched", "message"),
    [
        ("redis+stream://127.0.0.1:{closed}/0", "refused"),
        ("redis+stream://h?shard=1", "did you mean 'shards'"),
        ("https://api.segops.ai", "URL must be that of a broker"),
    ],
)
def test_a_broker_that_cannot_be_watched(
    run: Callable[..., subprocess.CompletedProcess[str]], watched: str, message: str
) -> None:
    done = run("--port", "0", "--watch", watched.format(closed=refused_port()))
    assert done.returncode != 0
    assert message in done.stderr


def test_the_page_shows_it(tmp_path: Path, browser: Browser, local: LocalSegOps) -> None:
    with RedisServer(tmp_path) as redis:
        produce(redis.url(shards=2))
        watch = StreamWatch(redis.url(shards=2))
        with DevServer(local, watch=watch) as server, browser.open(f"{server.info.url}/#broker") as page:
            page.wait("document.querySelector('#tab-broker') !== null")
            page.run("document.querySelector('#tab-broker').click()")
            text = "document.querySelector('#panel-broker').innerText"
            page.wait(f"{text}.includes('30\\nwaiting events')")
            redis.client.flushdb()
            page.wait(f"{text}.includes('0\\nwaiting events')")
            assert page.complaints() == []
