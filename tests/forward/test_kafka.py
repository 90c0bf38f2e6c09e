"""Kafka, as the mock cluster of librdkafka has it: no real broker takes part."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from segops import SegOpsClient, SegOpsConfigError
from segops.brokers.kafka import KafkaTransport
from segops.core import Transport
from segops.testing import TransportConformance
from tests.forward.test_kills import BATCH, ROUNDS, slow
from tests.rig.fault_server import Call, FaultServer, raw, respond
from tests.rig.forwarding import Oracle, Segops
from tests.rig.kafka_cluster import KafkaCluster
from tests.rig.ports import deaf_port
from tests.rig.producing import produce_from_children, produce_from_threads
from tests.rig.waiting import wait_until

LEASE = 3
"""The mock cluster lets the next forwarder wait for about as long, even if the last one has left the group."""


@pytest.fixture(scope="session")
def kafka() -> KafkaCluster:
    return KafkaCluster()


def events(kafka: KafkaCluster, topic: str) -> list[dict[str, Any]]:
    return [json.loads(value or b"{}") for value in kafka.values(topic)]


class TestKafkaTransport(TransportConformance):
    """A user has one partition; the tests look at the order within it."""

    @pytest.fixture
    def transport(self, kafka: KafkaCluster, stream: str) -> Iterator[KafkaTransport]:
        self.kafka, self.topic = kafka, stream
        transport = KafkaTransport.from_url(kafka.url(stream))
        yield transport
        transport.close()

    def delivered(self, transport: Transport) -> Sequence[Mapping[str, Any]]:  # noqa: ARG002 - as the base class
        found = events(self.kafka, self.topic)
        is_batch = len(found) == 500  # the kit numbers its users, which are spread over partitions
        return sorted(found, key=lambda event: int(event["user_id"][2:])) if is_batch else found

    def stalled(self) -> Transport:
        return KafkaTransport.from_url(f"kafka://127.0.0.1:{deaf_port()}/events")


def produce(url: str, oracle: Oracle, count: int) -> None:
    with SegOpsClient(url) as client:
        oracle.track(client, count)
        assert client.flush(60)


def test_threads_and_the_inline_worker_produce(kafka: KafkaCluster, stream: str) -> None:
    with SegOpsClient(kafka.url(stream)) as client, SegOpsClient(kafka.url(stream), worker="inline") as inline:
        produce_from_threads(client, inline, 200)
    found = events(kafka, stream)
    assert len(found) == 1400
    for user in ("inline", "thread-0", "thread-3"):
        numbers = [event["payload"]["n"] for event in found if event["user_id"] == user]
        assert numbers == list(range(len(numbers)))


def test_forked_children_produce(kafka: KafkaCluster, stream: str) -> None:
    produce_from_children(kafka.url(stream), children=3, each=20, later=0)
    assert len(events(kafka, stream)) == 61


def test_everything_is_forwarded_in_full_requests(kafka: KafkaCluster, stream: str, segops: Segops) -> None:
    with FaultServer() as server:
        oracle = Oracle(server)
        produce(kafka.url(stream), oracle, 8000)
        done = segops.run(
            "forward", kafka.url(stream), "--to", server.url, "--once", "--rate", "0", "--lease", str(LEASE)
        )
        assert (done.wait(), done.stderr) == (0, "")
        assert oracle.check(duplicates=0) == 0
        assert max(len(json.loads(request.body)["events"]) for request in server.journal) == BATCH
    status = json.loads(segops.run("forward", "status", kafka.url(stream)).stdout)
    assert (status["lag"], status["dead"]) == (0, 0)


@pytest.mark.timeout(200 + 2 * ROUNDS)
def test_nothing_is_lost_by_a_kill(kafka: KafkaCluster, stream: str, segops: Segops) -> None:
    randomness = random.Random(1)
    rounds = max(3, ROUNDS // 10)  # each takes seconds: the group waits for the session of the dead one to end
    with FaultServer(default=slow) as server, SegOpsClient(kafka.url(stream), batch_size=100) as client:
        oracle = Oracle(server)
        line = ["forward", kafka.url(stream), "--to", server.url, "--rate", "0", "--lease", str(LEASE)]
        oracle.track(client, 200)
        assert client.flush(60)
        running = [segops.start(*line) for _ in range(2)]
        for _ in range(rounds):
            oracle.track(client, 4000)
            assert client.flush(60)
            seen = len(server.journal)
            assert wait_until(lambda seen=seen: len(server.journal) > seen)  # type: ignore[misc]
            time.sleep(0.1 * randomness.random())
            running.pop(0).send(signal.SIGKILL)
            running.append(segops.start(*line))
        assert client.flush(60)
        oracle.wait()
        oracle.check(duplicates=rounds * BATCH)
        for forwarder in running:
            forwarder.send(signal.SIGTERM)
            assert (forwarder.wait(), forwarder.stderr) == (0, "")


def test_a_forwarder_that_stands_still_loses_its_partitions(kafka: KafkaCluster, stream: str, segops: Segops) -> None:
    line = ["forward", kafka.url(stream), "--rate", "0", "--lease", str(LEASE)]
    with FaultServer() as server:
        oracle = Oracle(server)
        produce(kafka.url(stream), oracle, 1000)
        first = segops.start(*line, "--to", server.url)
        oracle.wait()
        first.send(signal.SIGSTOP)
        produce(kafka.url(stream), oracle, 1000)
        second = segops.start(*line, "--to", server.url)
        oracle.wait()
        first.send(signal.SIGCONT)
        produce(kafka.url(stream), oracle, 1000)
        oracle.wait()
        oracle.check(duplicates=2 * BATCH)
        for forwarder in (first, second):
            forwarder.send(signal.SIGTERM)
            assert forwarder.wait() == 0


def test_a_retry_has_the_same_bytes_and_the_same_key(kafka: KafkaCluster, stream: str, segops: Segops) -> None:
    with FaultServer(respond(503), respond(500)) as server:
        oracle = Oracle(server)
        produce(kafka.url(stream), oracle, 400)
        done = segops.run(
            "forward", kafka.url(stream), "--to", server.url, "--once", "--rate", "0", "--lease", str(LEASE)
        )
        assert done.wait() == 0
        assert oracle.check(duplicates=2 * BATCH) > 0
        assert len(server.journal) == 2 + len({each.headers["idempotency-key"] for each in server.journal})


def test_a_request_without_a_result_is_repeated_as_it_was_by_the_next_forwarder(
    kafka: KafkaCluster, stream: str, segops: Segops
) -> None:
    line = ["forward", kafka.url(stream), "--rate", "0", "--lease", str(LEASE)]
    with FaultServer(respond(503, headers={"Retry-After": "60"})) as server:
        oracle = Oracle(server)
        produce(kafka.url(stream), oracle, 300)
        first = segops.start(*line, "--to", server.url)
        assert wait_until(lambda: server.journal)
        first.send(signal.SIGTERM)
        assert first.wait() == 0
        produce(kafka.url(stream), oracle, 300)
        second = segops.start(*line, "--to", server.url)
        oracle.wait()
        assert oracle.check(duplicates=BATCH) > 0
        second.send(signal.SIGTERM)
        assert second.wait() == 0


def poisoned(call: Call) -> None:
    request = call.read()
    is_bad = b'"poison"' in request.body
    call.peer.send(raw(400 if is_bad else 202, b"{}"))
    if is_bad:
        call.server.journal.remove(request)


def test_dead_letters_are_listed_replayed_and_purged(kafka: KafkaCluster, stream: str, segops: Segops) -> None:
    url = kafka.url(stream)
    with FaultServer(default=poisoned) as server:
        oracle = Oracle(server)
        produce(url, oracle, 100)
        with SegOpsClient(url) as client:
            client.track(user_id="a", event_type="poison")
        kafka.add(stream, b"no json")
        kafka.add(stream, None)
        done = segops.run("forward", url, "--to", server.url, "--once", "--rate", "0", "--lease", str(LEASE))
        assert (done.wait(), "3 event(s) are in the dead letters" in done.stderr) == (1, True), done.stderr
        oracle.check(duplicates=0)
    letters = json.loads(segops.run("forward", "dead", "list", url).stdout)
    assert sorted(letter["reason"] for letter in letters) == ["rejected", "unreadable", "unreadable"]
    assert json.loads(segops.run("forward", "dead", "replay", url).stdout) == {"replayed": 3}
    assert json.loads(segops.run("forward", "dead", "list", url).stdout) == []
    with FaultServer() as server:
        assert (
            segops.run("forward", url, "--to", server.url, "--once", "--rate", "0", "--lease", str(LEASE)).wait() == 1
        )
        assert [event["event_type"] for event in Oracle(server).events()] == ["poison"]
    assert json.loads(segops.run("forward", "dead", "purge", url, "--yes").stdout) == {"deleted": 2}


def test_a_later_format_waits_for_a_later_version(kafka: KafkaCluster, stream: str, segops: Segops) -> None:
    kafka.add(stream, b"\x01packed", v="2")
    with FaultServer() as server:
        forwarder = segops.start("forward", kafka.url(stream), "--to", server.url)
        assert wait_until(lambda: "has format 2" in forwarder.stderr)
        forwarder.send(signal.SIGTERM)
        assert forwarder.wait() == 0
    assert json.loads(segops.run("forward", "status", kafka.url(stream)).stdout)["lag"] == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("kafka://h/t?ack=all", "unknown option 'ack': did you mean 'acks'"),
        ("kafka://h/t?acks=0", "acks must be one of all, 1, got '0'"),
        ("kafka://h/", "the topic in the path of the URL must be"),
        ("kafka://h/a/b", "the topic in the path of the URL must be"),
        ("kafka:///t", "has no host"),
        ("kafka://u:secret@h/t?group=a+b", "group must be"),
    ],
)
def test_urls_that_are_refused(url: str, message: str) -> None:
    with pytest.raises(SegOpsConfigError) as caught:
        SegOpsClient(url)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_credentials_are_not_shown() -> None:
    transport = KafkaTransport.from_url("kafka://user:s3cret@h:9093/t?tls=1&sasl=SCRAM-SHA-512")
    assert "s3cret" not in f"{transport!r}{transport.url}{transport._topic!r}"
    settings = transport._topic.settings()
    assert settings["security.protocol"] == "SASL_SSL"
    assert (settings["sasl.mechanism"], settings["sasl.username"]) == ("SCRAM-SHA-512", "user")


def test_what_kafka_has_no_use_for(kafka: KafkaCluster, stream: str, segops: Segops) -> None:
    done = segops.run("forward", kafka.url(stream), "--shards", "0")
    assert (done.wait(), "--shards has no effect on Kafka" in done.stderr) == (2, True), done.stderr


def test_the_extra_is_named_if_it_is_missing() -> None:
    program = "import sys; sys.modules['confluent_kafka'] = None\nimport segops\nsegops.SegOpsClient('kafka://h/t')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "pip install 'segops-sdk[kafka]'" in done.stderr
