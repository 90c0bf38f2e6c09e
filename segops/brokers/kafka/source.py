"""The consuming side: the partitions that the group gives this process, and the dead letters.

What a shard remembers is in the metadata of the committed offset. Kafka refuses the commit of a consumer that lost the
partition, so that a commit is also the check of the lease.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from segops.brokers.kafka.cluster import TIMEOUT, Topic, translated
from segops.brokers.shards import (
    FORMAT,
    Buried,
    Cut,
    DeadLetter,
    Entry,
    Record,
    Settled,
    Shard,
    ShardStatus,
    Source,
    SourceOptions,
)
from segops.core import BATCH_PATH, Batch, SegOpsConfigError, SegOpsTransportError
from segops.utils import monotonic

_BUFFERED = 2000
"""Messages of a partition that are held here at most, besides those of one request."""

_READ = 500

_LOST = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._ASSIGNMENT_LOST,  # noqa: SLF001 - a constant of the library
    KafkaError._STATE,  # noqa: SLF001 - a constant of the library
}


class KafkaSource(Source):
    """Reads a topic in Kafka.

    Args:
        topic: The topic.
        options: How to read it.

    Raises:
        SegOpsConfigError: Shards were chosen, which Kafka assigns by itself.
    """

    def __init__(self, topic: Topic, options: SourceOptions) -> None:
        if options.only is not None:
            raise SegOpsConfigError("--shards has no effect on Kafka, which assigns the partitions: leave it out")
        self.url = topic.url
        self.stream = topic.name
        self.topic = topic
        self._session = max(1000, round(options.lease * 1000))
        self._interval = 60 / options.rate if options.rate else 0.0
        self._next_at = 0.0
        self._shards: dict[int, KafkaShard] = {}
        self._letters: dict[tuple[str, str], Message] = {}
        self._consumer: Consumer | None = None
        self._observer: Consumer | None = None
        self._producer: Producer | None = None
        self._failed: KafkaException | None = None

    def check(self) -> None:
        """Raise SegOpsConfigError unless the topic exists."""
        self._partitions(self.topic.name)

    def _partitions(self, name: str) -> Sequence[int]:
        found = self.call(lambda: self._looking().list_topics(name, timeout=TIMEOUT)).topics[name]
        if found.error is not None:
            raise SegOpsConfigError(f"{self.url}: topic {name!r}: {found.error.str()}: create it, or check its name")
        return sorted(found.partitions)

    def call(self, action: Callable[[], Any]) -> Any:
        """Do something with Kafka; raise an error of SegOps if that fails."""
        try:
            return action()
        except (KafkaException, RuntimeError) as error:
            if isinstance(error, KafkaException):
                raise translated(error, self.topic) from error
            raise SegOpsTransportError(f"{self.url}: {error}") from error

    def _looking(self) -> Consumer:
        """Return a consumer that belongs to no group and takes nothing from one."""
        if self._observer is None:
            self._observer = Consumer(self.topic.settings(group_id=self.topic.group, enable_auto_commit=False))
        return self._observer

    def tend(self, is_idle: Callable[[str], bool]) -> Sequence[Shard]:  # noqa: ARG002 - Kafka balances by itself
        """Stay in the group, and take in what came for the partitions of this process."""
        consumer = self._joined()
        for _ in range(_BUFFERED):
            message = self.call(lambda: consumer.poll(0))
            if message is None:
                break
            problem, shard = message.error(), self._shards.get(message.partition() or 0)
            if problem is not None and not problem.retriable():
                raise translated(problem, self.topic)
            if problem is None and shard is not None:
                shard.buffer.append(_entry(message))
        self.call(lambda: self._resume(consumer))
        if self._failed is not None:  # join again, to be told where to begin
            error, self._failed = self._failed, None
            self._shards.clear()
            self._consumer = None
            self.call(consumer.close)
            raise translated(error, self.topic)
        for shard in self._shards.values():
            shard.throttle(consumer)
        return [*self._shards.values()]

    def _joined(self) -> Consumer:
        if self._consumer is None:
            settings = self.topic.settings(
                group_id=self.topic.group,
                enable_auto_commit=False,
                enable_auto_offset_store=False,
                session_timeout_ms=self._session,
                heartbeat_interval_ms=self._session // 3,
                auto_offset_reset="earliest",
                queued_max_messages_kbytes=16384,
            )
            self._consumer = Consumer(settings)
            self._consumer.subscribe([self.topic.name], on_assign=self._assign, on_revoke=self._revoke)
        return self._consumer

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            for place in consumer.committed(partitions, timeout=TIMEOUT):
                self._shards[place.partition] = KafkaShard(self, consumer, place)
        except KafkaException as error:
            self._failed = error
        places = [shard.start for shard in self._shards.values()]
        consumer.assign(places)
        consumer.resume(places)

    def _resume(self, consumer: Consumer) -> None:
        """Go on with partitions whose commit was refused, as in a rebalance, if they stayed with this process."""
        lost = [place for place in consumer.assignment() if place.partition not in self._shards]
        for place in consumer.committed(lost, timeout=TIMEOUT) if lost else ():
            shard = KafkaShard(self, consumer, place)
            consumer.seek(shard.start)
            consumer.resume([shard.start])  # the shard before it may have paused it
            self._shards[place.partition] = shard

    def _revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for place in partitions:
            self._shards.pop(place.partition, None)

    def lose(self, partition: int) -> None:
        """Forget a partition that another forwarder has."""
        self._shards.pop(partition, None)

    def delay(self) -> float:
        """Take one request from the rate of this process: Kafka has no place for one that all share."""
        now = monotonic()
        if now < self._next_at:
            return self._next_at - now
        self._next_at = max(self._next_at, now - 1.0) + self._interval
        return 0.0

    def hold_off(self, seconds: float) -> None:
        """Do nothing: the others find out by themselves."""

    def waits(self) -> int:
        """Return 0: nobody counts them."""
        return 0

    def status(self) -> Sequence[ShardStatus]:
        """Return how many messages wait in each partition. Kafka does not tell their bytes and age as cheaply."""
        dead = self._waiting(self._dead, f"{self.topic.group}.dead") if self._has_dead() else {}
        return [
            ShardStatus(
                str(number), end - start, 0, None, None, _count(dead.get(number)), str(start) if end > start else None
            )
            for number, (start, end) in self._waiting(self.topic.name, self.topic.group).items()
        ]

    def last_ids(self) -> Mapping[str, str]:
        """Return the last offset of each partition that has messages."""
        waiting = self._waiting(self.topic.name, self.topic.group)
        return {str(number): str(end - 1) for number, (start, end) in waiting.items() if end > start}

    def is_after(self, entry_id: str, other: str) -> bool:
        """Compare two offsets."""
        return int(entry_id) > int(other)

    @property
    def _dead(self) -> str:
        return f"{self.topic.name}.dead"

    def _has_dead(self) -> bool:
        topics = self.call(lambda: self._looking().list_topics(timeout=TIMEOUT)).topics
        return self._dead in topics

    def _waiting(self, name: str, group: str) -> dict[int, tuple[int, int]]:
        """Return the first offset that is not settled, and the end, of each partition."""
        places = [TopicPartition(name, number) for number in self._partitions(name)]
        consumer = Consumer(self.topic.settings(group_id=group, enable_auto_commit=False))
        try:
            found = {}
            for place in self.call(lambda: consumer.committed(places, timeout=TIMEOUT)):
                low, high = self.call(partial(consumer.get_watermark_offsets, place, timeout=TIMEOUT))
                found[place.partition] = (max(low, place.offset), high)
            return found
        finally:
            consumer.close()

    def dead_letters(self) -> Iterator[DeadLetter]:
        """Yield the dead letters that were neither replayed nor purged."""
        if not self._has_dead():
            return
        for number, (start, end) in self._waiting(self._dead, f"{self.topic.group}.dead").items():
            for message in self._read_dead(number, start, end):
                headers = _headers(message)
                letter = DeadLetter(
                    headers.get("shard", b"").decode("utf-8", "replace"),
                    f"{number}-{message.offset()}",
                    1,
                    headers.get("reason", b"").decode("utf-8", "replace"),
                    headers.get("why", b"").decode("utf-8", "replace"),
                    message.timestamp()[1] / 1000,
                )
                self._letters[letter.shard, letter.id] = message
                yield letter

    def _read_dead(self, number: int, start: int, end: int) -> Iterator[Message]:
        consumer = Consumer(self.topic.settings(group_id=f"{self.topic.group}.dead", enable_auto_commit=False))
        try:
            consumer.assign([TopicPartition(self._dead, number, start)])
            while start < end:
                message = self.call(lambda: consumer.poll(TIMEOUT))
                if message is None:
                    raise SegOpsTransportError(f"{self.url}: dead letters could not be read in {TIMEOUT:g} s")
                if message.error() is None:
                    start = (message.offset() or 0) + 1
                    yield message
        finally:
            consumer.close()

    def replay(self, letter: DeadLetter) -> bool:
        """Add a dead letter to the topic again."""
        message = self._letters.get((letter.shard, letter.id))
        if message is None:
            return False
        self.produce(self.topic.name, message.value(), message.key(), {"v": str(FORMAT)})
        return self.purge(letter)

    def purge(self, letter: DeadLetter) -> bool:
        """Note that a dead letter, and those before it, are done."""
        number, _, offset = letter.id.partition("-")
        place = TopicPartition(self._dead, int(number), int(offset) + 1)
        consumer = Consumer(self.topic.settings(group_id=f"{self.topic.group}.dead", enable_auto_commit=False))
        try:
            self.call(lambda: consumer.commit(offsets=[place], asynchronous=False))
        finally:
            consumer.close()
        return True

    def bury(self, event: bytes | None, key: bytes | None, shard: str, buried: Buried) -> None:
        """Add an event to the dead letters."""
        self.produce(self._dead, event, key, {"shard": shard, "reason": buried.reason, "why": buried.why})

    def produce(self, name: str, value: bytes | None, key: bytes | None, headers: Mapping[str, str]) -> None:
        """Add a message, and wait until Kafka has it."""
        errors: list[KafkaError] = []
        if self._producer is None:
            self._producer = Producer(self.topic.settings(enable_idempotence=True))
        producer = self._producer

        def note(error: KafkaError | None, _message: Message) -> None:
            errors.extend([] if error is None else [error])

        self.call(lambda: producer.produce(name, value, key, headers=[*headers.items()], on_delivery=note))
        if producer.flush(TIMEOUT):
            raise SegOpsTransportError(f"{self.url}: {name!r} took no message in {TIMEOUT:g} s")
        if errors:
            raise translated(errors[0], self.topic)

    def close(self) -> None:
        """Leave the group, so that others get the partitions at once."""
        for consumer in (self._consumer, self._observer):
            if consumer is not None:
                self.call(consumer.close)
        self._consumer = self._observer = self._producer = None


class KafkaShard(Shard):
    """A partition that the group gave to this process.

    Attributes:
        buffer: Messages that were received and not read yet.
        start: Where to begin.
    """

    def __init__(self, source: KafkaSource, consumer: Consumer, committed: TopicPartition) -> None:
        self.number = committed.partition
        self.name = str(self.number)
        self.buffer: deque[Entry] = deque()
        first = committed.offset if committed.offset >= 0 else OFFSET_BEGINNING
        self.start = TopicPartition(committed.topic, committed.partition, first)
        self.record = _record(committed.metadata or "")
        self._awaited = -1 if self.record.end is None else int(self.record.end[0])
        self._source = source
        self._consumer = consumer
        self._begun = first
        self._sent: tuple[str, int] | None = None
        self._is_paused = False

    def throttle(self, consumer: Consumer) -> None:
        """Have no more sent than is needed."""
        place = [TopicPartition(self._source.topic.name, self.number)]
        if len(self.buffer) > _BUFFERED and not self._is_paused:
            consumer.pause(place)
            self._is_paused = True
        elif len(self.buffer) < _READ and self._is_paused:
            consumer.resume(place)
            self._is_paused = False

    def read(self, after: str | None) -> Sequence[Entry]:  # noqa: ARG002 - each is handed out once
        """Return the next messages; none before all have arrived that the request to repeat consists of."""
        if self.buffer and int(self.buffer[-1].id) >= self._awaited:
            self._awaited = -1
        if self._awaited >= 0:
            return []
        return [self.buffer.popleft() for _ in range(min(_READ, len(self.buffer)))]

    def begin(self, cut: Cut) -> bool:
        """Write the end of the cut into the metadata of its start."""
        last = cut.ends[-1]
        crashes = self.record.crashes if last == self.record.end else 0
        self._begun, self._sent = int(cut.start[0]), (last[0], crashes)
        return self._commit(self._begun, _metadata(*self._sent, is_sending=True))

    def pause(self) -> None:
        """Note that the request failed in an orderly way. Its end stays: SegOps may have accepted it."""
        if self._sent is not None:
            self._commit(self._begun, _metadata(*self._sent, is_sending=False))

    def settle(self, cut: Cut, settled: Settled) -> bool:
        """Commit the offset after the cut; first add what SegOps rejected to the dead letters."""
        if settled.buried is not None:
            for event in Batch(cut.body, len(cut.ends), 0, BATCH_PATH, None).events:
                self._source.bury(event, None, self.name, settled.buried)
        return self._commit(int(cut.ends[-1][0]) + 1, "")

    def bury(self, entry: Entry, buried: Buried) -> bool:
        """Move a message that cannot be read into the dead letters."""
        self._source.bury(b"".join(entry.events) or None, None, self.name, buried)
        return self._commit(int(entry.id) + 1, "")

    def _commit(self, offset: int, metadata: str) -> bool:
        place = TopicPartition(self._source.topic.name, self.number, offset, metadata)
        try:
            self._consumer.commit(offsets=[place], asynchronous=False)
        except KafkaException as error:
            cause = error.args[0]
            if isinstance(cause, KafkaError) and cause.code() in _LOST:
                self._source.lose(self.number)
                return False
            raise translated(error, self._source.topic) from error
        return True


def _metadata(end: str, crashes: int, *, is_sending: bool) -> str:
    return f"{end} {is_sending:d} {crashes}"


def _record(metadata: str) -> Record:
    parts = metadata.split(" ")
    if len(parts) != 3 or not (parts[0].isdecimal() and parts[2].isdecimal()):  # noqa: PLR2004 - as `_metadata` writes it
        return Record()
    return Record(0, (parts[0], 1), int(parts[2]) + int(parts[1] == "1"))


def _entry(message: Message) -> Entry:
    """Read a message, also of a producer that is not this SDK."""
    value = message.value() or b""
    version = _headers(message).get("v", str(FORMAT).encode())
    event = value.translate(None, b"\r\n").strip()
    offset = str(message.offset())
    if version.isdigit() and int(version[:9]) > FORMAT:
        problem = f"has format {int(version[:9])}, and this version of segops-sdk reads {FORMAT}"
        return Entry(offset, (), len(value), problem, is_newer=True)
    if not (event.startswith(b"{") and event.endswith(b"}")):
        return Entry(offset, (), len(value), "cannot be read: its value is not a JSON object")
    return Entry(offset, (event,), len(value))


def _headers(message: Message) -> dict[str, bytes]:
    pairs: Any = message.headers() or ()
    return {name: value or b"" for name, value in pairs}


def _count(bounds: tuple[int, int] | None) -> int:
    return 0 if bounds is None else max(0, bounds[1] - bounds[0])
