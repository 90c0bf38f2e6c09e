"""The producing side: add events to a topic, one message each, with the user as the key."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from segops.brokers.kafka.cluster import Topic, translated
from segops.brokers.requests import BrokerTransport, UnavailableError
from segops.brokers.shards import FORMAT
from segops.core import SegOpsTimeoutError
from segops.utils import monotonic


class KafkaTransport(BrokerTransport):
    """Adds events to a topic in Kafka, from which `segops forward` sends them to SegOps.

    Source: docs/scale-out.md.
    """

    def __init__(self, topic: Topic) -> None:
        self.url = topic.url
        self._topic = topic
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._made_in = 0
        self._added: tuple[str, set[int]] = ("", set())

    @classmethod
    def from_url(cls, url: str) -> KafkaTransport:
        """Return the transport for a URL.

        Raises:
            SegOpsConfigError: Something in it is unknown or invalid.
        """
        return cls(Topic.from_url(url))

    def add(self, events: Sequence[tuple[bytes, bytes]], key: str, timeout: float) -> None:
        """Add events. If not all are confirmed in time, some may have been added."""
        deadline = monotonic() + timeout
        if self._made_in != os.getpid():  # a forked child: librdkafka's threads stayed with the parent
            self._lock, self._producer, self._made_in = threading.Lock(), None, os.getpid()
        if not self._lock.acquire(timeout=timeout):
            raise SegOpsTimeoutError(f"{self.url} did not respond within {timeout:g} s")
        try:
            self._add(events, key, deadline)
        except BufferError as error:
            raise UnavailableError(f"{self.url}: {error}") from error
        except KafkaException as error:
            raise translated(error, self._topic) from error
        finally:
            self._lock.release()

    def _add(self, events: Sequence[tuple[bytes, bytes]], key: str, deadline: float) -> None:
        """Add what was not added when the same batch was sent before."""
        if self._added[0] != key:
            self._added = (key, set())
        added = self._added[1]
        errors: list[KafkaError] = []
        producer = self._producer = self._producer or self._connect()
        for index, (user, event) in enumerate(events):
            if index not in added:
                headers: list[tuple[str, str | bytes | None]] = [("v", str(FORMAT)), ("k", key)]
                note = _noting(index, added, errors)
                producer.produce(self._topic.name, event, user, headers=headers, on_delivery=note)
        left = producer.flush(max(0.0, deadline - monotonic()))
        if left:
            self._producer = None  # what it still has must not be added after a later attempt
            producer.purge()
            raise SegOpsTimeoutError(f"{self.url} did not confirm {left} of {len(events)} events in time")
        if errors:
            raise translated(errors[0], self._topic)

    def _connect(self) -> Producer:
        return Producer(self._topic.settings(enable_idempotence=self._topic.acks == "all", acks=self._topic.acks))

    def close(self) -> None:
        """Close the connections; a later `send` opens others."""
        self._producer = None


def _noting(index: int, added: set[int], errors: list[KafkaError]) -> Callable[[KafkaError | None, Message], None]:
    def note(error: KafkaError | None, _message: Message) -> None:
        """Note what became of an event. No call may go back into the producer from here."""
        if error is None:
            added.add(index)
        else:
            errors.append(error)

    return note
