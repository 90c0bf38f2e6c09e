"""The recipe for Dask in docs/history.md, on a real Dask."""

from __future__ import annotations

from typing import Any

import pytest

from segops import SegOpsAuthenticationError
from segops.bulk import PartitionSink
from tests.engines.conftest import KEY, Counting
from tests.rig.fault_server import FaultServer, respond

ROWS = 1300
REASON = "Dask is missing: make test-engines installs it"
pd: Any = pytest.importorskip("pandas", reason=REASON)
dd: Any = pytest.importorskip("dask.dataframe", reason=REASON)
dask: Any = pytest.importorskip("dask", reason=REASON)


def orders() -> Any:
    users = [f"u-{number}" for number in range(ROWS)]
    payloads = [{"number": number} for number in range(ROWS)]
    frame = pd.DataFrame({"user_id": users, "event_type": "order_placed", "payload": payloads})
    with dask.config.set({"dataframe.convert-string": False}):
        return dd.from_pandas(frame, npartitions=3)


def send(frame: Any, sink: PartitionSink, partition_info: Any = None) -> Any:
    if partition_info is None:  # Dask tries the function on an empty frame
        return pd.DataFrame({"delivered": [0], "failed": [0]})
    sent = sink.write(frame.to_dict("records"), partition_info["number"])
    return pd.DataFrame({"delivered": [sent.delivered], "failed": [len(sent.failed)]})


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_map_partitions(counting: Counting, url: str, monkeypatch: pytest.MonkeyPatch, scheduler: str) -> None:
    monkeypatch.setenv("SEGOPS_API_KEY", KEY)
    sink = PartitionSink(url, job="orders")
    meta = {"delivered": int, "failed": int}
    result = orders().map_partitions(send, sink, meta=meta).compute(scheduler=scheduler)
    assert (len(result), result.delivered.sum(), result.failed.sum()) == (3, ROWS, 0)
    assert counting.users == {f"u-{number}": 1 for number in range(ROWS)}
    orders().map_partitions(send, sink, meta=meta).compute(scheduler=scheduler)
    assert set(counting.requests.values()) == {2}, "a repeated job sends the same requests"


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_an_error_comes_back_as_what_it_is(monkeypatch: pytest.MonkeyPatch, scheduler: str) -> None:
    monkeypatch.setenv("SEGOPS_API_KEY", KEY)
    with FaultServer(default=respond(401)) as server:
        sink = PartitionSink(server.url, job="orders")
        work = orders().map_partitions(send, sink, meta={"delivered": int, "failed": int})
        with pytest.raises(SegOpsAuthenticationError) as caught:
            work.compute(scheduler=scheduler)
    assert caught.value.status == 401
