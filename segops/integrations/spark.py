"""Send the rows of a Spark DataFrame: `df.write.format("segops")`, with Spark 4 or newer."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from pyspark import TaskContext
from pyspark.sql import Row
from pyspark.sql.datasource import DataSource, DataSourceWriter, WriterCommitMessage
from pyspark.sql.types import StructType

from segops import SegOpsConfigError, SegOpsError
from segops.bulk import PartitionSink, Sent
from segops.utils import nearest

_OPTIONS = ("url", "job", "key_env", "map", "per_minute", "patience", "enrich", "report")
_FIELDS = {"user_id": "userid", "event_type": "eventtype"}
_MAX_SHOWN = 10


class SegOpsDataSource(DataSource):
    """Sends rows as events. Register it with `spark.dataSource.register(SegOpsDataSource)`.

    Options:
        url: The URL of SegOps. Required.
        job: A name for the job; repeat it to repeat the job. Required.
        key_env: The environment variable of the executors that contains the secret key. Default: SEGOPS_API_KEY.
        map: How rows become events, as `segops send --map` has it; several are separated by commas.
        per_minute: Requests per minute of each task, at most.
        patience: Seconds without progress after which a task fails.
        enrich: "true" to run enrichers.
        report: A JSON file, on the driver, for the counts and the rows that failed. Without it, rows that fail make the
            write fail once all others are delivered.

    Source: docs/history.md, "Spark".
    """

    @classmethod
    def name(cls) -> str:
        """Return the name of the format."""
        return "segops"

    def writer(self, schema: StructType, overwrite: bool) -> DataSourceWriter:  # noqa: FBT001 - as Spark calls it
        """Return what sends the rows.

        Raises:
            SegOpsConfigError: An option or a column is wrong, or the mode is "overwrite".
        """
        if overwrite:
            raise SegOpsConfigError("events cannot be overwritten: write with mode('append')")
        options = dict(self.options)
        _check_names(options)
        words = [word.strip() for word in options.get("map", "").split(",") if word.strip()]
        if not words:
            _check_columns(schema.fieldNames())
        sink = PartitionSink(
            options["url"],
            options.get("key_env", "SEGOPS_API_KEY"),
            job=options["job"],
            mapping=words,
            per_minute=_number(options, "per_minute"),
            patience=_number(options, "patience") or 300.0,
            enrich=_flag(options, "enrich"),
        )
        return SegOpsWriter(sink, options.get("report"))


class PartitionSent(WriterCommitMessage):
    """What a task reports to the driver."""

    def __init__(self, sent: Sent) -> None:
        self.sent = sent


class SegOpsWriter(DataSourceWriter):
    """Sends partitions, and sums up what became of them.

    Args:
        sink: What sends a partition.
        report: The file to write a report to.
    """

    def __init__(self, sink: PartitionSink, report: str | None) -> None:
        self._sink = sink
        self._report = report

    def write(self, iterator: Iterator[Row]) -> WriterCommitMessage:
        """Send the rows of a partition, in a task."""
        context = TaskContext.get()
        return PartitionSent(self._sink.write(iterator, 0 if context is None else context.partitionId()))

    def commit(self, messages: Sequence[WriterCommitMessage | None]) -> None:
        """Report the counts once all partitions are sent.

        Raises:
            SegOpsError: Rows failed, and the option `report` is missing.
        """
        sent = [message.sent for message in messages if isinstance(message, PartitionSent)]
        report = summarize(self._sink.job, sent)
        self._write(report, is_complete=True)
        if report.dropped and self._report is None:
            raise SegOpsError(
                f"{report.describe()}. To accept that, add .option('report', FILE), where failed rows are listed"
                + "".join(
                    f"\n  partition {row.partition}, row {row.row}: {row.error}" for row in report.failed[:_MAX_SHOWN]
                )
            )

    def abort(self, messages: Sequence[WriterCommitMessage | None]) -> None:
        """Report what was sent before a partition failed; its own events are not counted."""
        sent = [message.sent for message in messages if isinstance(message, PartitionSent)]
        self._write(summarize(self._sink.job, sent), is_complete=False)

    def _write(self, report: Report, *, is_complete: bool) -> None:
        end = "" if is_complete else "; the write failed: repeat it under the same job name"
        print(f"segops: {report.describe()}{end}", file=sys.stderr, flush=True)  # noqa: T201 - the driver's log
        if self._report is not None:
            content = {"is_complete": is_complete, **msgspec.to_builtins(report)}
            Path(self._report).write_text(json.dumps(content, indent=2) + "\n", "utf-8")


class FailedRow(msgspec.Struct, frozen=True):
    """A row that was not delivered.

    Attributes:
        partition: Its partition.
        row: Its number in the partition, from 1.
        error: What is wrong with it.
    """

    partition: int | str
    row: int
    error: str


class Report(msgspec.Struct, frozen=True):
    """What became of all rows.

    Attributes:
        job: The name of the job.
        partitions: Partitions that were sent.
        rows: Rows that were read.
        delivered: Events that SegOps accepted.
        dropped: Events that were not delivered, by reason.
        retries: Requests that were sent again.
        failed: The rows that were not delivered: the first 1,000 of each partition.
    """

    job: str
    partitions: int
    rows: int
    delivered: int
    dropped: dict[str, int]
    retries: int
    failed: list[FailedRow]

    def describe(self) -> str:
        """Return the counts as a sentence."""
        lost = sum(self.dropped.values())
        failed = f", {lost:,} failed" if lost else ""
        return f"job {self.job!r}: {self.delivered:,} events of {self.rows:,} rows delivered{failed}"


def summarize(job: str, sent: Sequence[Sent]) -> Report:
    """Return the sum of what became of partitions."""
    dropped: Counter[str] = Counter()
    for each in sent:
        dropped.update(each.dropped)
    return Report(
        job=job,
        partitions=len(sent),
        rows=sum(each.rows for each in sent),
        delivered=sum(each.delivered for each in sent),
        dropped=dict(dropped),
        retries=sum(each.retries for each in sent),
        failed=[FailedRow(each.partition, row.row, row.error) for each in sent for row in each.failed],
    )


def _check_names(options: Mapping[str, str]) -> None:
    for name in options:
        if name not in _OPTIONS:
            near = nearest(name, _OPTIONS)
            hint = f"did you mean {near!r}?" if near else f"expected one of {', '.join(_OPTIONS)}"
            raise SegOpsConfigError(f"unknown option {name!r}: {hint}")
    for name in ("url", "job"):
        if not options.get(name):
            raise SegOpsConfigError(f"the option {name!r} is missing: add .option({name!r}, …)")


def _check_columns(names: Sequence[str]) -> None:
    for field, spelling in _FIELDS.items():
        if not any(name in {field, spelling} or name.lower() == spelling for name in names):
            raise SegOpsConfigError(
                f"the DataFrame has no column {field!r}: it has {', '.join(names)}; rename one, "
                f"or add .option('map', '{field}=COLUMN')"
            )


def _number(options: Mapping[str, str], name: str) -> float | None:
    text = options.get(name)
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise SegOpsConfigError(f"the option {name!r} must be a number, got {text!r}") from None


def _flag(options: Mapping[str, str], name: str) -> bool:
    text = options.get(name, "false").lower()
    if text not in {"true", "false"}:
        raise SegOpsConfigError(f"the option {name!r} must be true or false, got {text!r}")
    return text == "true"
