"""Disks that fail and files that are not safe: docs/reliability.md, rows 38 to 40, 67 and 68."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from segops import Limits, SegOpsConfigError, SegOpsSpoolError, UserContext
from tests.rig.harness import PUBLIC, SECRET, MakeRig, Rig, names
from tests.spool.spool_rig import ROOT, closed_port, held, rows, run

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do this")
STRACE = shutil.which("strace")


def spool_errors(rig: Rig) -> list[Exception]:
    return [error for error in rig.errors if isinstance(error, SegOpsSpoolError)]


def outlast(rig: Rig, times: int = 3) -> None:
    """Fail to deliver for a while, tracking on."""
    for number in range(times):
        rig.client.track(user_id=f"u-{number}", event_type="x", payload={"filler": "f" * 9000})
        rig.client.flush(0.01)
        rig.clock.advance(40.0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 64 KB."""
    place = tmp_path / "disk"
    place.mkdir(mode=0o700)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", place], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@needs_root
def test_row_38_a_full_disk_leaves_events_in_memory_and_none_is_lost(make: MakeRig, small_disk: Path) -> None:
    is_up = False
    rig = make(lambda _: 202 if is_up else 503, spool=small_disk / "spool.db", limits=Limits(hold=10_000.0))
    outlast(rig, 12)
    stats = rig.client.stats()
    assert 0 < stats.spooled < stats.pending == 12
    assert len(spool_errors(rig)) == 1
    is_up = True
    for _ in range(12):
        rig.clock.advance(60.0)
        if rig.client.flush(60.0):
            break
    assert sorted(rig.server.stored) == sorted(f"u-{number}" for number in range(12))
    assert rows(small_disk / "spool.db") == []


