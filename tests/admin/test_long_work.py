"""Recomputes, exports, imports, and bulk upserts."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from segops import (
    RetryPolicy,
    SegOpsAdmin,
    SegOpsArgumentError,
    SegOpsBadRequestError,
    SegOpsJobError,
    SegOpsNotFoundError,
    SegOpsResponseError,
    SegOpsServerError,
    SegOpsTimeoutError,
    SegOpsTransportError,
)
from segops.core import Request, Response
from segops.emulator import LocalSegOps, LocalTransport
from segops.plugins.admin import ExportJob, UpsertReport
from segops.plugins.admin.sinks import MemorySink
from tests.admin.admin_rig import KEY, ok, scripted, targets
from tests.rig.fault_server import FaultServer, cut, drip, raw, redirect, reset, respond
from tests.rig.programs import unmeasured

QUICK = RetryPolicy(base=0.001, cap=0.002)
BUYERS = {"logic": "AND", "conditions": [{"type": "monetary", "operator": "gte", "value": 200}]}
CSV = {"content-type": "text/csv"}


def buy(admin: SegOpsAdmin, count: int) -> None:
    events = [
        {"user_id": f"u-{number:04}", "event_type": "order_placed", "payload": {"total": 300}}
        for number in range(count)
    ]
    admin.http.request("POST", "/ingestion/track/batch/", body={"events": events})


# The quick start of the product documentation, from end to end.


def test_the_quick_start(admin: SegOpsAdmin, tmp_path: Path) -> None:
    buy(admin, 120)
    segment = admin.segments.create({"name": "High-value buyers", "definition": BUYERS})
    assert admin.segments.recompute(segment.id).status == "queued"
    assert [(each.id, each.name, each.member_count) for each in admin.segments.iterate()] == [
        (segment.id, "High-value buyers", 120)
    ]
    members = [member.user_id for member in admin.segments.iterate_members(segment.id, page_size=50)]
    assert members == [f"u-{number:04}" for number in range(120)]
    file = tmp_path / "members.csv"
    size = admin.segments.export_to(segment.id, file)
    lines = file.read_text().splitlines()
    assert size == file.stat().st_size
    assert lines[0] == "user_id,computed_at"
    assert [line.partition(",")[0] for line in lines[1:]] == members
    assert [each.name for each in tmp_path.iterdir()] == ["members.csv"]


def test_recompute_and_wait(admin: SegOpsAdmin) -> None:
    buy(admin, 3)
    segment = admin.segments.create(name="x", definition=BUYERS)
    assert admin.segments.recompute_and_wait(segment.id).member_count == 3
    buy(admin, 5)
    assert admin.segments.recompute_and_wait(segment.id).member_count == 5
    products = admin.product_segments.create(name="all")
    assert admin.product_segments.recompute_and_wait(products.id).last_computed_at


def test_recompute_and_wait_asks_ever_more_slowly_and_gives_up() -> None:
    state = ok({"id": 1, "last_computed_at": "2027-01-05T09:30:00Z"})
    admin, transport, clock = scripted(state, ok({"status": "queued"}), *[state] * 99)
    with pytest.raises(SegOpsTimeoutError, match="the computation of the segment did not finish within 20 s"):
        admin.segments.recompute_and_wait(1, timeout=20)
    assert clock.sleeps[:3] == [0.25, 0.375, 0.5625]
    assert max(clock.sleeps) == 5.0
    assert sum(clock.sleeps) == pytest.approx(20)
    assert targets(transport)[1] == "POST /api/segments/1/compute/"


# Exports.


def test_an_export_of_a_slow_server_is_waited_for() -> None:
    pending = {"export_id": 5, "status": "pending"}
    done = {"id": 5, "status": "complete", "download_url": "/api/segments/exports/5/download/"}
    admin, transport, clock = scripted(
        ok(pending, 202), ok(pending), ok(pending), ok(done), Response(200, CSV, b"user_id\n")
    )
    stream = io.BytesIO()
    assert admin.segments.export_to(7, stream) == 8
    assert stream.getvalue() == b"user_id\n"
    assert targets(transport) == [
        "POST /api/segments/7/export/",
        *["GET /api/segments/7/export/?export_id=5"] * 3,
        "GET /api/segments/exports/5/download/",
    ]
    assert len(clock.sleeps) == 2


def test_a_failed_export_says_why() -> None:
    admin, _, _ = scripted(ok({"export_id": 5, "status": "failed", "error": "disk full"}, 202))
    with pytest.raises(SegOpsJobError, match="the export ended with status 'failed': disk full") as caught:
        admin.segments.export_to(7, io.BytesIO())
    assert caught.value.job["export_id"] == 5


def test_an_export_that_never_ends_times_out() -> None:
    admin, _, _ = scripted(*[ok({"id": 5, "status": "pending"})] * 99)
    with pytest.raises(SegOpsTimeoutError, match="the export"):
        admin.segments.wait_for_export(7, 5, timeout=3)


def test_a_page_is_exported(admin: SegOpsAdmin, tmp_path: Path) -> None:
    page = admin.pages.create(slug="shoes", query="best shoes")
    reported: list[tuple[int, int | None]] = []
    size = admin.pages.export_to(page.id, tmp_path / "page.html", progress=lambda *so_far: reported.append(so_far))
    assert b"<html" in (tmp_path / "page.html").read_bytes()
    assert reported[-1][0] == size
    job = admin.pages.export(page.id, format="json")
    assert admin.pages.wait_for_export(page.id, job.number).status == "complete"
    stream = io.BytesIO()
    assert admin.pages.download_export(job.number, stream) == len(stream.getvalue())


@pytest.mark.parametrize("target", ["", ".", "no/such/directory/x.csv", 5, None])
def test_a_target_that_cannot_be_written_is_refused_before_the_work(target: Any, tmp_path: Path) -> None:
    admin, transport, _ = scripted()
    if isinstance(target, str):
        target = tmp_path / target
    with pytest.raises(SegOpsArgumentError):
        admin.segments.export_to(7, target)
    with pytest.raises(SegOpsArgumentError):
        admin.pages.export_to(7, target)
    with pytest.raises(SegOpsArgumentError):
        admin.segments.download_export(7, target)
    assert transport.requests == []
    assert list(tmp_path.iterdir()) == []


# Downloads, over a real network.


def big(megabytes: int) -> bytes:
    return os.urandom(1024) * 1024 * megabytes


def test_a_large_file_is_streamed_with_progress(tmp_path: Path) -> None:
    content = big(5)
    reported: list[tuple[int, int | None]] = []
    with FaultServer(respond(200, content, CSV)) as server, SegOpsAdmin(KEY, base_url=server.url) as admin:
        size = admin.segments.download_export(7, tmp_path / "x", progress=lambda *so_far: reported.append(so_far))
    assert size == len(content)
    assert (tmp_path / "x").read_bytes() == content
    assert len(reported) > 10
    assert reported[-1] == (len(content), len(content))
    assert [done for done, _ in reported] == sorted(done for done, _ in reported)
    assert (tmp_path / "x").stat().st_mode & 0o077 == 0


def test_a_broken_download_starts_over(tmp_path: Path) -> None:
    content = big(1)
    with (
        FaultServer(cut(700_000, raw(200, content, CSV)), reset(), respond(503), respond(200, content, CSV)) as server,
        SegOpsAdmin(KEY, base_url=server.url, retry=QUICK) as admin,
    ):
        admin.segments.download_export(7, str(tmp_path / "x"))
    assert (tmp_path / "x").read_bytes() == content
    assert len(server.journal) == 4


def test_a_broken_download_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("what was there before")
    faults = [cut(700_000, raw(200, big(1), CSV))] * 2
    with (
        FaultServer(*faults) as server,
        SegOpsAdmin(KEY, base_url=server.url, retry=QUICK, max_retries=1) as admin,
        pytest.raises(SegOpsTransportError),
    ):
        admin.segments.download_export(7, tmp_path / "x")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"x": "what was there before"}


def test_what_an_open_stream_was_given_is_not_given_again() -> None:
    stream = io.BytesIO()
    with (
        FaultServer(respond(500), cut(700_000, raw(200, big(1), CSV)), respond(200, b"again")) as server,
        SegOpsAdmin(KEY, base_url=server.url, retry=QUICK) as admin,
        pytest.raises(SegOpsTransportError) as caught,
    ):
        admin.segments.download_export(7, stream)
    assert caught.value.attempts == 2
    assert 0 < len(stream.getvalue()) < 700_000


def test_a_silent_download_is_given_up(tmp_path: Path) -> None:
    with (
        FaultServer(drip()) as server,
        SegOpsAdmin(KEY, base_url=server.url, max_retries=0) as admin,
        pytest.raises(SegOpsTimeoutError),
    ):
        admin.segments.download_export(7, tmp_path / "x", timeout=0.3)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_an_error_and_no_file(tmp_path: Path) -> None:
    with (
        FaultServer(respond(404, b'{"detail":"Not found."}')) as server,
        SegOpsAdmin(KEY, base_url=server.url) as admin,
        pytest.raises(SegOpsNotFoundError) as caught,
    ):
        admin.segments.download_export(7, tmp_path / "x")
    assert caught.value.text == '{"detail":"Not found."}'
    assert caught.value.body == {"detail": "Not found."}
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_not_a_network_error() -> None:
    class Full(io.BytesIO):
        def write(self, data: Any, /) -> int:
            raise OSError(28, f"No space left for {len(data)} bytes")

    with (
        FaultServer(respond(200, b"x", CSV)) as server,
        SegOpsAdmin(KEY, base_url=server.url) as admin,
        pytest.raises(OSError, match="No space left"),
    ):
        admin.segments.download_export(7, Full())
    assert len(server.journal) == 1


@pytest.mark.parametrize("name", ["x" * 300, "\0", "/proc/self/members.csv"])
def test_a_name_that_the_system_refuses_is_an_error_and_no_file(name: str, tmp_path: Path) -> None:
    admin, transport, _ = scripted()
    with pytest.raises(SegOpsArgumentError, match=r"cannot be|invalid file name"):
        admin.segments.download_export(7, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    assert transport.requests == []


def test_a_long_name_is_as_good_as_any(tmp_path: Path) -> None:
    admin, _, _ = scripted(Response(200, CSV, b"x"))
    admin.segments.download_export(7, tmp_path / ("🛒" * 60))
    assert (tmp_path / ("🛒" * 60)).read_bytes() == b"x"


def test_a_name_that_is_taken_meanwhile_is_an_error_and_no_file(tmp_path: Path) -> None:
    admin, _, _ = scripted(Response(200, CSV, b"x"))
    with pytest.raises(SegOpsArgumentError, match="cannot be written"):
        admin.segments.download_export(7, tmp_path / "x", progress=lambda *_: (tmp_path / "x").mkdir())
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


def test_an_endless_response_is_not_kept_in_memory() -> None:
    memory = MemorySink(limit=100)
    write = memory.start(Response(200))
    write(b"x" * 100)
    with pytest.raises(SegOpsResponseError, match="larger than 100 bytes"):
        write(b"x")


@pytest.mark.parametrize("redirects", [1, 0])
def test_a_file_on_another_server_is_fetched_without_the_key(redirects: int, tmp_path: Path) -> None:
    with FaultServer(respond(200, b"members", CSV)) as storage, FaultServer() as server:
        url = f"{storage.url}/bucket/x.csv?X-Signature=a%2Fb"
        server.add(redirect(url, 302))
        job = ExportJob({"id": 5, "status": "complete", **({} if redirects else {"download_url": url})})
        with SegOpsAdmin(KEY, base_url=server.url) as admin:
            assert admin.segments.download_export(job, tmp_path / "x") == 7
    (fetched,) = storage.journal
    assert fetched.target == "/bucket/x.csv?X-Signature=a%2Fb"
    assert "authorization" not in fetched.headers
    assert KEY not in str(fetched)
    assert len(server.journal) == redirects
    assert all(received.headers["authorization"] == f"ApiKey {KEY}" for received in server.journal)


def test_a_url_of_the_same_server_has_the_key(tmp_path: Path) -> None:
    with FaultServer(respond(200, b"x", CSV)) as server, SegOpsAdmin(KEY, base_url=f"{server.url}/prefix/api") as admin:
        url = f"{server.url}/prefix/api/segments/exports/5/download/?a=1"
        admin.segments.download_export(ExportJob({"id": 5, "download_url": url}), tmp_path / "x")
    (received,) = server.journal
    assert received.target == "/prefix/api/segments/exports/5/download/?a=1"
    assert received.headers["authorization"] == f"ApiKey {KEY}"


def test_redirects_in_a_circle_end(tmp_path: Path) -> None:
    with (
        FaultServer(*[redirect("/api/segments/exports/5/download/", 302)] * 9) as server,
        SegOpsAdmin(KEY, base_url=server.url) as admin,
        pytest.raises(SegOpsResponseError, match="redirected more than"),
    ):
        admin.segments.download_export(5, tmp_path / "x")
    assert len(server.journal) == 5


@pytest.mark.parametrize(
    "url", ["http://example.org/x", "ftp://example.org/x", "file:///etc/passwd", "javascript://x/"]
)
def test_a_file_is_not_fetched_from_just_anywhere(url: str, tmp_path: Path) -> None:
    for base in ("https://example.com", "memory:"):
        admin = SegOpsAdmin(KEY, base_url=base, max_retries=0)
        with pytest.raises((SegOpsResponseError, SegOpsArgumentError)):
            admin.segments.download_export(ExportJob({"id": 5, "download_url": url}), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_strange_download_url_is_refused(tmp_path: Path) -> None:
    admin, _, _ = scripted()
    with pytest.raises(SegOpsResponseError, match="download_url must be a string"):
        admin.segments.download_export(ExportJob({"id": 5, "download_url": 7}), tmp_path / "x")


def test_an_interrupt_leaves_no_half_file(tmp_path: Path) -> None:
    program = """
