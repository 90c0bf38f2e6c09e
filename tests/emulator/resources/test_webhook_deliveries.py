"""Register, sign, and deliver webhooks, and log their deliveries."""

from __future__ import annotations

import json

import pytest

from segops.webhooks import parse_webhook, verify_webhook
from tests.emulator.api_client import Api
from tests.emulator.local_service import event
from tests.rig.waiting import wait_until
from tests.rig.webhook_receiver import WebhookReceiver

P = "/webhooks/"


def settle(api: Api) -> None:
    assert api.segops.wait(60)


def test_a_recompute_is_signed_and_delivered_to_all_active_hooks(both: Api) -> None:
    both.track(event(1), event(2))
    with WebhookReceiver() as server:
        both("POST", P, {"url": server.url, "secret": "whsec_test"})
        both("POST", P, {"url": server.url, "secret": None, "description": "unsigned"})
        both("POST", P, {"url": server.url, "is_active": False})
        segment = both.segment("Café")
        settle(both)
        assert len(server.received) == 2
        signed = next((body, header) for body, header in server.received if header)
        unsigned = next(body for body, header in server.received if not header)
    assert verify_webhook(signed[0], signed[1], "whsec_test")
    assert not verify_webhook(signed[0], signed[1], "other")
    parsed = parse_webhook(*signed, "whsec_test")
    assert (parsed.event, parsed.tenant_slug, parsed.segment_id) == ("segment.recomputed", "local", segment)
    assert (parsed.segment_name, parsed.member_count) == ("Café", 2)
    assert json.loads(unsigned)["computed_at"] == "2026-01-01T00:00:00Z"
    (delivery,) = both("GET", f"{P}1/deliveries/")["results"]
    assert (delivery["status_code"], delivery["error"], delivery["segment_id"]) == (200, None, segment)
    assert delivery["payload"].encode() == signed[0]
    assert both("GET", f"{P}3/deliveries/")["count"] == 0


def test_one_attempt_no_redirect_and_the_failure_is_kept(api: Api) -> None:
    with WebhookReceiver() as server:
        server.status = 302
        api("POST", P, {"url": server.url})
        segment = api.segment()
        settle(api)
        server.status = 500
        api.compute(segment)
        settle(api)
        assert len(server.received) == 2
    api.compute(segment)
    settle(api)
    codes = [(each["status_code"], each["error"]) for each in api("GET", f"{P}1/deliveries/")["results"]]
    assert codes[1:] == [(500, "unexpected status 500"), (302, "unexpected status 302")]
    assert codes[0][0] is None
    assert codes[0][1]


def test_the_guard_of_tests_blocks_a_hook_beyond_this_machine(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGOPS_GUARD", "block")
    with WebhookReceiver() as server:
        api("POST", P, {"url": "https://hooks.example.com/secret-path"})
        api("POST", P, {"url": server.url})
        api.segment()
        settle(api)
        assert len(server.received) == 1
    [delivery] = api("GET", f"{P}1/deliveries/")["results"]
    assert delivery["status_code"] is None
    assert "segops_guard blocks requests to https://hooks.example.com in tests" in delivery["error"]


def test_hooks_are_called_in_parallel_and_the_request_does_not_wait(api: Api) -> None:
    with WebhookReceiver() as slow, WebhookReceiver() as fast:
        slow.gate.clear()
        api("POST", P, {"url": slow.url})
        api("POST", P, {"url": fast.url})
        api.segment()
        assert wait_until(lambda: slow.received and fast.received)
        assert not api.segops.wait(0)
        slow.gate.set()
        settle(api)
    assert api("GET", f"{P}1/deliveries/")["count"] == 1


def test_a_hook_deleted_meanwhile_keeps_nothing(api: Api) -> None:
    with WebhookReceiver() as slow:
        slow.gate.clear()
        api("POST", P, {"url": slow.url})
        api.segment()
        api("DELETE", f"{P}1/")
        slow.gate.set()
        settle(api)
    assert api.segops._database.query("SELECT count(*) FROM webhook_deliveries") == [(0,)]


def test_close_waits_for_deliveries(api: Api) -> None:
    with WebhookReceiver() as server:
        api("POST", P, {"url": server.url})
        api.segment()
        api.segops.close()
        assert len(server.received) == 1
        assert api("GET", f"{P}1/deliveries/")["count"] == 1


def test_a_hook_lives_and_dies_and_keeps_its_secret(both: Api) -> None:
    made = both("POST", P, {"url": "https://shop.example.org/hook", "secret": "s3"})
    assert (made["secret"], made["is_active"], made["description"]) == ("***", True, "")
    assert both("PATCH", f"{P}1/", {"secret": "***", "description": "x"})["secret"] == "***"
    assert both.segops._database.query("SELECT secret FROM webhooks") == [("s3",)]
    assert both("PUT", f"{P}1/", {"url": "http://localhost:1/"})["secret"] == ""
    assert both.status("DELETE", f"{P}1/") == (204, None)
    assert both.status("GET", f"{P}1/deliveries/")[0] == 404


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example.org/",
        "ftp://127.0.0.1/",
        "https://",
        "https://a b/",
        "https://[::1/",
        "https://a:99999/",
        "https://a:0/",
        "http://127.0.0.1.example.org/",
        "https://ü.example/",
        "javascript:alert(1)",
        "",
    ],
)
def test_a_bad_url_is_rejected(api: Api, url: str) -> None:
    status, errors = api.status("POST", P, {"url": url})
    assert (status, set(errors)) == (400, {"url"})


def test_a_loopback_url_may_be_http(api: Api) -> None:
    for url in ("http://127.0.0.1:5/", "http://[::1]:5/", "http://localhost/"):
        assert api("POST", P, {"url": url})["url"] == url
