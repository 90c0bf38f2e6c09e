"""Damaged spools, and files of another format or program: docs/reliability.md, rows 37 and 43."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from segops import SegOpsSpoolError
from tests.rig.harness import MakeRig, Rig
from tests.spool.spool_rig import rows

BATCHES = 12
FILLER = {"filler": "f" * 300}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a spool of a process that is gone, with batches of one, two and three events."""
    from tests.rig.harness import build  # noqa: PLC0415 - the path is set by conftest

    path = tmp_path_factory.mktemp("sound") / "spool.db"
    rig = build(lambda _: 503, spool=path)
    for batch in range(BATCHES):
        for number in range(batch % 3 + 1):
            rig.client.track(user_id=f"{batch}-{number}", event_type="x", payload=FILLER)
        rig.client.flush(0.001)
    rig.client.shutdown(0)
    assert len(rows(path)) == BATCHES
    return path


EVENTS = [f"{batch}-{number}" for batch in range(BATCHES) for number in range(batch % 3 + 1)]


def put(sound: Path, spool: Path, data: bytes | None = None) -> None:
    """Put a spool where the test's client looks for it."""
    for file in sound.parent.iterdir():
        shutil.copy2(file, spool.with_name(file.name))
    if data is not None:
        spool.write_bytes(data)


def reopen(make: MakeRig) -> Rig:
    """Open it, send what there is, and check that all is accounted for."""
    rig = make()
    rig.track("new")
    rig.client.flush(60.0)
    stats = rig.client.stats()
    assert rig.server.stored[-1] == "new", "the client works, whatever is in the file"
    assert stats.pending == 0
    assert stats.accepted == stats.delivered + sum(stats.dropped.values())
    assert stats.delivered == len(rig.server.stored)
    assert set(stats.dropped) <= {"corrupt"}
    return rig


def spool_errors(rig: Rig) -> list[Exception]:
    return [error for error in rig.errors if isinstance(error, SegOpsSpoolError)]


def set_aside(spool: Path) -> list[Path]:
    return [file for file in spool.parent.glob("spool.db.bad-*") if not file.name.endswith("-journal")]


def test_a_sound_one_is_sent_in_order(make: MakeRig, sound: Path, spool: Path) -> None:
    put(sound, spool)
    rig = reopen(make)
    assert rig.server.stored == [*EVENTS, "new"]
    assert rig.errors == []


def test_row_37_a_flipped_bit_in_a_batch_costs_that_batch_only(make: MakeRig, sound: Path, spool: Path) -> None:
    data = bytearray(sound.read_bytes())
    place = data.index(b'"5-1"')
    data[place + 1] ^= 1
    put(sound, spool, bytes(data))
    rig = reopen(make)
    assert rig.server.stored == [*(name for name in EVENTS if not name.startswith("5-")), "new"]
    assert rig.client.stats().dropped == {"corrupt": 3}
    assert set_aside(spool) == []
    assert rows(spool) == []


def test_row_37_damage_to_a_batch_of_this_very_process_is_counted(make: MakeRig, spool: Path) -> None:
    is_up = False
    rig = make(lambda _: 202 if is_up else 503)
    for batch in ("a", "b", "c"):
        rig.track(batch, f"{batch}2")
        rig.client.flush(0.001)
    with closing(sqlite3.connect(spool)) as connection, connection:
        [(place, body)] = connection.execute("SELECT place, body FROM batches LIMIT 1 OFFSET 1").fetchall()
        connection.execute("UPDATE batches SET body = ? WHERE place = ?", (body.replace(b'"b"', b'"X"'), place))
    is_up = True
    rig.clock.advance(60.0)
    assert not rig.client.flush(60.0)
    assert rig.server.stored == ["a", "a2", "c", "c2"]
    assert rig.client.stats().dropped == {"corrupt": 2}
    assert rig.balanced()


def test_a_batch_that_somebody_deleted_is_counted(make: MakeRig, spool: Path) -> None:
    rig = make(lambda _: 503)
    rig.track("a", "b")
    rig.client.flush(0.001)
    with closing(sqlite3.connect(spool)) as connection, connection:
        connection.execute("DELETE FROM batches")
    rig.clock.advance(60.0)
    rig.client.flush(0.001)
    assert rig.client.stats().dropped == {"corrupt": 2}
    assert rig.client.stats().pending == 0


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_file_that_somebody_emptied_is_reported(make: MakeRig, spool: Path, *, is_deleted: bool) -> None:
    dead = make(lambda _: 503)
    dead.track("a", "b")
    dead.client.shutdown(0.0)
    spool.write_bytes(b"")
    if is_deleted:
        spool.unlink()
    for expected in (1, 0):  # once
        rig = make(lambda _: 503)
        rig.track("new")
        rig.client.flush(0.001)
        reports = [error for error in spool_errors(rig) if "0 event(s) recovered, an unknown number lost" in str(error)]
        assert len(reports) == expected
        rig.client.shutdown(0.0)


