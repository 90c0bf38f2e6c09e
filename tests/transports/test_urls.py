"""URLs of built-in transports: everything in them is understood or rejected by name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from segops import SegOpsClient, SegOpsConfigError
from segops.composition import load_plugins
from segops.transports.http import HttpTransport
from segops.transports.ndjson import FileTransport
from tests.rig.programs import unconfigured, unmeasured

GOOD = {
    "file": "file:///tmp/segops-e.ndjson",
    "http": "http://127.0.0.1:9",
    "https": "https://segops.example",
    "kafka": "kafka://127.0.0.1:9/events",
    "local": "local:",
    "memory": "memory:",
    "redis+stream": "redis+stream://127.0.0.1:9/0",
    "rediss+stream": "rediss+stream://127.0.0.1:9/0",
    "stdout": "stdout:",
}


def refuse(error: Exception) -> None:
    raise error


FACTORIES = load_plugins(refuse).transports()


def test_every_built_in_scheme_is_walked() -> None:
    assert sorted(FACTORIES) == sorted(GOOD)


@pytest.mark.parametrize("scheme", GOOD)
def test_the_good_url_is_good(scheme: str) -> None:
    FACTORIES[scheme](GOOD[scheme]).close()


@pytest.mark.parametrize("scheme", GOOD)
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("{url}?tiemout=5", "unknown option 'tiemout'"),
        ("{url}?api_key=sk_planted", "unknown option 'api_key'"),
        ("{url}?tiemout", "unknown option 'tiemout'"),
        ("{url}#part", "fragment"),
        ("{url}#sk_planted?x=1", "fragment"),
        ("{scheme}://[::1/x", "brackets"),
        ("{url}\n", "control character"),
        ("{url}\t/x", "control character"),
    ],
)
def test_whatever_a_url_has_too_much_is_an_error_that_names_it(scheme: str, change: str, named: str) -> None:
    url = change.format(scheme=scheme, url=GOOD[scheme])
    with pytest.raises(SegOpsConfigError, match=named) as caught:
        FACTORIES[scheme](url)
    if scheme in {"http", "https"} or "#" not in url:
        assert "planted" not in str(caught.value)


@pytest.mark.parametrize("scheme", sorted(GOOD.keys() - {"kafka", "redis+stream", "rediss+stream"}))
@pytest.mark.parametrize("rest", ["//ada:sk_planted@localhost/x", "//ada@localhost"])
def test_user_info_is_an_error_except_for_brokers(scheme: str, rest: str) -> None:
    with pytest.raises(SegOpsConfigError, match="user info") as caught:
        FACTORIES[scheme](f"{scheme}:{rest}")
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["file", "local", "memory", "stdout"])
def test_a_url_without_a_server_takes_no_host(scheme: str) -> None:
    with pytest.raises(SegOpsConfigError, match=r"host\.example"):
        FACTORIES[scheme](f"{scheme}://host.example/x")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("backups=1&backups=2", "repeats the option 'backups'"),
        ("max_byte=10", "'max_byte': use max_bytes or backups"),
        ("max_bytes=" + "9" * 5000, "whole number"),
        ("max_bytes=1_000", "whole number"),
        ("max_bytes=1;backups=2", "whole number"),
    ],
)
def test_an_option_of_a_file_is_checked(query: str, words: str) -> None:
    with pytest.raises(SegOpsConfigError, match=words):
        FileTransport.from_url(f"file:e?{query}")


@pytest.mark.parametrize("options", [{"max_bytes": "5"}, {"max_bytes": 5.0}, {"backups": None}, {"backups": True}])
def test_an_option_of_the_wrong_type_is_an_error(options: dict[str, int]) -> None:
    with pytest.raises(SegOpsConfigError, match=f"{next(iter(options))} must be an int"):
        FileTransport("e", **options)


@pytest.mark.parametrize(
    "proxy", ["http://127.0.0.1:1?x=1", "http://127.0.0.1:1#x", "http://u:1#p@127.0.0.1:1", "http://127.0.0.1:1/x"]
)
def test_what_is_too_much_in_the_url_of_a_proxy_is_an_error_too(proxy: str) -> None:
    with pytest.raises(SegOpsConfigError, match="the proxy URL has"):
        HttpTransport("https://segops.example", proxy=proxy)


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("socks5h://u%FF:hunter2@h:1", "at most 127 bytes of UTF-8"),
        (f"socks5h://u:hunter2{'x' * 200}@h:1", "at most 127 bytes of UTF-8"),
        ("socks4a://u:hunter2@h:1", "SOCKS4 does not support"),
    ],
)
def test_credentials_that_a_socks_proxy_cannot_be_sent_are_an_error(proxy: str, words: str) -> None:
    with pytest.raises(SegOpsConfigError, match=words) as caught:
        HttpTransport("https://segops.example", proxy=proxy)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("ca_file", ["", 5, b"ca.pem", "a\0b"])
def test_a_file_of_authorities_that_is_no_path_is_an_error(ca_file: str) -> None:
    with pytest.raises(SegOpsConfigError, match="ca_file must be the path of a file"):
        HttpTransport("https://segops.example", ca_file=ca_file)


# Paths


def test_a_lone_surrogate_is_an_error_and_an_undecodable_byte_is_not() -> None:
    with pytest.raises(SegOpsConfigError, match="lone surrogate"):
        FileTransport.from_url("file:\ud800")
    assert FileTransport.from_url("file:/tmp/\udcff").url == "file:/tmp/\udcff"


def test_percent_escapes_are_the_bytes_of_the_name(tmp_path: Path) -> None:
    with SegOpsClient(f"file://{tmp_path}/a%20b%23c%3Fd%FF.ndjson") as client:
        client.track(user_id="u-1", event_type="order_placed")
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [b"a b#c?d\xff.ndjson"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HOME", str(tmp_path))
    yield tmp_path  # noqa: PT022 - it is its own


@pytest.mark.parametrize("url", ["file:~/e.db", "file:///~/../e.db", "local:~/e.db"])
def test_the_home_directory_may_be_written_as_in_a_shell(home: Path, url: str) -> None:
    if "///" in url:  # it is a path from the root, where ~ is a name as any other
        assert FileTransport.from_url(url).url == "file:/e.db"
        return
    with SegOpsClient(url) as client:
        client.track(user_id="u-1", event_type="order_placed")
    assert (home / "e.db").stat().st_size > 0


def test_the_home_directory_may_be_written_for_a_spool_and_a_file_of_authorities(home: Path) -> None:
    (home / "spool").mkdir(0o700)
    client = SegOpsClient("http://127.0.0.1:9", "sk_test_1", spool="~/spool/s.db")
    client.track(user_id="u-1", event_type="order_placed")
    client.shutdown(1)
    assert (home / "spool" / "s.db").exists()
    with pytest.raises(SegOpsConfigError, match=str(home / "ca.pem")):
        HttpTransport("https://segops.example", ca_file="~/ca.pem")


def test_a_name_that_only_begins_with_a_tilde_is_a_name(tmp_path: Path) -> None:
    with pytest.raises(SegOpsConfigError, match="~no-such-user"):
        FACTORIES["local"]("local:~no-such-user/e.db")
    assert FileTransport(f"{tmp_path}/~e").url == f"file:{tmp_path}/~e"
    assert FileTransport("~no-such-user-e").url.endswith("/~no-such-user-e")


GONE = """
import os, sys
from segops import SegOpsClient, SegOpsConfigError
from segops.emulator import LocalSegOps
os.rmdir(os.getcwd())
for make in (
    lambda: SegOpsClient("file:e.ndjson"),
    lambda: SegOpsClient("http://127.0.0.1:9", "sk_test_1", spool="s/s.db"),
    lambda: LocalSegOps("s.db"),
):
    try:
        make()
    except SegOpsConfigError as error:
        print("working directory, which no longer exists" in str(error))
