"""What is refused at construction, and secrets that show nowhere: rows 50, 65, 67 and 69."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from typing import Any

import msgspec
import pytest

from segops import SegOpsClient, UserContext
from segops.core import SESSION_PATH, Request, Response, SegOpsConfigError, SegOpsEventError
from segops.core.options import Limits
from segops.transports.memory import MemoryTransport
from tests.rig.harness import PUBLIC, SECRET, MakeRig, Reply, reply

TOKEN = "token.planted.secret_2"
SIGNATURE = "5ec4e7" * 10
PERSON = "planted.person@example.org"


@pytest.mark.parametrize(
    "key",
    [
        *["", " ", "live_1", "mk_live_1", "SK_live_1", "eyJhbGciOi", "sk-live", "Bearer sk_live_1", " sk_live_1"],
        *[
            "sk_live_1\n",
            "sk_live\r\nX-Evil: 1",
            "sk_\x00",
            "pk_\x7f",
            "sk_é",
            "sk_\u2028",
            "sk_a b",
            "sk_a\t",
            "\ufeffsk_a",
        ],
        *[b"sk_live_1", 5, ["sk_live_1"]],
    ],
)
def test_a_key_that_is_none_is_refused_and_not_shown(key: Any) -> None:
    """Rows 50 and 65."""
    with pytest.raises(SegOpsConfigError) as caught:
        SegOpsClient("https://api.example.org", key)
    text = str(key).strip()
    assert len(text) < 6 or text not in str(caught.value)


def test_no_key_at_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGOPS_API_KEY", raising=False)
    with pytest.raises(SegOpsConfigError, match="SEGOPS_API_KEY"):
        SegOpsClient("https://api.example.org")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "HTTP://example.org",
        "http://127.0.0.1.evil.com",
        "http://localhost.evil.com",
        "http://evil-localhost",
        "http://127.0.0.1@evil.com",
        "http://localhost:80@evil.com",
        "http://evil.com#127.0.0.1",
        "http://evil.com?localhost",
        "http://evil.com\\@127.0.0.1",
        "http://0.0.0.0",
        "http://[::]",
        "http://[::ffff:8.8.8.8]",
        "http://128.0.0.1",
        "http://10.0.0.1",
        "http://2130706433.evil.com",
        "http://localhost.",
        "http://127.0.0.1.",
        "http://\u217cocalhost",
        "http://",
        "http:///127.0.0.1",
    ],
)
def test_a_secret_key_does_not_cross_the_network_in_the_clear(url: str) -> None:
    """Row 69."""
    with pytest.raises(SegOpsConfigError):
        SegOpsClient(url, SECRET)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000",
        "http://127.1.2.3",
        "http://[::1]:8000",
        "http://localhost",
        "http://LOCALHOST:8000/api",
        "HTTP://LocalHost",
        "https://example.org",
        "HTTPS://example.org",
    ],
)
def test_loopback_and_tls_take_a_secret_key(url: str) -> None:
    """Row 69."""
    SegOpsClient(url, SECRET).shutdown()


def test_a_public_key_may_go_anywhere() -> None:
    SegOpsClient("http://example.org", PUBLIC).shutdown()


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 1.5},
        {"batch_size": "20"},
        {"flush_interval": -1},
        {"flush_interval": float("nan")},
        {"timeout": 0},
        {"timeout": float("inf")},
        {"timeout": None},
        {"worker": "process"},
        {"on_error": "print"},
        {"get_user": UserContext()},
        {"transport": 5},
        {"transport": "gopher://x"},
        {"api_url": "example.org"},
        {"api_url": "https://"},
        {"api_url": "https://x y"},
        {"api_url": f"https://user:{SECRET}@example.org"},
    ],
    ids=str,
)
def test_bad_options_are_refused_at_construction(options: dict[str, Any]) -> None:
    """Row 50."""
    with pytest.raises(SegOpsConfigError) as caught:
        SegOpsClient(**{"api_url": "https://api.example.org", "api_key": SECRET, **options})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("options", [{"batch_events": 501}, {"batch_events": 0}, {"max_bytes": -1}, {"hold": "5"}])
def test_bad_limits_are_refused(options: dict[str, Any]) -> None:
    """Row 50."""
    with pytest.raises(SegOpsConfigError):
        Limits(**options)


def test_options_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGOPS_API_URL", "http://127.0.0.1:9/api/")
    monkeypatch.setenv("SEGOPS_API_KEY", PUBLIC)
    client = SegOpsClient()
    assert client.transport.url == "http://127.0.0.1:9"
    assert "pk_" in repr(client)
    client.shutdown(0)
    given = SegOpsClient("https://example.org", SECRET)
    assert given.transport.url == "https://example.org"
    assert "sk_" in repr(given)
    given.shutdown(0)


@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
def test_the_sdk_can_be_turned_off(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SEGOPS_DISABLED", value)
    client = SegOpsClient(strict=True)
    client.track(user_id="", event_type="")
    client.identify({"nonsense": object()})
    client.track_page_view()
    client.reset_session()
    assert client.flush()
    assert client.shutdown()
    assert client.stats().accepted == 0


@pytest.mark.parametrize("value", ["", "0", "false", "No", "off"])
def test_the_sdk_is_on_otherwise(monkeypatch: pytest.MonkeyPatch, make: MakeRig, value: str) -> None:
    monkeypatch.setenv("SEGOPS_DISABLED", value)
    rig = make()
    rig.track("a")
    assert rig.client.flush()
    assert rig.server.stored == ["a"]


def test_url_and_key_may_be_positional() -> None:
    client = SegOpsClient("https://example.org", SECRET)
    assert client.transport.url == "https://example.org"
    client.shutdown()


def test_a_client_cannot_be_pickled_or_copied(make: MakeRig) -> None:
    """Row 30: the error names the remedy."""
    client = make().client
    for action in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="make one in each process"):
            action(client)


def quoting(request: Request) -> Response:
    """Refuse, and quote the credential, as careless servers do."""
    credential = request.headers["Authorization"]
    return reply(401, f'{{"detail": "{credential} is wrong"}}'.encode(), x_request=f"as {credential}; a=b")


@pytest.mark.parametrize("key", [SECRET, PUBLIC])
@pytest.mark.parametrize("where", ["session", "events"])
@pytest.mark.parametrize("failure", [400, 401, 403, 404, 413, 429, 503, 0])
def test_secrets_show_nowhere(
    make: MakeRig, caplog: pytest.LogCaptureFixture, key: str, where: str, failure: int
) -> None:
    """Row 67."""
    caplog.set_level(logging.DEBUG)

    def answer(request: Request) -> Reply:
        if request.path == SESSION_PATH and where == "events":
            body = b'{"token": "%b", "expires_at": "2099-01-01T00:00:00Z"}' % TOKEN.encode()
            return reply(200, body)
        if failure == 0:
            return OSError(f"broken by {request.headers['Authorization']}")
        quoted = quoting(request)
        return msgspec.structs.replace(quoted, status=failure)

    user = {"user_id": PERSON, "user_id_sig": SIGNATURE, "user_id_ts": 1}
    rig = make(answer, key=key, get_user=lambda: user)
    rig.client.track(user_id=PERSON, event_type="x", payload={"email": PERSON})
    rig.client.track(user_id=PERSON, event_type="x", payload={"email": object()})
    rig.client.track(user_id=PERSON, event_type="x", payload={"email": PERSON * 2000})
    rig.client.flush(400)
    assert len(rig.errors) >= 3
    pipeline = rig.client._pipeline
    shown = [
        *[record.getMessage() for record in caplog.records],
        *[f"{error!r} {error} {vars(error)}" for error in rig.errors],
        *["".join(traceback.format_exception(error)) for error in rig.errors],
        *[repr(each) for each in (rig.client, rig.client.stats(), rig.client._config, rig.client._key)],
        *[repr(each) for each in (*pipeline.dispatcher._outbox.in_memory, *rig.server.requests)],
        str(rig.client.stats()),
    ]
    for secret in (key, TOKEN, SIGNATURE, PERSON):
        assert not [text for text in shown if secret in text], secret


def test_a_memory_transport_shows_no_events() -> None:
    transport = MemoryTransport()
    with SegOpsClient(api_key=SECRET, transport=transport) as client:
        client.track(user_id=PERSON, event_type="x")
    assert PERSON not in repr(transport) + repr(transport.requests)


def test_strict_raises_and_counts(make: MakeRig) -> None:
    rig = make(strict=True)
    wrong: list[dict[str, Any]] = [
        {"user_id": ""},
        {"event_type": None},
        {"payload": {"x": object()}},
        {"payload": {"x": "y" * 40_000}},
    ]
    for bad in wrong:
        with pytest.raises(SegOpsEventError):
            rig.client.track(**{"user_id": "a", "event_type": "x", **bad})
    assert rig.client.stats().dropped == {"invalid": 3, "too_large": 1}
