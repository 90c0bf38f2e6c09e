"""Send the rows of a partition, where an engine for large data has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

import msgspec

from segops import Event, SegOpsConfigError
from segops.bulk.job import MIN_RATE, BulkJob
from segops.bulk.mapping import RecordMapping
from segops.core import DropReason
from segops.delivery import read_event
from segops.environment import read_secret
from segops.utils import check_number

MAX_LISTED = 1000
"""Failed rows that a result lists."""

_PATIENCE = 300.0


class FailedRow(msgspec.Struct, frozen=True):
    """A row that was not delivered.

    Attributes:
        row: Its number in the partition, from 1.
        error: What is wrong with it.
    """

    row: int
    error: str


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows of a partition.

    Attributes:
        partition: The partition, as it was given.
        rows: Rows that were read.
        delivered: Events that SegOps accepted.
        dropped: Events that were not delivered, by reason.
        failed: The first 1,000 rows that were not delivered and are known. SegOps does not say which ones it skips of
            a batch that it accepts.
        retries: Requests that were sent again.
    """

    partition: int | str
    rows: int
    delivered: int
    dropped: dict[DropReason, int]
    failed: tuple[FailedRow, ...]
    retries: int


class PartitionSink:
    """Sends partitions of rows. It can be pickled: make it on the driver, and call `write` in the tasks.

    The requests of a partition depend on nothing but the job, the partition and its rows. If an engine repeats a task,
    the task sends the same bytes under the same Idempotency-Keys. The engine must give it the same rows in the same
    order.

    Args:
        url: The URL of SegOps.
        key_env: The environment variable of the tasks that contains the secret key (`sk_…`). The key itself is never
            part of what is pickled.
        job: A name for the job. Use the same name when you repeat it.
        mapping: For rows in another shape: the name of a product and any number of "FIELD=SOURCE", as for
            `segops send --map`.
        per_minute: Requests per minute of each task, at most. SegOps counts those of all tasks together.
        patience: Seconds without progress after which `write` fails.
        enrich: Whether enrichers run.

    Raises:
        SegOpsConfigError: An argument is wrong.

    Source: docs/history.md, "Spark".
    """

    def __init__(
        self,
        url: str,
        key_env: str = "SEGOPS_API_KEY",
        *,
        job: str,
        mapping: Sequence[str] = (),
        per_minute: float | None = None,
        patience: float = _PATIENCE,
        enrich: bool = False,
    ) -> None:
        for name, value in (("url", url), ("key_env", key_env), ("job", job)):
            if not isinstance(value, str) or not value:
                raise SegOpsConfigError(f"{name} must be a non-empty string, got {value!r}")
        if key_env.startswith(("sk_", "pk_")):
            raise SegOpsConfigError("key_env must be the name of an environment variable, got a key")
        if isinstance(mapping, str):
            mapping = [mapping]
        check_number("patience", patience, minimum=0)
        if per_minute is not None:
            check_number("per_minute", per_minute, minimum=MIN_RATE)
        self._words = tuple(mapping)
        RecordMapping.parse(self._words)
        self.url = url
        self.key_env = key_env
        self.job = job
        self.per_minute = per_minute
        self.patience = patience
        self.enrich = enrich
        self._made_at = datetime.now(timezone.utc)  # of events without a time: a repeated task must not change it

    def __repr__(self) -> str:
        return f"PartitionSink({self.url!r}, key_env={self.key_env!r}, job={self.job!r})"

    def write(self, rows: Iterable[object], partition: int | str) -> Sent:
        """Send the rows of a partition and wait until SegOps has accepted them.

        Args:
            rows: Mappings with the fields of an event, Spark rows, or `Event` objects.
            partition: Which partition of the job they are.

        Returns:
            What became of them. Invalid rows are listed, and the others are sent.

        Raises:
            SegOpsConfigError: The URL or the key cannot be used.
            SegOpsApiError: SegOps refuses the requests, and a retry would not help or did not help in time.
            SegOpsTransportError: SegOps cannot be reached.
        """
        key = read_secret(self.key_env)
        if key is None:
            raise SegOpsConfigError(f"no API key: set {self.key_env} where the tasks run")
        failed: list[FailedRow] = []

        def note(_source: int, number: int, error: str) -> None:
            if len(failed) < MAX_LISTED:
                failed.append(FailedRow(number, error))

        with BulkJob(
            self.url,
            key,
            job=f"{self.job}\0{partition}",
            read=self._reader(),
            now=self._made_at,
            per_minute=self.per_minute,
            patience=self.patience,
            enrich=self.enrich,
            on_failed=note,
        ) as job:
            for number, row in enumerate(rows, start=1):
                job.send(0, number, row)
            result = job.finish()
        return Sent(
            partition=partition,
            rows=result.read,
            delivered=result.delivered,
            dropped=result.dropped,
            failed=tuple(sorted(failed, key=lambda each: each.row)),
            retries=result.retries,
        )

    def _reader(self) -> Callable[[Any], Event]:
        if not self._words:
            return lambda row: read_event(_as_mapping(row))
        mapping = RecordMapping.parse(self._words)
        return lambda row: mapping.event(_as_mapping(row))


def _as_mapping(row: Any) -> Any:
    """Return a Spark row as a dict; other rows are mappings already, or refused as what they are."""
    as_dict = getattr(row, "asDict", None)
    return row if as_dict is None else as_dict(recursive=True)