def test_row_38_a_file_that_may_not_grow_is_a_full_disk(spool: Path) -> None:
    code = """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
        errors = []
        client = make(on_error=errors.append, retry=RetryPolicy(base=0.01, cap=0.01), limits=Limits(batch_events=1))
        for number in range(20):
            client.track(user_id=str(number), event_type="x", payload={"filler": "f" * 4000})
            client.flush(0.02)
        reported = lambda: [error for error in errors if type(error).__name__ == "SegOpsSpoolError"]
        wait_until(reported)  # reported on the worker's thread, later
        stats = client.stats()
        assert stats.accepted == 20 == stats.pending and 0 < stats.spooled < 20, stats
        print(len(reported()), stats.spooled)
    """
    errors, spooled = run(code, closed_port(), spool)
    assert errors == "1"
    assert held(spool) >= int(spooled)


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_row_39_a_disk_that_cannot_sync_suspends_the_spool(spool: Path) -> None:
    code = """
        import sys, time
        from segops import RetryPolicy, SegOpsClient
        errors = []
        client = SegOpsClient(sys.argv[1], "sk_test", spool=sys.argv[2], on_error=errors.append,
                              retry=RetryPolicy(base=0.01, cap=0.01), worker="inline")
        client.track(user_id="a", event_type="x")
        end = time.monotonic() + 60.0
        while not client.stats().retries and time.monotonic() < end:
            client.flush(0.3)
        stats = client.stats()
        print(stats.accepted, stats.pending, stats.spooled,
              sum(type(error).__name__ == "SegOpsSpoolError" for error in errors))
        client.shutdown(0)
    """
    tracer = [STRACE or "", "-f", "-o", "/dev/null", "-e", "trace=fdatasync,fsync"]
    program = [sys.executable, "-c", textwrap.dedent(code), closed_port(), str(spool)]
    done = subprocess.run(
        [*tracer, "-e", "inject=fdatasync,fsync:error=EIO", *program],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    if "ptrace" in done.stderr.lower() and done.returncode:
        pytest.skip("processes may not be traced here")
    assert done.stdout.split() == ["1", "1", "0", "1"], done.stderr


def test_row_40_a_missing_directory_means_memory(make: MakeRig, tmp_path: Path) -> None:
    rig = make(lambda _: 503, spool=tmp_path / "no" / "such" / "spool.db")
    outlast(rig)
    assert (rig.client.stats().pending, rig.client.stats().spooled) == (3, 0)
    assert len(spool_errors(rig)) == 1


@pytest.mark.parametrize("removed", ["directory", "file"])
def test_row_40_unlinked_while_running(make: MakeRig, tmp_path: Path, removed: str) -> None:
    is_up = False
    path = tmp_path / "place" / "spool.db"
    rig = make(lambda _: 202 if is_up else 503, spool=path)
    rig.track("gone")
    rig.client.flush(0.01)
    assert rig.client.stats().spooled == 1
    if removed == "directory":
        shutil.rmtree(path.parent)
    else:
        path.unlink()
    rig.clock.advance(1.0)
    rig.track("kept")
    rig.client.flush(0.01)
    rig.clock.advance(60.0)
    is_up = True
    rig.client.flush(60.0)
    assert rig.server.stored[-1] == "kept"
    stats = rig.client.stats()
    assert stats.pending == 0
    assert stats.delivered + stats.dropped.get("corrupt", 0) == 2
    assert rig.balanced()
    assert len(spool_errors(rig)) == 1


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Make a directory that every user can pass through; each run of pytest closes its own to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


@needs_root
@pytest.mark.parametrize("mode", [0o500, 0o000], ids=["read only", "closed"])
def test_row_40_a_read_only_directory_means_memory(open_directory: Path, mode: int) -> None:
    place = open_directory / "place"
    place.mkdir()
    place.chmod(mode)
    os.chown(place, 65534, 65534)
    code = """
        errors = []
        other = SegOpsClient(url, "sk_test", spool=sys.argv[3], batch_size=1, retry=RetryPolicy(base=0.01, cap=0.01))
        track(other, "a")
        # So that all is imported, which the other user may not do:
        wait_until(lambda: other.stats().spooled and other.stats().retries)
        os.setgid(65534)
        os.setuid(65534)
        client = make(on_error=errors.append, batch_size=1, retry=RetryPolicy(base=0.01, cap=0.01))
        track(client, "a")
        reported = lambda: [error for error in errors if type(error).__name__ == "SegOpsSpoolError"]
        wait_until(lambda: reported() and client.stats().retries)
        stats = client.stats()
        print(stats.pending, stats.spooled, len(reported()))
        sys.stdout.flush()
        os._exit(0)
    """
    (open_directory / "mine").mkdir(mode=0o700)
    assert run(code, closed_port(), place / "spool.db", str(open_directory / "mine" / "spool.db")) == ["1", "0", "1"]
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_row_68_a_file_that_others_can_read_is_refused(make: MakeRig, spool: Path, mode: int) -> None:
    spool.touch(0o600)
    spool.chmod(mode)
    with pytest.raises(SegOpsConfigError, match=f"{mode:04o}"):
        make()


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_row_68_a_directory_that_others_can_enter_is_refused(make: MakeRig, spool: Path, mode: int) -> None:
    spool.parent.chmod(mode)
    with pytest.raises(SegOpsConfigError, match=f"{mode:04o}"):
        make()


def test_row_68_no_symbolic_link_is_followed(make: MakeRig, spool: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.touch(0o600)
    spool.symlink_to(target)
    with pytest.raises(SegOpsConfigError, match="symbolic link"):
        make()
    spool.unlink()
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    with pytest.raises(SegOpsConfigError, match="symbolic link"):
        make(spool=tmp_path / "linked" / "spool.db")


def test_row_68_a_link_that_is_put_there_later_is_not_followed_either(
    make: MakeRig, spool: Path, tmp_path: Path
) -> None:
    rig = make(lambda _: 503)
    target = tmp_path / "target"
    target.touch(0o600)
    spool.symlink_to(target)
    outlast(rig)
    assert target.read_bytes() == b""
    assert rig.client.stats().spooled == 0
    assert [type(error) for error in rig.errors if isinstance(error, SegOpsConfigError)] == [SegOpsConfigError]


def test_row_68_what_is_no_file_is_refused(make: MakeRig, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir(mode=0o700)
    with pytest.raises(SegOpsConfigError, match="is not a file"):
        make(spool=tmp_path / "directory")


@needs_root
def test_row_68_another_users_file_is_refused(make: MakeRig, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir(mode=0o700)
    os.chown(place, 65533, 65533)
    (place / "spool.db").touch(0o600)
    os.chown(place / "spool.db", 65533, 65533)
    with pytest.raises(SegOpsConfigError, match="another user"):
        make(spool=place / "spool.db")


def test_row_67_no_credential_is_in_the_spool(make: MakeRig, spool: Path) -> None:
    user = UserContext(user_id="ada", user_id_sig="planted-signature", user_id_ts=1_800_000_000)
    secret, public = make(lambda _: 503), make(lambda _: 503, key=PUBLIC, get_user=lambda: user)
    for rig in (secret, public):
        rig.track(*names(3))
        rig.client.flush(0.01)
    assert held(spool) == 6
    everything = b"".join(file.read_bytes() for file in spool.parent.iterdir())
    for planted in (SECRET, PUBLIC, "planted-signature"):
        assert planted.encode() not in everything
    for rig in (secret, public):
        for error in rig.errors:
            assert "user-1" not in str(error)
