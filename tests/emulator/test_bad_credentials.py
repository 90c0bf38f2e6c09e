"""Invalid tokens, keys and origins are rejected."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from segops.core import BATCH_PATH, SESSION_PATH, SINGLE_PATH, Request
from segops.emulator import LocalSegOps
from tests.emulator.served import Served, forge, must_reject


def claims(served: Served, **changed: object) -> dict[str, object]:
    key = served.query("SELECT id FROM api_keys WHERE key = ?", served.public_key)[0][0]
    return {"uid": "u", "key": key, "exp": time.time() + 600, "jti": "x", **changed}


@pytest.fixture
def secret(served: Served) -> str:
    """The secret that signs the tokens: nobody else has it."""
    return str(served.query("SELECT value FROM settings WHERE name = 'token_secret'")[0][0])


def test_a_token_of_ours_would_pass(served: Served, secret: str) -> None:
    token = forge(secret, claims(served))
    assert served.ask("POST", SINGLE_PATH, {"user_id": "x", "event_type": "e"}, f"Bearer {token}").status == 202


def forged(served: Served, secret: str) -> Iterator[str]:
    """Yield tokens that are not good, each for another reason."""
    good = forge(secret, claims(served))
    head, body, signature = good.split(".")
    unsigned = forge(secret, claims(served), {"alg": "none", "typ": "JWT"}).rpartition(".")[0]
    yield forge(secret, claims(served, exp=time.time() - 1))
    yield forge(secret, claims(served, key=999_999))
    yield forge("00" * 32, claims(served))
    yield from (f"{unsigned}.", unsigned, f"{unsigned}.{signature}", f"{head}.{body}.", f"{head}.{body}")
    yield from (good[:-1], good[1:], good + "A", good + ".", f"{good}.{signature}", f".{good}", good[: len(good) // 2])
    yield f"{head}.{forge(secret, claims(served, uid='admin')).split('.')[1]}.{signature}"
    yield from ("", ".", "..", "...", "x", "null", "é" * 10, "A" * 60_000, "eyJ" * 300)
    another = LocalSegOps(public_key=served.public_key)
    opening = Request("POST", SESSION_PATH, {"authorization": f"ApiKey {served.public_key}"}, b'{"user_id": "u"}')
    yield json.loads(another.handle(opening).body)["token"]


def test_expired_and_forged_tokens_are_rejected(hostile: Served, secret: str) -> None:
    tokens = list(forged(hostile, secret))
    assert len(set(tokens)) > 20
    for token in tokens:
        for path in (SINGLE_PATH, BATCH_PATH, "/api/segments/", "/api/auth/api-keys/"):
            must_reject(hostile.ask("POST", path, {}, f"Bearer {token}".strip()), 401)


def test_unknown_keys_and_schemes_are_rejected(hostile: Served) -> None:
    key = hostile.secret_key
    wrong = [
        "",
        "ApiKey",
        "ApiKey ",
        "ApiKey sk_test_nobody",
        "ApiKey pk_test_nobody",
        f"ApiKey {key}x",
        f"ApiKey {key[:-1]}",
    ]
    wrong += [
        f"Bearer {key}",
        f"Basic {key}",
        key,
        f"ApiKey {key} {key}",
        f"ApiKey {key.upper()}",
        "ApiKey ' OR 1=1 --",
    ]
    wrong += ["ApiKey é", "ApiKey " + "x" * 50_000]
    for credential in wrong:
        for path in (SINGLE_PATH, BATCH_PATH, SESSION_PATH, "/api/segments/"):
            must_reject(hostile.ask("POST", path, {"user_id": "u", "event_type": "e"}, credential), 401)


def test_the_wrong_class_of_key_is_rejected(hostile: Served) -> None:
    token = forge(hostile.query("SELECT value FROM settings WHERE name = 'token_secret'")[0][0], claims(hostile))
    event = {"user_id": "u", "event_type": "e"}
    for path in (SINGLE_PATH, BATCH_PATH, "/api/segments/", "/api/pim/products/", "/api/auth/api-keys/"):
        must_reject(hostile.ask("POST", path, event, f"ApiKey {hostile.public_key}"), 403)
        must_reject(hostile.ask("POST", path, event, "ApiKey mk_test_x"), 403)
    for path in ("/api/segments/", "/api/explorer/users/", "/api/settings/"):
        must_reject(hostile.ask("GET", path, None, f"Bearer {token}"), 403)
    must_reject(hostile.ask("POST", SESSION_PATH, {}), 403)
    must_reject(hostile.ask("POST", "/api/auth/api-keys/", {"name": "x"}), 403)
    must_reject(hostile.ask("POST", SESSION_PATH, {}, f"Bearer {token}"), 403)


FOREIGN = [
    "https://evil.example",
    "https://shop.example.org.evil.example",
    "https://shop.example.org:444",
    "null",
    "*",
    "",
]
FOREIGN += [
    "http://shop.example.org",
    "https://a.b.example.net",
    "https://example.net",
    "https://evil-shop.example.org",
]
FOREIGN += ["https://shop.example.org/", "https://shop.example.org@evil.example", "é"]


def test_a_foreign_origin_gets_no_session(served: Served) -> None:
    with LocalSegOps(served.path) as segops:
        key = segops.create_key("public", origins=["https://shop.example.org", "https://*.example.net"]).key
    before = served.counts()
    for origin in FOREIGN:
        must_reject(
            served.ask("POST", SESSION_PATH, {"user_id": "u", "anonymous_id": "a"}, f"ApiKey {key}", Origin=origin), 403
        )
    must_reject(served.ask("POST", SESSION_PATH, {"user_id": "u", "anonymous_id": "a"}, f"ApiKey {key}"), 403)
    assert served.counts() == before
    for origin in ("https://shop.example.org", "https://a.example.net"):
        assert served.ask("POST", SESSION_PATH, {"user_id": "u"}, f"ApiKey {key}", Origin=origin).status == 200
