"""A real Spark on this machine, and a server that counts."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.rig.fault_server import Call, FaultServer, raw

KEY = "sk_test_engines"


class Counting:
    """Accepts all requests but those with poison, and counts."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.requests: Counter[str] = Counter()
        self.users: Counter[str] = Counter()
        self.keys: set[str] = set()

    def __call__(self, call: Call) -> None:
        received = call.read()
        if b'"poison"' in received.body:
            call.peer.send(raw(400))
            return
        key = received.headers["idempotency-key"]
        self.keys.add(received.headers["authorization"])
        assert self.bodies.setdefault(key, received.body) == received.body, "the same key has the same bytes"
        self.requests[key] += 1
        if self.requests[key] == 1:
            self.users.update(event["user_id"] for event in msgspec.json.decode(received.body)["events"])
        call.peer.send(raw())


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def url(counting: Counting) -> Iterator[str]:
    with FaultServer(default=counting) as server:
        yield server.url


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """Yield a session with two executor threads, whose tasks may fail twice."""
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is missing: make test-engines installs it")
    if shutil.which("java") is None:
        pytest.skip("Java is missing, which Spark needs")
    os.environ.update(PYSPARK_PYTHON=sys.executable, SEGOPS_API_KEY=KEY, SPARK_LOCAL_IP="127.0.0.1")
    session = (
        sql.SparkSession.builder.master("local[2,3]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
