"""The responses of `segops dev`, over real sockets."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from pathlib import Path

import pytest

from segops import SegOpsClient, SegOpsConfigError, sign_user_id
from segops.core import BATCH_PATH, SESSION_PATH, SINGLE_PATH
from segops.devserver.server import DevServer
from segops.emulator import LocalSegOps
from tests.devserver.dev_rig import Stream, ask, connect, exchange
from tests.rig.programs import DevProcess


def key(local: LocalSegOps) -> dict[str, str]:
    return {"Authorization": f"ApiKey {local.secret_key}"}


def event(number: int = 0, **members: object) -> dict[str, object]:
    return {"user_id": f"user-{number}", "event_type": "order_placed", "payload": {"n": number}, **members}


def store(url: str, local: LocalSegOps, *events: dict[str, object]) -> None:
    status, response = ask(url, BATCH_PATH, {"events": events}, headers=key(local))
    assert status == 202, response


def test_the_api_is_that_of_the_local_segops(url: str, local: LocalSegOps) -> None:
    assert ask(url, SINGLE_PATH, event(), headers=key(local)) == (202, {"queued": True})
    assert ask(url, SINGLE_PATH, event()) == (401, {"detail": "Authentication credentials were not provided."})
    assert ask(url, SINGLE_PATH, b"{", headers=key(local))[0] == 400
    assert ask(url, "/api/nothing/") == (404, {"detail": "Not found."})
    assert ask(url, "/nothing") == (404, {"detail": "Not found."})
    assert ask(url, SINGLE_PATH, method="PUT") == (405, {"detail": 'Method "PUT" not allowed.'})
    assert ask(url, "//api/ingestion/track/", event(), headers=key(local))[0] == 404
    assert ask(url, "/api/%69ngestion/track/", event(), headers=key(local))[0] == 404
    assert [stored.user_id for stored in local.events()] == ["user-0"]


def test_a_session_is_opened_with_a_signature(url: str, local: LocalSegOps) -> None:
    public = local.create_key("public", require_signature=True)
    signed = sign_user_id(public.signing_secret, "zoë")
    status, response = ask(
        url,
        SESSION_PATH,
        signed,
        headers={"Authorization": f"ApiKey {public.key}"},
    )
    assert (status, response["uid"]) == (200, "zoë")


def test_one_connection_serves_many_requests(url: str, local: LocalSegOps) -> None:
    connection = connect(url)
    connection.connect()
    sock = connection.sock
    for number in range(5):
        connection.request("POST", SINGLE_PATH, json.dumps(event(number)), key(local))
        assert connection.getresponse().read() == b'{"queued":true}'
        assert connection.sock is sock
    connection.close()


@pytest.mark.parametrize("size", [10 * 1024 * 1024 + 1, 20 * 1024 * 1024])
def test_a_body_that_is_too_large_is_rejected_and_the_server_goes_on(url: str, local: LocalSegOps, size: int) -> None:
    assert ask(url, SINGLE_PATH, b" " * size, headers=key(local))[0] == 413
    assert ask(url, SINGLE_PATH, event(), headers=key(local))[0] == 202


def test_a_client_that_leaves_in_the_middle_does_no_harm(server: DevServer, local: LocalSegOps) -> None:
    host, port = server.info.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as sock:
        sock.sendall(b"POST /api/ingestion/track/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert ask(server.info.url, SINGLE_PATH, event(), headers=key(local))[0] == 202
    assert len(local.requests()) == 1


def test_a_bug_becomes_a_response(url: str, local: LocalSegOps, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_database: object, _what: object) -> None:
        raise SystemError("broken")

    local.faults.sleep = broken  # type: ignore[assignment] # takes two arguments, and gets one
    local.faults.add("* * delay=1")
    assert ask(url, "/api/nothing/") == (500, {"detail": "Internal server error."})
    assert "failed to handle a request" in caplog.text


@pytest.mark.parametrize("path", ["/", "/_dev/info", "/_dev/events", "/_dev/stream", "/_dev/faults"])
def test_other_names_and_other_sites_learn_nothing(url: str, path: str) -> None:
    port = url.rsplit(":", 1)[1]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "", f"[::2]:{port}"):
        status, _, body = exchange(url, path, headers={"Host": host})
        assert status in (400, 403), host
        assert b"sk_" not in body
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{port}"):
        assert exchange(url, path, headers={"Origin": origin})[0] == 403


def test_the_names_of_this_machine_are_welcome(url: str) -> None:
    port = url.rsplit(":", 1)[1]
    for host in ("127.0.0.1", f"localhost:{port}", f"[::1]:{port}"):
        assert ask(url, "/_dev/info", headers={"Host": host, "Origin": f"http://{host}"})[0] == 200


def test_the_page_may_run_nothing_but_itself(url: str) -> None:
    status, headers, body = exchange(url, "/")
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert b"http://" not in body.replace(b"http://www.w3.org/2000/svg", b"")
    assert b"https://" not in body
    assert b"innerHTML" not in body


def test_events_are_paged_and_filtered(url: str, local: LocalSegOps) -> None:
    store(url, local, *(event(number, event_type=f"type_{number % 2}") for number in range(30)))
    store(url, local, event(77, payload={"note": "Blue Notebook"}))
    newest = ask(url, "/_dev/events?limit=10")[1]
    assert [each["id"] for each in newest["events"]] == list(range(31, 21, -1))
    older = ask(url, "/_dev/events?limit=10&before=22")[1]["events"]
    assert [each["id"] for each in older] == list(range(21, 11, -1))
    assert len(ask(url, "/_dev/events?type=type_1")[1]["events"]) == 15
    assert [each["user_id"] for each in ask(url, "/_dev/events?user=USER-7")[1]["events"]] == ["user-77", "user-7"]
    assert [each["id"] for each in ask(url, "/_dev/events?text=blue%20note")[1]["events"]] == [31]
    assert ask(url, "/_dev/events?text=%25&limit=bad&before=-1")[1]["events"] == []


def test_one_event_says_who_sent_it_and_what_came_of_it(url: str, local: LocalSegOps) -> None:
    with SegOpsClient(url, local.secret_key) as client:
        client.track_page_view("ada", url="https://shop.example/x", referrer="https://claude.ai/")
        client.track(user_id="ada", event_type="order_placed", payload={"big": 2**62 + 1, "odd": "\u202e"})
    with SegOpsClient(url, local.public_key, get_user=lambda: {"user_id": "bob"}) as client:
        client.track(user_id="bob", event_type="order_placed")
    viewed, referral, order, session = (ask(url, f"/_dev/events/{number}")[1] for number in range(1, 5))
    assert (viewed["added_to"], viewed["added"]["id"]) == (None, 2)
    assert (referral["added_to"], referral["added"]) == ("page_viewed", None)
    assert (order["added_to"], order["key_kind"], order["key_id"]) == (None, "secret", 1)
    assert json.loads(order["payload"])["big"] == 2**62 + 1
    assert (session["key_kind"], session["user_id"]) == ("public", "bob")
    assert ask(url, "/_dev/events/5")[0] == 404
    assert ask(url, "/_dev/events/99999999999999999999999")[0] == 404


def test_rejected_events_are_listed_with_the_reason(url: str, local: LocalSegOps) -> None:
    assert ask(url, SINGLE_PATH, {"user_id": ""}, headers=key(local))[0] == 400
    store(url, local, {"user_id": 5, "event_type": "t"}, event(), event(occurred_at="soon", payload={"x": "y" * 9000}))
    skips = ask(url, "/_dev/skipped?limit=9")[1]
    assert [skip["id"] for skip in skips] == [3, 2, 1]
    assert len(skips[0]["body"]) == 4000
    assert "Use ISO 8601" in skips[0]["reason"]
    assert "Expected `str`, got `int`" in skips[1]["reason"]
    assert json.loads(skips[2]["reason"])["event_type"] == ["This field is required."]
    assert {skip["key_kind"] for skip in skips} == {"secret"}


def test_rejected_events_are_forgotten_after_10000(url: str, local: LocalSegOps) -> None:
    for _ in range(21):
        store(url, local, *({} for _ in range(500)))
    assert [skip.id for skip in local.inspection.rejected_after(0, 1)] == [501]


def test_the_overview_counts(url: str, local: LocalSegOps) -> None:
    store(url, local, event(1), event(1, payload={"total": 2.5}), event(2, event_type="other"), {})
    view = ask(url, "/_dev/overview")[1]
    assert (view["events"], view["users"], view["total_spend"]) == (3, 2, 2.5)
    assert view["by_type"] == [["order_placed", 2], ["other", 1]]
    assert view["position"] == {"event": 3, "skipped": 1}


def test_requests_are_listed_once(url: str, local: LocalSegOps) -> None:
    store(url, local, event())
    exchange(url, "/api/nothing/", headers={"X-Requested-By": "me"})
    first, second = ask(url, "/_dev/requests")[1]
    assert (first["path"], first["status"], first["count"]) == (BATCH_PATH, 202, 1)
    assert (second["status"], second["agent"]) == (404, "me")
    assert ask(url, f"/_dev/requests?after={second['id']}")[1] == []
    assert ask(url, f"/_dev/requests?after={first['id']}")[1] == [second]
    assert ask(url, "/_dev/requests?after=99999")[1] == []


def test_referrals_and_segments_over_time(url: str, local: LocalSegOps) -> None:
    with SegOpsClient(url, local.secret_key) as client:
        for referrer in ("https://claude.ai/", "https://chatgpt.com/", "https://claude.ai/"):
            client.track_page_view(
                "a", url="https://s.example/p", referrer=referrer, occurred_at="2026-01-02T00:00:00Z"
            )
    found = ask(url, "/_dev/referrals")[1]
    assert found["by_day"] == [["2026-01-02", "claude", 2], ["2026-01-02", "chatgpt", 1]]
    assert found["landings"] == [["https://s.example/p", 3]]
    condition = {"type": "event_count", "event_type": "page_viewed", "operator": "gte", "value": 1}
    body = {"name": "Visitors", "definition": {"logic": "AND", "conditions": [condition]}}
    segment = ask(url, "/api/segments/", body, headers=key(local))[1]["id"]
    assert ask(url, f"/_dev/segments/{segment}/history")[1] == []
    for number in range(2):
        store(url, local, event(number, event_type="page_viewed"))
        assert ask(url, f"/api/segments/{segment}/compute/", method="POST", headers=key(local))[0] == 202
    assert [count for _, count in ask(url, f"/_dev/segments/{segment}/history")[1]] == [2, 3]


def test_the_stream_takes_up_where_it_broke_off(url: str, local: LocalSegOps) -> None:
    store(url, local, event(0))
    with Stream(url) as stream:
        assert stream.start() == "start"
        store(url, local, event(1), event(2), {})
        first = stream.take(2)
    store(url, local, event(3), event(4))
    with Stream(url, last=stream.id) as stream:
        assert stream.start() == "start"
        second = stream.take(2)
    assert [each["id"] for each in first + second] == [2, 3, 4, 5]


def test_the_stream_loses_and_repeats_nothing_while_it_breaks_again_and_again(url: str, local: LocalSegOps) -> None:
    done = threading.Event()

    def send() -> None:
        for number in range(60):
            store(url, local, *(event(number) for _ in range(40)))
        done.set()

    sender = threading.Thread(target=send)
    with Stream(url, "?after=0") as stream:
        stream.start()
        last = stream.id
    sender.start()
    seen: list[int] = []
    while len(seen) < 2400:
        with Stream(url, last=last) as stream:
            stream.start()
            seen += [each["id"] for each in stream.take(1)]
            last = stream.id
    sender.join()
    assert done.is_set()
    assert seen == list(range(1, 2401))


def test_the_stream_filters(url: str, local: LocalSegOps) -> None:
    with Stream(url, "?type=wanted&after=0") as stream:
        stream.start()
        store(url, local, *(event(number) for number in range(499)), {})
        store(url, local, event(7, event_type="wanted"))
        assert [each["id"] for each in stream.take(1)] == [500]


def test_a_listener_to_another_database_is_reset_and_gets_all(url: str, local: LocalSegOps) -> None:
    store(url, local, event(1))
    with Stream(url, last="99.9.0123456789abcdef") as stream:
        assert stream.start() == "reset"
        assert [each["id"] for each in stream.take(1)] == [1]


def test_events_of_another_process_appear(tmp_path: Path, environment: dict[str, str]) -> None:
    path = tmp_path / "segops.db"
    with LocalSegOps(path) as local, DevServer(local) as server, Stream(server.info.url) as stream:
        stream.start()
        with DevProcess(environment, "--db", str(path)) as other:
            store(other.url, local, event(1))
        assert [each["user_id"] for each in stream.take(1)] == ["user-1"]


def test_an_open_stream_does_not_hold_up_the_end(local: LocalSegOps) -> None:
    with DevServer(local) as server, Stream(server.info.url) as stream:
        stream.start()
        started = time.monotonic()
        server.close()
        assert time.monotonic() - started < 30, "the stream goes on for as long as it is read"
        assert list(stream.messages()) == []
    host, port = server.info.url.removeprefix("http://").split(":")
    with pytest.raises(OSError, match="refused"), socket.create_connection((host, int(port))):
        pass


def test_a_port_in_use_or_a_foreign_address_is_rejected(server: DevServer, local: LocalSegOps) -> None:
    with pytest.raises(SegOpsConfigError, match="choose another port"):
        DevServer(local, port=int(server.info.url.rsplit(":", 1)[1]))
    with pytest.raises(SegOpsConfigError, match="choose another"):
        DevServer(local, host="192.0.2.1")
    with pytest.raises(SegOpsConfigError, match="--port must be at most 65535, got 65536"):
        DevServer(local, port=65536)


def test_a_server_on_all_addresses_shows_the_page_to_this_machine_only(local: LocalSegOps) -> None:
    address = _own_address()
    if address is None:
        pytest.skip("this machine has no address but the loopback's")
    with DevServer(local, "0.0.0.0") as server:
        here, port = server.info.url, server.info.url.rsplit(":", 1)[1]
        assert here == f"http://127.0.0.1:{port}"
        there = f"http://{address}:{port}"
        assert ask(here, "/_dev/info")[0] == 200
        assert ask(there, "/_dev/info")[0] == 200
        assert ask(there, "/_dev/info", headers={"Host": f"shop.example:{port}"})[0] == 403
        # To the server this is another machine: the connection comes from an address that it was not made to.
        other = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60, source_address=(address, 0))
        for path, status in (("/_dev/info", 403), ("/", 403), ("/api/nothing/", 404)):
            other.request("GET", path)
            response = other.getresponse()
            assert (response.status, b"sk_" in response.read()) == (status, False)
        other.close()


def _own_address() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        address = str(sock.getsockname()[0])
    return None if address.startswith("127.") else address


def test_100000_events_are_paged_in_good_time(local: LocalSegOps, url: str) -> None:
    for start in range(0, 100_000, 500):
        body = json.dumps({"events": [event(number) for number in range(start, start + 500)]})
        assert ask(url, BATCH_PATH, body.encode(), headers=key(local))[0] == 202
    started = time.monotonic()
    assert len(ask(url, "/_dev/events?text=user-54321")[1]["events"]) == 1
    assert ask(url, "/_dev/overview")[1]["events"] == 100_000
    assert time.monotonic() - started < 30  # takes 0.5 s; what grows without bounds takes minutes


def test_http_1_0_and_malformed_requests_are_survived(server: DevServer) -> None:
    host, port = server.info.url.removeprefix("http://").split(":")
    for request in (b"GET /api/x/ HTTP/1.0\r\n\r\n", b"\x00\x01\r\n\r\n", b"GET /a b HTTP/1.1\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=60) as sock:
            sock.sendall(request)
            assert sock.recv(100).startswith(b"HTTP/1.1 4")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.request("GET", "/_dev/info")
    assert connection.getresponse().status == 200
    connection.close()
