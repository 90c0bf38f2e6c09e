"""A Kafka in this process: the mock cluster of librdkafka, which other processes can reach, too."""

from __future__ import annotations

import itertools
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.rig.waiting import wait_until


class KafkaCluster:
    """Runs until it is closed.

    Attributes:
        servers: The brokers, separated by commas.
    """

    def __init__(self) -> None:
        self._producer: Any = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 3, "log_level": 0})
        brokers = self._producer.list_topics(timeout=60).brokers.values()
        self.servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        self._numbers = itertools.count()

    def url(self, topic: str, **options: object) -> str:
        """Return the URL of a topic."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"kafka://{self.servers}/{topic}" + (f"?{query}" if query else "")

    def add(self, topic: str, value: bytes | None, **headers: str) -> None:
        """Add a message to the first partition."""
        self._producer.produce(topic, value, b"u", 0, headers=[*headers.items()])
        assert self._producer.flush(60) == 0

    def values(self, topic: str) -> list[bytes | None]:
        """Return what a topic holds, partition by partition."""
        consumer: Any = Consumer(
            {"bootstrap.servers": self.servers, "group.id": f"reader-{next(self._numbers)}", "log_level": 0}
        )
        found: list[bytes | None] = []
        for number in sorted(consumer.list_topics(topic, timeout=60).topics[topic].partitions):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=60)
            consumer.assign([TopicPartition(topic, number, low)])
            read: list[bytes | None] = []

            def reads(read: list[bytes | None] = read, wanted: int = high - low) -> bool:
                message = consumer.poll(0.1) if len(read) < wanted else None
                read.extend([] if message is None or message.error() else [message.value()])
                return len(read) >= wanted

            assert wait_until(reads)
            found += read
        consumer.close()
        return found