import sys
from segops import SegOpsAdmin
admin = SegOpsAdmin("sk_1", base_url=sys.argv[1])
admin.segments.download_export(5, "members.csv", progress=lambda done, total: print(done, flush=True))
"""
    with FaultServer(drip()) as server:
        command = [sys.executable, "-c", program, server.url]
        with subprocess.Popen(
            command, cwd=tmp_path, env=unmeasured(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()  # it has begun
            assert [file.suffix for file in tmp_path.iterdir()] == [".part"]
            child.send_signal(signal.SIGINT)
            _, errors = child.communicate(timeout=60)
    assert b"KeyboardInterrupt" in errors
    assert list(tmp_path.iterdir()) == []


# CSV imports.


@pytest.mark.parametrize("kind", ["path", "text path", "bytes", "stream"])
def test_a_csv_file_is_imported_in_one_call(kind: str, admin: SegOpsAdmin, tmp_path: Path) -> None:
    content = "\ufeffsku,name,price\nA-1,Böot,12.5\nA-2,Shoe,9\n".encode()
    path = tmp_path / "übung.csv"
    path.write_bytes(content)
    file: Any = {"path": path, "text path": str(path), "bytes": content, "stream": io.BytesIO(content)}[kind]
    job = admin.products.import_and_wait(file)
    assert (job.status, job.number, job.created) == ("done", 1, 2)
    assert [product.name for product in admin.products.iterate()] == ["Böot", "Shoe"]


def test_an_import_step_by_step(admin: SegOpsAdmin) -> None:
    job = admin.products.import_csv(b"code,title\nA-1,Boot\n", filename='a"b.csv')
    assert (job.status, job.headers) == ("mapping", ["code", "title"])
    admin.products.confirm_import(job.job_id, {"mapping": {"code": "sku", "title": "name"}}, confirmed=True)
    assert admin.products.import_status(job.job_id).status == "done"
    assert admin.products.list()[0].sku == "A-1"


def test_an_import_that_is_still_running_is_waited_for() -> None:
    running = ok({"job_id": 4, "status": "importing"})
    uploaded = ok({"job_id": 4, "status": "mapping", "suggested_mapping": {"a": "sku"}}, 201)
    admin, transport, _ = scripted(uploaded, Response(204), running, running, ok({"job_id": 4, "status": "done"}))
    assert admin.products.import_and_wait(b"a\n1\n").status == "done"
    assert targets(transport)[1:] == ["POST /api/pim/import/4/confirm/", *["GET /api/pim/import/4/"] * 3]
    assert transport.requests[1].body == b'{"mapping":{"a":"sku"},"confirmed":true}'


def test_a_failed_import_says_why(admin: SegOpsAdmin) -> None:
    with pytest.raises(SegOpsJobError, match="the import ended with status 'failed'"):
        admin.products.import_and_wait(b"sku,name\n,Boot\n")
    with pytest.raises(SegOpsBadRequestError):
        admin.products.import_and_wait(b"sku,name\nA,Boot\n", mapping={"no such column": "sku"})


@pytest.mark.parametrize(
    "content", [b"", b" \n", b"\x89PNG\r\n\x1a\n\x00\x00", b"a,b\n\x00,1", "ä,b\n1,2".encode("latin-1")]
)
def test_a_file_that_is_not_csv_is_rejected_before_it_is_sent(content: bytes, tmp_path: Path) -> None:
    admin, transport, _ = scripted()
    (tmp_path / "x.csv").write_bytes(content)
    for file in (content, tmp_path / "x.csv"):
        with pytest.raises(SegOpsArgumentError, match=r"(products|x)\.csv is (empty|not a CSV)"):
            admin.products.import_and_wait(file)
    assert transport.requests == []


@pytest.mark.parametrize("file", ["missing.csv", ".", "a\0b", 5, io.StringIO("a,b")])
def test_a_file_that_cannot_be_read_is_refused(file: Any, tmp_path: Path) -> None:
    admin, transport, _ = scripted()
    if isinstance(file, str):
        file = tmp_path / file
    with pytest.raises(SegOpsArgumentError):
        admin.products.import_csv(file)
    assert transport.requests == []


# Bulk upserts.


def rows(count: int) -> list[dict[str, Any]]:
    return [{"sku": f"S-{number}", "name": "x", "data": {"n": number}} for number in range(count)]


def skus(request: Request) -> list[str]:
    return [row["sku"] for row in msgspec.json.decode(request.body)["products"]]


def test_any_iterable_is_cut_by_count(admin: SegOpsAdmin) -> None:
    reported: list[int] = []
    report = admin.products.bulk_upsert(
        (row for row in rows(25)), batch_size=10, progress=lambda report: reported.append(report.created)
    )
    assert (report.created, report.updated, report.errors) == (25, 0, [])
    assert reported == [10, 20, 25]
    assert admin.products.list().count == 25
    assert admin.products.bulk_upsert(rows(26)).to_dict() == {"created": 1, "updated": 25, "errors": []}


def test_rows_are_cut_by_bytes_and_stay_in_order() -> None:
    admin, transport, _ = scripted(*[ok({"created": 1, "updated": 0})] * 99)
    given = [{"sku": f"S-{number}", "name": "x" * (number * 7 % 90)} for number in range(40)]
    assert admin.products.bulk_upsert(given, max_bytes=200).created == len(transport.requests)
    assert [sku for request in transport.requests for sku in skus(request)] == [row["sku"] for row in given]
    frame = len(b'{"products":[]}')
    assert all(len(request.body) <= 200 + frame for request in transport.requests)
    assert len(transport.requests) < 40


def test_bad_rows_are_reported_by_their_place_and_the_others_stored(admin: SegOpsAdmin) -> None:
    given: list[Any] = [
        {"sku": "A"},
        {"name": "no sku"},
        5,
        {"sku": "B", "data": object()},
        {"sku": "C" * 500},
        {"sku": "D"},
    ]
    report = admin.products.bulk_upsert(given, batch_size=2, max_bytes=400)
    assert (report.created, [error["index"] for error in report.errors]) == (2, [1, 2, 3, 4])
    assert [error["sku"] for error in report.errors] == [None, None, "B", "C" * 500]
    assert "sku" in report.errors[0]["errors"]
    assert "more than max_bytes" in report.errors[3]["errors"]["row"][0]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_request_is_halved_down_to_the_bad_row(status: int) -> None:
    def picky(request: Request) -> Response:
        if "S-6" in skus(request):
            return ok({"products": ["bad"]}, status)
        return ok({"created": len(skus(request)), "errors": []})

    admin, _, _ = scripted(*[picky] * 99)
    report = admin.products.bulk_upsert(rows(10))
    assert report.created == 9
    assert report.errors == [{"index": 6, "sku": "S-6", "errors": {"products": ["bad"]}}]


def test_another_refusal_stops_it_and_what_was_reported_stands() -> None:
    admin, _, _ = scripted(ok({"created": 2}), 500, max_retries=0)
    last: list[UpsertReport] = []
    with pytest.raises(SegOpsServerError):
        admin.products.bulk_upsert(rows(6), batch_size=2, progress=last.append)
    assert last[-1].created == 2


def test_what_the_server_says_about_rows_is_placed() -> None:
    errors = [{"sku": "S-3", "errors": "x"}, {"index": 0}, {"index": 99, "sku": "?"}, "odd"]
    admin, _, _ = scripted(ok({}), ok({"errors": errors}), ok("odd"), Response(400, {}, b"<html>"))
    report = admin.products.bulk_upsert(rows(7), batch_size=2)
    assert [error["index"] for error in report.errors] == [2, 2, 2, 3, 6]
    assert "returned 400 Bad Request" in report.errors[-1]["errors"]["row"][0]


@pytest.mark.parametrize("given", [{"sku": "A"}, "text", b"bytes"])
def test_rows_that_are_not_mappings_are_rejected(given: Any) -> None:
    with pytest.raises(SegOpsArgumentError, match="rows must be a list of mappings"):
        scripted()[0].products.bulk_upsert(given)
    with pytest.raises(SegOpsArgumentError, match="at least 1"):
        scripted()[0].products.bulk_upsert([], batch_size=0)
    assert scripted()[0].products.bulk_upsert([]).created == 0


def test_many_threads_share_one_admin(local: LocalSegOps) -> None:
    admin = SegOpsAdmin(transport=LocalTransport(local))

    def work() -> None:
        for _ in range(10):
            admin.segments.create(name="x")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert admin.segments.list().count == 80
