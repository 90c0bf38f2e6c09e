"""A third-party spool, registered by hook or passed as an object: outage, restart and public keys."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from segops import SegOpsClient, SegOpsConfigError, SegOpsPluginError, UserContext, hookimpl
from segops.core import (
    ADOPTED,
    Batch,
    Claim,
    Identity,
    Request,
    Response,
    Spool,
    SpoolContext,
    SpoolFactory,
    StoredBatch,
)
from segops.spool import DiskSpool
from segops.testing import FakeClock, MemoryTransport

Shelf = dict[int, bytes]


class ShelfSpool(Spool):
    """Keeps batches, encoded, in a dict that outlives the client."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.starts: dict[int, int] = {}
        self.sending: set[int] = set()
        self.is_adopted = False

    def open(self, context: SpoolContext) -> Spool:
        self.__init__(self.shelf)  # type: ignore[misc]
        return super().open(context)

    def keep(self, batches: Sequence[Batch]) -> None:
        self._adopt()
        for batch in batches:
            if batch.row is None:
                batch.row = max(self.shelf, default=0) + 1
            self.shelf[batch.row] = msgspec.json.encode(StoredBatch.of(batch))
            self.starts[batch.row] = batch.start
            self.sending.discard(batch.row)

    def take(self, blocked: Collection[Claim]) -> Batch | None:
        self._adopt()
        for batch in self._batches():
            if batch.row not in self.sending and batch.claim not in blocked:
                assert batch.row is not None
                self.sending.add(batch.row)
                return batch
        return None

    def remove(self, batch: Batch) -> None:
        assert batch.row is not None
        del self.shelf[batch.row]

    def position(self, blocked: Collection[Claim] = ()) -> int | None:
        if not self.is_adopted:
            return ADOPTED if self.shelf else None
        return next((batch.start for batch in self._batches() if batch.claim not in blocked), None)

    def _adopt(self) -> None:
        if not self.is_adopted:
            self.is_adopted = True
            for row, content in self.shelf.items():
                self.starts[row] = ADOPTED
                self.context.listener.adopted(msgspec.json.decode(content, type=StoredBatch).count)

    def _batches(self) -> list[Batch]:
        return [
            msgspec.json.decode(content, type=StoredBatch).batch(start=self.starts[row], row=row)
            for row, content in sorted(self.shelf.items())
        ]


