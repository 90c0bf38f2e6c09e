"""What a WSGI application gets and gives is unchanged, whatever it does."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest

from segops.integrations import WsgiMiddleware, identify_request, request_identity, skip_page_view
from tests.integrations.web_rig import BROWSER, HTML, Reply, Site, environ

Start = Callable[..., Any]


def request(path: str = "/", **more: Any) -> dict[str, Any]:
    return {**environ("GET", path, "", list(BROWSER.items())), **more}


class Chunks:
    """A body that counts what happens to it, as the generator of an application does its work late."""

    def __init__(self, *, fails: bool = False) -> None:
        self.closed = 0
        self.fails = fails

    def __iter__(self) -> Iterator[bytes]:
        yield b"a"
        identify_request("streaming")
        if self.fails:
            raise ValueError("the application's own")
        yield b"b"

    def close(self) -> None:
        assert request_identity().user_id == "streaming"
        self.closed += 1


def start(start_response: Start, content_type: str = "text/html") -> None:
    start_response("200 OK", [("Content-Type", content_type)])


@pytest.mark.parametrize(("content_type", "count"), [("text/html", 1), ("application/json", 0)])
def test_a_streaming_body_is_closed_once_and_knows_its_request(site: Site, content_type: str, count: int) -> None:
    body = Chunks()

    def application(_: Any, start_response: Start) -> Any:
        start(start_response, content_type)
        return body

    assert site.serve_wsgi(request(), application).body == b"ab"
    assert body.closed == 1
    assert [event["user_id"] for event in site.events()] == ["streaming"] * count
    assert request_identity().user_id is None


def test_a_generator_that_starts_the_response_late(site: Site) -> None:
    def application(_: Any, start_response: Start) -> Iterator[bytes]:
        identify_request("late")
        start(start_response)
        yield b"a"

    assert site.serve_wsgi(request(), application) == Reply(200, [("Content-Type", "text/html")], b"a")
    assert site.page()["user_id"] == "late"


def test_an_exception_in_the_body(site: Site) -> None:
    body = Chunks(fails=True)

    def application(_: Any, start_response: Start) -> Any:
        start(start_response)
        return body

    with pytest.raises(ValueError, match="own"):
        site.serve_wsgi(request(), application)
    assert body.closed == 1
    assert site.events() == []


@pytest.mark.parametrize("has_started", [True, False])
def test_an_exception_before_and_after_the_response_began(site: Site, has_started: bool) -> None:  # noqa: FBT001
    def application(_: Any, start_response: Start) -> Any:
        if has_started:
            start(start_response)
        raise ValueError("the application's own")

    with pytest.raises(ValueError, match="own"):
        site.serve_wsgi(request(), application)
    assert site.events() == []
    assert request_identity().user_id is None


def test_an_error_page_in_place_of_the_page(site: Site) -> None:
    def application(_: Any, start_response: Start) -> Any:
        start(start_response)
        try:
            int("seen by the application")
        except ValueError as error:
            start_response("500 Oops", list(HTML), (ValueError, error, error.__traceback__))
        return [b"oops"]

    assert site.serve_wsgi(request(), application) == Reply(500, list(HTML), b"oops")
    assert site.events() == []


def test_a_client_that_hangs_up_and_a_body_that_is_never_read(site: Site) -> None:
    for chunks in (0, 1):
        body = Chunks()

        def application(_: Any, start_response: Start, body: Chunks = body) -> Any:
            start(start_response)
            identify_request("streaming")
            return body

        given = WsgiMiddleware(application, site.client)(request(), lambda *_: lambda _: None)
        iterator = iter(given)
        for _ in range(chunks):
            next(iterator)
        given.close()  # type: ignore[attr-defined]
        given.close()  # type: ignore[attr-defined]
        assert body.closed == 1
    assert site.events() == []


def test_the_write_function_is_the_servers(site: Site) -> None:
    def application(_: Any, start_response: Start) -> Any:
        start_response("200 OK", list(HTML))(b"written")
        return []

    written: list[bytes] = []
    assert list(WsgiMiddleware(application, site.client)(request(), lambda *_: written.append)) == []
    assert written == [b"written"]
    site.page()


def test_a_length_stays_and_none_is_added(site: Site) -> None:
    """Servers take a body of length one for the whole response."""

    class Sized(Chunks):
        def __len__(self) -> int:
            return 2

    for made, length in (([b"a", b"b"], 2), (Sized(), 2), (Chunks(), None), ((b"a",), 1)):

        def application(_: Any, start_response: Start, made: Any = made) -> Any:
            start(start_response)
            return made

        body: Any = WsgiMiddleware(application, site.client)(request(), lambda *_: lambda _: None)
        assert (len(body) if hasattr(body, "__len__") else None) == length


def file_wrapper_of_uwsgi(file: Any, _: int = 0) -> Any:
    return file


@pytest.mark.parametrize("wrapper", [FileWrapper, file_wrapper_of_uwsgi])
def test_a_file_of_the_server_is_returned_as_it_is(site: Site, wrapper: Any) -> None:
    made: list[Any] = []

    def application(environ: dict[str, Any], start_response: Start) -> Any:
        start(start_response)
        made.append(environ["wsgi.file_wrapper"](io.BytesIO(b"file"), 4096))
        return made[0]

    given = request(**{"wsgi.file_wrapper": wrapper})
    assert WsgiMiddleware(application, site.client)(given, lambda *_: lambda _: None) is made[0]
    site.page()
    if wrapper is FileWrapper:
        assert given["wsgi.file_wrapper"] is FileWrapper


def test_nested_middleware_tracks_once_and_requests_inside_of_requests_each(site: Site) -> None:
    inner = WsgiMiddleware(site.wsgi, site.client)

    def application(environ: dict[str, Any], start_response: Start) -> Any:
        identify_request("outer")
        b"".join(other := inner(request("/other"), lambda *_: lambda _: None))
        other.close()  # type: ignore[attr-defined]
        return inner(dict(environ), start_response)

    site.serve_wsgi(request("/outer"), application)
    whom = [(event["payload"]["path"], event["user_id"]) for event in site.events()]
    assert whom == [("/other", "anonymous"), ("/outer", "outer")]


def test_what_wsgi_demands_is_kept(site: Site) -> None:
    def application(_: Any, start_response: Start) -> Any:
        start(start_response)
        return [b"ok"]

    given = {
        **request(),
        "wsgi.version": (1, 0),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "SERVER_NAME": "shop.example.org",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    checked = validator(WsgiMiddleware(validator(application), site.client))
    body = checked(given, lambda *_: lambda _: None)
    assert b"".join(body) == b"ok"
    body.close()  # type: ignore[attr-defined]
    site.page()


def test_threads_keep_their_users(site: Site) -> None:
    barrier = threading.Barrier(20)

    def application(environ: dict[str, Any], start_response: Start) -> Any:
        identify_request(environ["PATH_INFO"])
        barrier.wait(60)
        start(start_response)
        return [b"ok"]

    threads = [
        threading.Thread(target=site.serve_wsgi, args=(request(f"/{number}"), application)) for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    events = site.events()
    assert len(events) == 20
    assert all(event["user_id"] == event["payload"]["path"] for event in events)


@pytest.mark.parametrize(("status", "headers"), [("", []), ("abc", None), ("200 OK", [1])])
def test_a_malformed_response_is_for_the_server_to_refuse(site: Site, status: str, headers: Any) -> None:
    started: list[Any] = []

    def application(_: Any, start_response: Start) -> Any:
        start_response(status, headers)
        return [b"ok"]

    assert list(WsgiMiddleware(application, site.client)(request(), lambda *given: started.append(given))) == [b"ok"]  # type: ignore[arg-type]
    assert started == [(status, headers)]


def test_a_mounted_application_has_its_whole_path(site: Site) -> None:
    site.view = lambda: skip_page_view() if request_identity().user_id else None
    site.serve_wsgi(request("/shoes", SCRIPT_NAME="/shop"))
    assert site.page()["payload"]["path"] == "/shop/shoes"
