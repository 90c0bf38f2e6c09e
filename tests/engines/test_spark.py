"""The recipes for Spark in docs/history.md, and the data source, on a real local Spark."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segops.bulk import PartitionSink
from tests.engines.conftest import KEY, Counting
from tests.rig.fault_server import FaultServer, respond

ROWS = 2600
USERS = {f"u-{number}": 1 for number in range(ROWS)}
COLUMNS = ["cast(concat('u-', id) as string) user_id", "'order_placed' event_type", "struct(id as number) payload"]

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning"
)


@pytest.fixture
def orders(spark: Any) -> Any:
    return spark.range(ROWS, numPartitions=3).selectExpr(*COLUMNS)


def test_foreach_partition(orders: Any, counting: Counting, url: str) -> None:
    sink = PartitionSink(url, job="orders")

    def send(rows: Iterator[Any]) -> None:
        from pyspark import TaskContext

        sent = sink.write(rows, TaskContext.get().partitionId())  # type: ignore[union-attr]
        if sent.failed:
            raise ValueError(f"{len(sent.failed)} rows failed, the first because {sent.failed[0].error}")

    orders.foreachPartition(send)
    assert counting.users == USERS
    assert counting.keys == {f"ApiKey {KEY}"}


def test_map_in_pandas_returns_what_became_of_each_partition(orders: Any, counting: Counting, url: str) -> None:
    pd: Any = pytest.importorskip("pandas")
    sink = PartitionSink(url, job="orders")

    def send(frames: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        rows = (row for frame in frames for row in frame.to_dict("records"))
        sent = sink.write(rows, TaskContext.get().partitionId())  # type: ignore[union-attr]
        yield pd.DataFrame([{"partition": sent.partition, "delivered": sent.delivered, "failed": len(sent.failed)}])

    result = orders.mapInPandas(send, "partition long, delivered long, failed long").collect()
    assert sorted((row.partition, row.failed) for row in result) == [(0, 0), (1, 0), (2, 0)]
    assert sum(row.delivered for row in result) == ROWS
    assert counting.users == USERS


def test_a_task_that_is_killed_and_repeated_sends_the_same_requests(orders: Any, counting: Counting, url: str) -> None:
    sink = PartitionSink(url, job="orders")

    def send(rows: Iterator[Any]) -> None:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None

        def until_killed() -> Iterator[Any]:
            for number, row in enumerate(rows):
                if (number, context.partitionId(), context.attemptNumber()) == (800, 1, 0):
                    os.kill(os.getpid(), signal.SIGKILL)
                yield row

        sink.write(until_killed(), context.partitionId())

    orders.foreachPartition(send)
    assert counting.users == USERS


def test_a_task_that_fails_after_it_has_sent_is_visible_by_its_keys(orders: Any, counting: Counting, url: str) -> None:
    sink = PartitionSink(url, job="orders")

    def send(rows: Iterator[Any]) -> None:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        sink.write(rows, context.partitionId())
        if context.attemptNumber() == 0:
            raise OSError("the executor is lost")

    orders.foreachPartition(send)
    assert counting.users == USERS, "under a key that was seen before, there is nothing new"
    assert set(counting.requests.values()) == {2}


@pytest.fixture
def write(spark: Any, url: str) -> Any:
    from segops.integrations.spark import SegOpsDataSource

    spark.dataSource.register(SegOpsDataSource)

    def write_events(frame: Any, mode: str = "append", **options: str) -> None:
        writer = frame.write.format("segops").mode(mode)
        for name, value in {"url": url, "job": "orders", **options}.items():
            writer = writer.option(name, value)
        writer.save()

    return write_events


def failing(spark: Any) -> Any:
    """Return rows of which two fail: one has no user, and the server rejects the other."""
    return spark.range(1000, numPartitions=2).selectExpr(
        "case when id = 3 then '' else concat('u-', id) end user_id",
        "'order_placed' event_type",
        "struct(if(id = 700, 'poison', 'good') as kind) payload",
    )


def test_the_data_source_sends_all_rows(orders: Any, counting: Counting, write: Any, tmp_path: Path) -> None:
    orders = orders.selectExpr("*", "timestamp '2026-01-01' occurred_at")
    write(orders, report=str(tmp_path / "report.json"))
    report = json.loads((tmp_path / "report.json").read_text())
    assert report == {
        "is_complete": True,
        "job": "orders",
        "partitions": 3,
        "rows": ROWS,
        "delivered": ROWS,
        "dropped": {},
        "retries": 0,
        "failed": [],
    }
    assert counting.users == USERS
    write(orders)
    assert set(counting.requests.values()) == {2}, "a repeated write sends the same requests"


def test_failed_rows_are_listed(spark: Any, counting: Counting, write: Any, tmp_path: Path) -> None:
    write(failing(spark), report=str(tmp_path / "report.json"))
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["delivered"], report["dropped"]) == (998, {"invalid": 1, "rejected": 1})
    assert [(row["partition"], row["row"]) for row in report["failed"]] == [(0, 4), (1, 201)]
    assert "user_id" in report["failed"][0]["error"]
    assert report["failed"][1]["error"] == "the server rejected it"
    assert counting.users.total() == 998


def test_failed_rows_without_a_report_fail_the_write(spark: Any, counting: Counting, write: Any) -> None:
    with pytest.raises(Exception, match="998 events of 1,000 rows delivered, 2 failed") as caught:
        write(failing(spark))
    assert "partition 1, row 201: the server rejected it" in str(caught.value)
    assert counting.users.total() == 998


def test_a_mapping_and_columns_of_other_names(spark: Any, counting: Counting, write: Any) -> None:
    frame = spark.range(10).selectExpr("id as uid", "'x' as kind", "id as total")
    write(frame, map="user_id=uid, event_type=kind, payload=*")
    assert counting.users.total() == 10
    events = [event for body in counting.bodies.values() for event in json.loads(body)["events"]]
    assert {"total": 3} in [event["payload"] for event in events]


@pytest.mark.parametrize(
    ("mode", "options", "message"),
    [
        ("overwrite", {}, "events cannot be overwritten: write with mode"),
        ("append", {"jobb": "x"}, "unknown option 'jobb': did you mean 'job'?"),
        ("append", {"job": ""}, "the option 'job' is missing"),
        ("append", {"per_minute": "fast"}, "the option 'per_minute' must be a number, got 'fast'"),
        ("append", {"enrich": "yes"}, "must be true or false, got 'yes'"),
        ("append", {"map": "segmant"}, "did you mean segment?"),
        ("append", {"key_env": "NO_SUCH_KEY"}, "no API key: set NO_SUCH_KEY where the tasks run"),
        ("append", {"key_env": "sk_live_1"}, "must be the name of an environment variable, got a key"),
    ],
)
def test_options_that_cannot_be_used(  # noqa: PLR0917 - a fixture a column
    orders: Any, counting: Counting, write: Any, mode: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(Exception, match="segops") as caught:
        write(orders, mode, **options)
    assert message in str(caught.value)
    assert not counting.requests


def test_a_frame_without_user_id(spark: Any, counting: Counting, write: Any) -> None:
    with pytest.raises(Exception, match="the DataFrame has no column 'user_id': it has id"):
        write(spark.range(3))
    assert not counting.requests


def test_a_refused_key_fails_the_write_and_is_reported(orders: Any, write: Any, tmp_path: Path) -> None:
    with FaultServer(default=respond(401)) as server, pytest.raises(Exception, match="401"):
        write(orders, url=server.url, report=str(tmp_path / "report.json"))
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["is_complete"], report["delivered"]) == (False, 0)
