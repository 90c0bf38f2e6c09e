"""The request that the next forwarder repeats is the same, however slowly its messages arrive."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, TopicPartition

from segops import Limits
from segops.brokers.kafka.cluster import Topic
from segops.brokers.kafka.source import KafkaShard, KafkaSource
from segops.brokers.shards import Entry, Lane, SourceOptions
from tests.rig.ports import refused_port


@pytest.mark.parametrize("arrived", range(6))
def test_nothing_is_cut_before_the_end_of_the_last_request_has_arrived(arrived: int) -> None:
    topic = Topic.from_url(f"kafka://127.0.0.1:{refused_port()}/events")
    consumer = Consumer(topic.settings(group_id=topic.group))
    shard = KafkaShard(KafkaSource(topic, SourceOptions()), consumer, TopicPartition("events", 0, 10, "14 1 0"))
    entries = [Entry(str(offset), (b"{}",), 2) for offset in range(10, 20)]
    lane = Lane(shard)
    shard.buffer.extend(entries[:arrived])
    lane.load(500)
    early = lane.make_cut(Limits(), "events")
    shard.buffer.extend(entries[arrived:])
    lane.load(500)
    cut = early or lane.make_cut(Limits(), "events")
    assert cut is not None
    assert (cut.start, cut.ends[-1]) == (("10", 0), ("14", 1))
    consumer.close()
