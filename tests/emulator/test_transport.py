"""The `local:` transport, and how it is registered."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pluggy
import pytest

from segops import emulator
from segops.core import SINGLE_PATH, Request, SegOpsConfigError, Transport
from segops.emulator import LocalSegOps, LocalTransport, plugin
from tests.emulator.local_service import event
from tests.rig.programs import unmeasured


def send(transport: Transport) -> int:
    body = json.dumps(event()).encode()
    headers = {"Authorization": f"ApiKey {transport.api_key}"}
    return transport.send(Request("POST", SINGLE_PATH, headers, body), timeout=60.0).status


def test_memory_is_fresh_for_each_url_and_readable_after_close() -> None:
    first, second = LocalTransport.from_url("local:"), LocalTransport.from_url("local:")
    assert (send(first), first.url, first.offline) == (202, "local:", False)
    first.close()
    assert (first.segops.summary().events, second.segops.summary().events) == (1, 0)


def test_a_file_is_named_by_its_absolute_path(tmp_path: Path) -> None:
    path = tmp_path / "a b" / "segops.db"
    path.parent.mkdir()
    transport = LocalTransport.from_url(f"local://{tmp_path}/a%20b/segops.db")
    assert send(transport) == 202
    transport.close()
    assert send(transport) == 202
    transport.close()
    assert transport.segops.summary().events == 2
    transport.close()
    with LocalSegOps(path) as segops:
        assert segops.summary().events == 2


@pytest.mark.parametrize(
    "url",
    [
        "local:x.db",
        "local:/x.db",
        "local://host/x.db",
        "local://host",
        "local:///x.db?mode=ro",
        "local:///x.db#a",
        "http:///x",
    ],
)
def test_another_form_is_rejected(url: str) -> None:
    with pytest.raises(SegOpsConfigError, match="local: or local:///absolute/path"):
        LocalTransport.from_url(url)


def test_a_service_can_be_passed() -> None:
    segops = LocalSegOps()
    transport = LocalTransport(segops)
    assert transport.segops is segops
    assert transport.api_key == segops.secret_key
    assert repr(transport) == "LocalTransport('local:')"


def test_the_plugin_registers_the_scheme() -> None:
    from segops.core import hookspecs  # noqa: PLC0415 - what the client does, not a way for plugins

    manager = pluggy.PluginManager("segops")
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    manager.check_pending()
    (schemes,) = manager.hook.segops_register_transports()
    assert send(schemes["local"]("local:")) == 202


def test_registering_loads_neither_sqlite_nor_a_server() -> None:
    code = (
        "import sys, segops.emulator, segops.emulator.plugin\n"
        "assert segops.emulator.plugin.segops_register_transports()\n"
        "print(sorted({'sqlite3', 'http.server', 'urllib3', 'ssl'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=unmeasured(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_front_door_opens_by_name() -> None:
    for name in emulator.__all__:
        value = getattr(emulator, name)
        assert getattr(value, "__name__", name) == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        getattr(emulator, "Nothing")  # noqa: B009 - type checkers know that it does not exist