SegOpsClient("memory:").shutdown()
SegOpsClient(f"file:{sys.argv[1]}").shutdown()
"""


def test_a_working_directory_that_is_gone_is_an_error_for_relative_paths_only(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    program = tmp_path / "program.py"  # with -c, CPython 3.13.0 itself fails where the working directory is gone
    program.write_text(GONE)
    command = [sys.executable, str(program), str(tmp_path / "e")]
    done = subprocess.run(command, cwd=folder, env=unconfigured(), capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.returncode) == (["True"] * 3, 0), done.stderr


WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None  # as where it was not built
from segops import SegOpsClient, SegOpsConfigError
try:
    SegOpsClient(sys.argv[2], "sk_test_1", spool=sys.argv[3] if sys.argv[3:] else None)
except SegOpsConfigError as error:
    print(error)
SegOpsClient("memory:").shutdown()
"""


@pytest.mark.parametrize(
    ("module", "words", "arguments"),
    [
        ("_sqlite3", "the local SegOps needs the module 'sqlite3'", ["local:"]),
        ("_sqlite3", "the spool needs the module 'sqlite3'", ["http://127.0.0.1:9", "s/s.db"]),
        ("_ssl", "HTTP needs the module 'ssl'", ["https://segops.example"]),
    ],
)
def test_a_python_without_a_module_is_an_error_that_names_it(module: str, words: str, arguments: list[str]) -> None:
    command = [sys.executable, "-c", WITHOUT, module, *arguments]
    # Not measured: coverage itself loads sqlite3 before the program begins.
    done = subprocess.run(command, env=unmeasured(unconfigured()), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(words)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///C:/logs/e.ndjson", "C:\\logs\\e.ndjson"),
        ("file:///c|/logs/e%20f.ndjson", "c:\\logs\\e f.ndjson"),
        ("file:C:/logs/e.ndjson", "C:\\logs\\e.ndjson"),
        ("file:C:\\logs\\e.ndjson", "C:\\logs\\e.ndjson"),
        ("file:///logs/e.ndjson", "\\logs\\e.ndjson"),
    ],
)
def test_a_drive_is_a_drive_on_windows(monkeypatch: pytest.MonkeyPatch, url: str, path: str) -> None:
    import ntpath  # noqa: PLC0415 - what os.path is there

    with monkeypatch.context() as windows:
        windows.setattr("os.path.abspath", ntpath.normpath)
        windows.setattr("os.name", "nt")
        found = FileTransport.from_url(url).url
    assert found == f"file:{path}"


NO_LOCKS = """
import errno, fcntl, os, sys
def flock(descriptor, operation):
    raise OSError(getattr(errno, sys.argv[2]), "no locks here")
fcntl.flock = flock
from segops import SegOpsClient
client = SegOpsClient(f"file:{sys.argv[1]}")
client.track(user_id="u-1", event_type="order_placed")
print(client.flush(20), client.stats().delivered)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked there")
@pytest.mark.parametrize("error", ["ENOSYS", "ENOTSUP", "EOPNOTSUPP", "ENOLCK", "EPERM"])
def test_a_file_system_without_locks_is_written_to_without_one(tmp_path: Path, error: str) -> None:
    command = [sys.executable, "-c", NO_LOCKS, str(tmp_path / "e"), error]
    done = subprocess.run(command, env=unconfigured(), capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "1"], done.stderr
