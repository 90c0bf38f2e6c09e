"""What docs/scale-out.md tells people to run, run against a real Redis."""

from __future__ import annotations

import re
from pathlib import Path

from segops import SegOpsClient
from tests.rig.fault_server import Call, FaultServer, raw
from tests.rig.forwarding import Oracle, Segops
from tests.rig.redis_server import RedisServer, needs_redis
from tests.rig.waiting import wait_until

pytestmark = needs_redis

PAGE = (Path(__file__).parents[2] / "docs" / "scale-out.md").read_text("utf-8")
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
RULES = re.findall(r"^ACL SETUSER (\w+) on >password (.*)$", PAGE, re.MULTILINE)


def test_the_commands_work(tmp_path: Path, segops: Segops) -> None:
    with RedisServer(tmp_path) as redis, FaultServer() as server:
        oracle = Oracle(server)
        with SegOpsClient(redis.url()) as client:
            oracle.track(client, 100)
        lines = [line.replace("127.0.0.1:6379", f"127.0.0.1:{redis.port}").split() for line in COMMANDS]
        forward, *others = [line[1:] for line in lines if line[0] == "segops"]
        forwarder = segops.start(*forward, "--to", server.url)
        oracle.wait()
        assert len(others) == 4
        for arguments in others:
            done = segops.run(*arguments)
            assert done.wait() == 0, done.stderr
        assert wait_until(lambda: '"lag"' in forwarder.stdout)


def test_the_permissions_are_enough(tmp_path: Path, segops: Segops) -> None:
    """And no forwarder is refused anything in the middle of its work."""
    with RedisServer(tmp_path) as redis, FaultServer(default=_poisoned) as server:
        for name, rules in RULES:
            redis.client.execute_command("ACL", "SETUSER", name, "on", ">password", *rules.split())
        urls = {name: redis.url(shards=2).replace("//", f"//{name}:password@") for name, _ in RULES}
        with SegOpsClient(urls["producer"]) as client:
            Oracle(server).track(client, 50)
            client.track(user_id="a", event_type="poison")
            assert client.flush(60)
        with SegOpsClient(f"{urls['producer']}&wait=1", timeout=0.5) as client:
            client.track(user_id="a", event_type="t")
            assert not client.flush(1)
            assert "0 of 1 replicas" in str(client.stats().last_error)
        done = segops.run("forward", urls["forwarder"], "--to", server.url, "--once", "--rate", "6000")
        assert (done.wait(), "1 event(s) are in the dead letters" in done.stderr) == (1, True), done.stderr
        assert "permission" not in done.stderr
        for action in ("status", "dead list", "dead replay", "dead purge"):
            more = ["--yes"] if action == "dead purge" else []
            done = segops.run("forward", *action.split(), urls["forwarder"], *more)
            assert done.wait() == 0, done.stderr


def _poisoned(call: Call) -> None:
    """Ask to wait once, then reject a certain event."""
    body = call.read().body
    is_first = len(call.server.journal) == 1
    call.peer.send(raw(429 if is_first else 400 if b"poison" in body else 202, headers={"Retry-After": "1"}))