@pytest.mark.parametrize("part", range(4))
def test_rows_37_and_43_flip_any_byte(make: MakeRig, sound: Path, spool: Path, part: int) -> None:
    whole = sound.read_bytes()
    step = 97  # prime, so that all kinds of fields are hit
    for place in range(part * step, len(whole), 4 * step):
        data = bytearray(whole)
        data[place] ^= 0x55
        put(sound, spool, bytes(data))
        rig = reopen(make)
        stats = rig.client.stats()
        arrived = [name for name in EVENTS if name in rig.server.stored]
        assert stats.adopted == len(EVENTS), f"byte {place}: what cannot be read is counted"
        assert len(arrived) + stats.dropped.get("corrupt", 0) == len(EVENTS)
        rig.client.shutdown(1.0)
        for file in spool.parent.iterdir():
            file.unlink()


def test_a_damaged_line_end_of_a_stored_batch_does_not_change_its_count(
    make: MakeRig, sound: Path, spool: Path
) -> None:
    data = sound.read_bytes()
    ends = [match.start() + 3 for match in re.finditer(rb'"}}\n\{"', data)]
    assert len(ends) >= 12, "each batch of two has one, and each batch of three has two"
    for end in ends:
        put(sound, spool, data[:end] + b"_" + data[end + 1 :])
        assert reopen(make).client.stats().adopted == len(EVENTS), f"byte {end}"
        for file in spool.parent.iterdir():
            file.unlink()


@pytest.mark.parametrize("place", range(100))
def test_row_43_damage_to_the_header_loses_nothing(make: MakeRig, sound: Path, spool: Path, place: int) -> None:
    data = bytearray(sound.read_bytes())
    data[place] ^= 0xFF
    put(sound, spool, bytes(data))
    rig = reopen(make)
    assert rig.server.stored == [*EVENTS, "new"]
    assert len(spool_errors(rig)) == len(set_aside(spool)) <= 1
    assert all(file.read_bytes() == bytes(data) for file in set_aside(spool))


@pytest.mark.parametrize("pages", [1, 2, 3, 4, 5])
def test_row_43_a_cut_file_is_salvaged(make: MakeRig, sound: Path, spool: Path, pages: int) -> None:
    data = sound.read_bytes()[: 4096 * pages + 100]
    put(sound, spool, data)
    rig = reopen(make)
    [aside] = set_aside(spool)
    assert aside.read_bytes() == data
    assert len(spool_errors(rig)) == 1


@pytest.mark.parametrize("data", [b"this is not a database at all" * 500, b"\0" * 8192, b"SQLite format 3\0"])
def test_row_43_rubbish_is_set_aside(make: MakeRig, spool: Path, data: bytes) -> None:
    spool.write_bytes(data)
    spool.chmod(0o600)
    rig = reopen(make)
    assert [file.read_bytes() for file in set_aside(spool)] == [data]
    assert "set aside" in str(spool_errors(rig)[0]) or "kept as" in str(spool_errors(rig)[0])


def test_row_43_a_newer_format_is_set_aside_and_salvaged(make: MakeRig, sound: Path, spool: Path) -> None:
    put(sound, spool)
    with closing(sqlite3.connect(spool)) as connection, connection:
        connection.execute("ALTER TABLE batches ADD COLUMN invented TEXT")
        connection.execute("PRAGMA user_version = 9")
    rig = reopen(make)
    assert rig.server.stored == [*EVENTS, "new"]
    assert "9" in str(spool_errors(rig)[0])
    assert len(set_aside(spool)) == 1


def test_the_database_of_another_program_is_left_alone(make: MakeRig, spool: Path) -> None:
    with closing(sqlite3.connect(spool)) as connection, connection:
        connection.execute("CREATE TABLE mine (precious TEXT)")
    spool.chmod(0o600)
    before = spool.read_bytes()
    rig = make(lambda _: 503)
    rig.track("a")
    rig.client.flush(0.01)
    assert "another program" in str(rig.errors[0])
    assert spool.read_bytes() == before
    assert rig.client.stats().pending == 1


def test_row_43_two_processes_find_it_damaged_at_once(make: MakeRig, sound: Path, spool: Path) -> None:
    put(sound, spool, b"\xff" * 100 + sound.read_bytes()[100:])
    first, second = make(), make()
    first.client.flush(60.0)
    second.client.flush(60.0)
    assert sorted(first.server.stored + second.server.stored) == sorted(EVENTS)
    assert len(set_aside(spool)) == 1