class Registering:
    """Registers `shelf:`, and remembers which URLs were opened."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.urls: list[str] = []

    @hookimpl
    def segops_register_spools(self) -> Mapping[str, SpoolFactory]:
        return {"shelf": self._open}

    def _open(self, url: str) -> Spool:
        self.urls.append(url)
        return ShelfSpool(self.shelf)


def client_of(*responses: Any, default: Any = None, key: str = "sk_test_1", **options: Any) -> SegOpsClient:
    transport = MemoryTransport(*responses, default=default, offline=False)
    return SegOpsClient(api_key=key, transport=transport, worker="inline", clock=FakeClock(), **options)


def track(client: SegOpsClient, *users: str, **fields: Any) -> None:
    for user in users:
        client.track(user_id=user, event_type="order_placed", **fields)


def sent(client: SegOpsClient) -> list[str]:
    assert isinstance(client.transport, MemoryTransport)
    return [event["user_id"] for event in client.transport.events]


@pytest.mark.parametrize("policy", ["overflow", "always"])
def test_events_are_held_during_an_outage_and_sent_by_a_later_client(policy: Any) -> None:
    shelf: Shelf = {}
    plugin = Registering(shelf)
    with client_of(default=503, spool="shelf:one", plugins=[plugin], spool_policy=policy) as down:
        track(down, "a", "b")
        assert not down.flush(60)
        track(down, "c")
    assert sum(msgspec.json.decode(content, type=StoredBatch).count for content in shelf.values()) == 3
    assert (down.stats().pending, down.stats().spooled, sum(down.stats().dropped.values())) == (3, 3, 0)
    with client_of(spool="SHELF:two", plugins=[plugin], spool_policy=policy) as up:
        track(up, "d")
        assert up.flush()
        assert sent(up) == ["a", "b", "c", "d"]
        assert (up.stats().adopted, up.stats().delivered, up.stats().pending) == (3, 4, 0)
    assert shelf == {}
    assert plugin.urls == ["shelf:one", "SHELF:two"]


def test_the_server_comes_back_while_the_client_runs() -> None:
    shelf: Shelf = {}
    with client_of(503, 503, spool=ShelfSpool(shelf)) as client:
        track(client, "a")
        assert not client.flush(0.001)
        assert client.stats().spooled == 1
        track(client, "b")
        assert client.flush()
        assert sent(client) == ["a", "b"]
        assert client.stats().retries == 2
    assert shelf == {}


def test_a_batch_that_the_server_finds_too_large_is_split_in_memory() -> None:
    def at_most_one(request: Request) -> Response:
        return Response(202 if len(msgspec.json.decode(request.body)["events"]) == 1 else 413)

    shelf: Shelf = {}
    with client_of(503, default=at_most_one, spool=ShelfSpool(shelf)) as client:
        track(client, "a", "b", "c")
        assert client.flush()
        assert sorted(sent(client)) == ["a", "b", "c"]
        assert (client.stats().delivered, client.stats().spooled) == (3, 0)
    assert shelf == {}


def test_an_identity_is_stored_without_the_signature() -> None:
    shelf: Shelf = {}
    users = iter(range(9))

    def get_user() -> UserContext:
        return UserContext(f"user-{next(users)}", "visitor", "f" * 64, 1_800_000_000)

    with client_of(default=503, key="pk_test_1", get_user=get_user, spool=ShelfSpool(shelf)) as down:
        track(down, "x", "y")
        down.flush(60)
    stored = [msgspec.json.decode(content, type=StoredBatch) for content in shelf.values()]
    assert [batch.identity.user_id for batch in stored if batch.identity] == ["user-0", "user-1"]
    assert all(batch.identity and batch.identity.proof for batch in stored)
    assert not any(b"f" * 64 in content for content in shelf.values())
    again = stored[0].batch(start=ADOPTED, row=1)
    assert (again.owner, again.row) == (UserContext("user-0", "visitor"), 1)
    assert Identity(*again.claim) == stored[0].identity
    assert StoredBatch.of(again) == stored[0]
    assert "user-0" not in repr(stored[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_opens_it_again() -> None:
    class Counting(ShelfSpool):
        opened = 0

        def open(self, context: SpoolContext) -> Spool:
            Counting.opened += 1
            self.shelf = dict(self.shelf) if Counting.opened == 1 else {}  # the parent's belong to the parent
            return super().open(context)

    with client_of(default=503, spool=Counting({})) as client:
        track(client, "a")
        client.flush(0.001)
        child = os.fork()
        if not child:
            stats = client.stats()
            os._exit(0 if (Counting.opened, stats.accepted, stats.spooled) == (2, 0, 0) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert (client.stats().spooled, Counting.opened) == (1, 1)


def test_a_path_and_a_file_url_open_the_disk_spool(tmp_path: Path) -> None:
    paths = [tmp_path / "a b%20ü" / "one.db", str(tmp_path / "two.db"), (tmp_path / "three #.db").as_uri()]
    for path in [*paths, DiskSpool(tmp_path / "four.db")]:
        with client_of(default=503, spool=path) as client:
            track(client, "a")
            client.flush(0.001)
            assert client.stats().spooled == 1
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.db")}
    assert found == {"a b%20ü/one.db", "two.db", "three #.db", "four.db"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"spool must be a path, a URL, or a Spool instance, got dict"),
        (ShelfSpool, r"spool must be a path, a URL, or a Spool instance, got ABCMeta"),
        ("redis://127.0.0.1/0", r"spool: unknown URL scheme 'redis': expected one of file:$"),
        ("file://elsewhere/spool.db", r"the host 'elsewhere'"),
    ],
)
def test_anything_else_is_refused(given: Any, message: str) -> None:
    with pytest.raises(SegOpsConfigError, match=message):
        client_of(spool=given)


def test_a_factory_must_return_a_spool() -> None:
    class Odd:
        @hookimpl
        def segops_register_spools(self) -> Mapping[str, Any]:
            return {"odd": str}

    with pytest.raises(SegOpsPluginError, match="the plugin that registered odd: must return a Spool, got str"):
        client_of(spool="odd:x", plugins=[Odd()])


def test_without_the_built_in_plugin_a_path_opens_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEGOPS_PLUGINS", "-spool")
    with pytest.raises(SegOpsConfigError, match="spool: unknown URL scheme 'file'"):
        client_of(spool=tmp_path / "spool.db")
