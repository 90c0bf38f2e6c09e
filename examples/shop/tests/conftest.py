"""A running shop for each framework, and a visitor. The fixture `segops` is the pytest plugin's."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from http.cookies import SimpleCookie
from threading import Thread
from urllib.parse import urlsplit

import pytest
from shop.servers import SERVERS

from segops import SegOpsClient


class Visitor:
    """A browser without pictures: it keeps cookies and follows redirects."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc
        self._cookies: dict[str, str] = {}

    def get(self, path: str, **headers: str) -> str:
        """Open a page."""
        return self._request("GET", path, headers)

    def post(self, path: str) -> str:
        """Press a button."""
        return self._request("POST", path, {})

    def _request(self, method: str, path: str, headers: dict[str, str]) -> str:
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        connection = http.client.HTTPConnection(self._address, timeout=60)
        try:
            connection.request(method, path, headers={"Cookie": cookie, "Content-Length": "0", **headers})
            response = connection.getresponse()
            body = response.read().decode()
        finally:
            connection.close()
        for line in response.headers.get_all("Set-Cookie") or []:
            self._cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
        if response.status in (302, 303):
            return self.get(response.headers["Location"])
        assert response.status == 200, body
        return body


@pytest.fixture(params=list(SERVERS))
def visitor(request: pytest.FixtureRequest, segops: SegOpsClient) -> Iterator[Visitor]:
    """Yield a visitor of a shop that tracks with the client of the test."""
    server = SERVERS[request.param](segops, 0)
    thread = Thread(target=server.run)
    thread.start()
    yield Visitor(server.url)
    server.stop()
    thread.join()
