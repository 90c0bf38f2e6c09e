"""A local SegOps in process and over HTTP."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator

import pytest

from segops.core import Request, Response
from segops.emulator import LocalSegOps, LocalServer
from tests.emulator.api_client import Api
from tests.emulator.local_service import Clock, Service
from tests.emulator.served import DEV, LOCAL_SERVER, Served, serve, stock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def segops(clock: Clock) -> LocalSegOps:
    return LocalSegOps(clock=clock)


@pytest.fixture
def deep_recursion() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.fixture(params=["in process", "over HTTP"])
def service(request: pytest.FixtureRequest, segops: LocalSegOps, clock: Clock) -> Iterator[Service]:
    if request.param == "in process":
        yield Service(segops, clock, segops.handle)
        return
    with LocalServer(segops) as server:
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)

        def send(asked: Request) -> Response:
            connection.request(asked.method, asked.path, asked.body, dict(asked.headers))
            response = connection.getresponse()
            return Response(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

        yield Service(segops, clock, send)
        connection.close()


@pytest.fixture
def api(segops: LocalSegOps, clock: Clock) -> Api:
    return Api(Service(segops, clock, segops.handle))


@pytest.fixture
def both(service: Service) -> Api:
    return Api(service)


@pytest.fixture(scope="session", params=[DEV, LOCAL_SERVER])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve a database that has one of everything, by one process for all tests."""
    with serve(request.param, tmp_path_factory.mktemp("served") / "segops.db") as served:
        stock(served)
        yield served


@pytest.fixture
def hostile(served: Served) -> Iterator[Served]:
    """Check after a test that nothing was stored, and that the server still responds and stores."""
    before = served.counts()
    yield served
    assert served.counts() == before
    assert served.good() == 202
    assert served.counts() == {**before, "events": before["events"] + 1}
    assert served.process.poll() is None
