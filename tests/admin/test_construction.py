"""Keys, URLs, options, and secrets (Admin SDK, "Quick start"; reliability table, rows 65, 67 and 69)."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import segops
from segops import SegOpsAdmin, SegOpsConfigError, hookimpl
from segops.emulator import LocalSegOps, LocalServer
from segops.plugins.admin import EndpointCall, Id, Receipt, Resource, endpoint
from segops.transports.memory import MemoryTransport
from tests.admin.admin_rig import KEY, ok, scripted


@pytest.mark.parametrize(
    "key", ["pk_live_1", "mk_live_1", "", "sk", "SK_1", "token", 7, "sk_ä", "sk_a\r\nX: y", "sk_a b"]
)
def test_only_a_secret_key_is_taken_and_none_is_shown(key: Any) -> None:
    """Row 65."""
    with pytest.raises(SegOpsConfigError) as caught:
        SegOpsAdmin(key, base_url="https://example.org")
    assert "live_1" not in str(caught.value)


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGOPS_API_KEY", raising=False)
    with pytest.raises(SegOpsConfigError, match="SEGOPS_API_KEY"):
        SegOpsAdmin()
    monkeypatch.setenv("SEGOPS_API_KEY", "pk_1")
    with pytest.raises(SegOpsConfigError, match="public key"):
        SegOpsAdmin()
    monkeypatch.setenv("SEGOPS_API_KEY", KEY)
    assert SegOpsAdmin().transport.url == "https://api.segops.ai"


@pytest.mark.parametrize("suffix", ["", "/", "/api", "/api/"])
def test_the_url_has_api_or_not(suffix: str, local: LocalSegOps, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalServer(local) as server:
        monkeypatch.setenv("SEGOPS_API_URL", f"{server.url}{suffix}")
        monkeypatch.setenv("SEGOPS_API_KEY", local.secret_key)
        with SegOpsAdmin() as admin:
            assert admin.segments.list().count == 0
        with SegOpsAdmin(local.secret_key, base_url=f"{server.url}{suffix}") as admin:
            assert admin.http.request("GET", "/segments/")["count"] == 0


@pytest.mark.parametrize(
    "url", ["http://example.org/api", "ftp://example.org", "example.org", "https://", "https://a/?b"]
)
def test_a_bad_url_is_an_error_of_construction(url: str) -> None:
    """Row 69."""
    with pytest.raises(SegOpsConfigError) as caught:
        SegOpsAdmin(KEY, base_url=url)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"max_retries": True},
        {"deadline": 0},
    ],
)
def test_a_bad_option_is_an_error_of_construction(options: dict[str, Any]) -> None:
    with pytest.raises(SegOpsConfigError, match=next(iter(options))):
        SegOpsAdmin(KEY, **options)
    with pytest.raises(SegOpsConfigError, match=next(iter(options))):
        SegOpsAdmin(KEY).with_options(**options)


def test_the_key_is_in_no_repr_and_no_pickle() -> None:
    """Row 67."""
    admin = SegOpsAdmin(KEY, base_url="https://example.org")
    for shown in (repr(admin), repr(admin.http), repr(admin.segments), repr(vars(admin))):
        assert "planted" not in shown
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(admin)
    assert copy.copy(admin).transport is admin.transport


def test_with_closes_the_transport() -> None:
    class Closing(MemoryTransport):
        closed = 0

        def close(self) -> None:
            self.closed += 1

    transport = Closing()
    with SegOpsAdmin(KEY, transport=transport):
        assert transport.requests == []
    assert transport.closed == 1


def test_an_offline_transport_needs_no_key_and_says_that_it_is_not_a_segops(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.delenv("SEGOPS_API_KEY", raising=False)
    with (
        SegOpsAdmin(base_url="stdout:") as admin,
        pytest.raises(segops.SegOpsTransportError, match="only events") as caught,
    ):
        admin.segments.list()
    assert caught.value.attempts == 1
    assert capfdbinary.readouterr().out == b""


def test_options_are_for_the_copy_alone() -> None:
    admin, transport, _ = scripted(503, ok({"id": 1}), max_retries=1)
    other = admin.with_options(max_retries=0, headers={"X-Trace": "7"})
    with pytest.raises(segops.SegOpsServerError):
        other.segments.get(1)
    assert admin.segments.get(1).id == 1
    assert [request.headers.get("X-Trace") for request in transport.requests] == ["7", None]


class Points(Resource):
    """Points of a loyalty scheme."""

    path = "/loyalty/points/"

    @endpoint("POST", "{collection}{user_id}/grant/")
    def grant(self, call: EndpointCall, user_id: Id, amount: int) -> Receipt:
        """Grant points."""
        return call.receipt(user_id=user_id, body={"amount": amount})


class LoyaltyPlugin:
    @hookimpl
    def segops_register_resources(self) -> dict[str, type[Resource]]:
        return {"points": Points}


def test_a_third_party_namespace_works_like_a_built_in_one() -> None:
    admin, transport, _ = scripted(ok({"status": "queued"}), ok({}), plugins=[LoyaltyPlugin()])
    assert admin.resource(Points).grant("u/1", amount=5).status == "queued"
    admin.points.grant("u-2", 6)  # type: ignore[attr-defined] # known at run time only
    assert [request.path for request in transport.requests] == [
        "/api/loyalty/points/u%2F1/grant/",
        "/api/loyalty/points/u-2/grant/",
    ]
    (method,) = [method for method in admin.methods if method.namespace == "points"]
    assert (method.verb, method.http_method, method.path) == ("grant", "POST", "/loyalty/points/{user_id}/grant/")
    assert str(method.signature) == "(user_id: 'Id', amount: 'int') -> 'Receipt'"
    assert "points" in dir(admin)
    assert "points" in admin.namespaces


def test_an_unknown_namespace_is_named() -> None:
    with pytest.raises(AttributeError, match=r"segmints.*segments"):
        SegOpsAdmin(KEY).segmints  # type: ignore[attr-defined] # noqa: B018 - the look-up is what is tested


def test_the_plugin_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGOPS_PLUGINS", "-admin")
    admin = SegOpsAdmin(KEY)
    assert admin.namespaces == {}
    assert not hasattr(admin, "segments")


def test_a_broken_plugin_is_reported_and_skipped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SEGOPS_PLUGINS", "no_such_plugin")
    assert SegOpsAdmin(KEY).namespaces
    assert "no_such_plugin" in caplog.text


def test_the_front_door_loads_it_on_first_use() -> None:
    assert segops.SegOpsAdmin is SegOpsAdmin
    assert {"SegOpsAdmin", "AsyncSegOpsAdmin"} <= set(segops.__all__)
