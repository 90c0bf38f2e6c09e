"""Kafka: the transport that adds events to a topic, and the source that `segops forward` reads."""

from segops.brokers.kafka.cluster import Topic
from segops.brokers.kafka.source import KafkaSource
from segops.brokers.kafka.transport import KafkaTransport

__all__ = ["KafkaSource", "KafkaTransport", "Topic"]
