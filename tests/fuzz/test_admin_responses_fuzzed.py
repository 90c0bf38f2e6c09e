"""For any response, an admin call returns or raises an error of this package."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segops import SegOpsAdmin, SegOpsApiError, SegOpsError, SegOpsResponseError
from segops.core import Response
from segops.plugins.admin import Items, Page, Record, load_resources, methods_of
from segops.testing import FakeClock
from segops.transports.memory import MemoryTransport
from tests.admin.admin_rig import KEY, ok
from tests.admin.test_names import required
from tests.rig.fault_server import Call, FaultServer

METHODS = {f"{method.namespace}.{method.name}": method for method in methods_of(load_resources())}
NAMES = [
    "id",
    "export_id",
    "job_id",
    "status",
    "download_url",
    "errors",
    "error",
    "created",
    "updated",
    "count",
    "next",
    "next_cursor",
    "previous",
    "results",
    "suggested_mapping",
    "suggested_schema",
    "headers",
    "fields",
    "last_computed_at",
    "detail",
    "products",
]
STATUSES = ("complete", "done", "failed", "pending", "queued", "mapping")
URLS = (
    "https://[::1",
    "https://x:99999/",
    "https://x:abc/",
    "https://[",
    "//",
    "https://",
    "/api/a b",
    "/api/../x",
    "ftp://x/",
    "file:///etc/passwd",
    "\x00",
    "?",
    "https://user:secret@[x/?signature=planted",
    "http://\udcff/",
    "https://xn--\u2603/",
    "https://" + "a" * 300,
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=6)


text = st.text(max_size=8) | st.sampled_from([*STATUSES, *URLS, "9" * 5000, "-1", "²", "sku"])
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | objects(inner), max_leaves=6)
bodies = (
    (objects(values) | values).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=20)
    | st.sampled_from([b'"\xff"', b'"\xed\xa0\x80"', b"9" * 5000, b"[" * 100_000, b"\xef\xbb\xbf{}", b"1e999"])
)
headers = st.dictionaries(
    st.sampled_from(["content-type", "content-length", "location", "retry-after"]), text, max_size=3
)
responses = st.builds(
    Response, st.sampled_from([200, 200, 200, 201, 202, 204, 302, 307, 400, 404, 429, 503]), headers, bodies
)
job = ok({"id": 1, "export_id": 1, "job_id": 1, "status": "pending"}, 202)


def done(**more: Any) -> Response:
    return ok({"id": 1, "export_id": 1, "job_id": 1, "status": "complete", **more})


def failure_of(action: Callable[[], object]) -> SegOpsError | None:
    """Return the error of this package that an action raises; others pass."""
    try:
        action()
    except SegOpsError as error:
        return error
    return None


def use(result: Any) -> None:
    """Do what applications do with a result."""
    if isinstance(result, Items):
        for _ in range(5):
            next(result, None)
    elif isinstance(result, Page):
        json.dumps(result)
        list(result)
        result.next_page()
    elif isinstance(result, Record):
        repr(result)
        getattr(result, "number", None)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scripted=st.lists(responses, min_size=1, max_size=4))
def test_no_response_raises_an_error_of_python(name: str, scripted: list[Response]) -> None:
    """Rows 18 to 20 and 63."""
    method = METHODS[name]
    transport = MemoryTransport(*scripted, *[done()] * 12, offline=False)
    admin = SegOpsAdmin(KEY, transport=transport, clock=FakeClock(), max_retries=1)
    error = failure_of(lambda: use(getattr(getattr(admin, method.namespace), method.name)(**required(method))))
    assert str(error or "").isprintable()
    if isinstance(error, SegOpsApiError):
        json.dumps(error.body)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("is_redirect", [False, True])
def test_a_file_at_an_unusable_url_is_a_fault_of_the_server(url: str, *, is_redirect: bool) -> None:
    first = done(download_url="/api/file/" if is_redirect else url)
    second = Response(302, {"location": url})
    admin = SegOpsAdmin(KEY, transport=Fixed(first, second), max_retries=0)
    with pytest.raises(SegOpsError) as caught:
        admin.segments.export_to(1, io.BytesIO())
    assert str(caught.value).isprintable()
    assert "planted" not in str(caught.value)
    assert "secret" not in str(caught.value)


class Fixed(MemoryTransport):
    """A server with a name of its own."""

    url = "https://api.example"

    def __init__(self, *responses: Response) -> None:
        super().__init__(*responses, *[Response(404)] * 5, offline=False)


@pytest.mark.parametrize("number", ["abc", None, "", True, [1], {"a": 1}, 1.5, "9" * 5000, "²"])
def test_a_job_without_a_usable_number_is_a_fault_of_the_server(number: Any) -> None:
    started = ok({"export_id": number, "job_id": number, "status": "complete"}, 202)
    admin = SegOpsAdmin(KEY, transport=Fixed(started, started), max_retries=0)
    with pytest.raises(SegOpsResponseError, match="export_id or id must be a number"):
        admin.segments.export_to(1, io.BytesIO())
    with pytest.raises(SegOpsResponseError, match="job_id or id must be a number"):
        admin.products.import_and_wait(b"sku\nA\n")


@pytest.mark.parametrize(
    "envelope", [{"next": 5}, {"next": ["x"]}, {"next_cursor": {}}, {"count": "5"}, {"count": [1]}]
)
def test_a_list_does_not_end_in_silence(envelope: dict[str, Any]) -> None:
    given = {key: value or {"a": 1} for key, value in envelope.items()}
    admin = SegOpsAdmin(KEY, transport=Fixed(ok({"results": [], **given})))
    with pytest.raises(SegOpsResponseError, match=next(iter(given))):
        list(admin.segments.iterate())


@pytest.mark.parametrize("length", ["9" * 5000, "9" * 30, "+1", "1_0", "1,1", "-1", "0x1", "²", "", "x", "\x00"])
def test_no_content_length_raises_an_error_of_python(length: str) -> None:
    """Row 19."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"

    def reply(call: Call) -> None:
        call.read()
        call.peer.send(head.encode("utf-8", "replace") + b"{}")

    with FaultServer(reply) as server, SegOpsAdmin(KEY, base_url=server.url, max_retries=0, timeout=0.3) as admin:
        assert str(failure_of(admin.analytics.usage) or "").isprintable()
