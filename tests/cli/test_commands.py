"""Every command of an admin method runs over HTTP and prints one JSON document."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from segops.cli.namespaces import namespace_commands
from segops.cli.tree import build_tree
from segops.emulator import LocalSegOps, LocalServer
from segops.plugins.admin import load_resources, methods_of
from tests.cli.command_rig import CASES, NOT_FOUND, fill_in, fill_segops
from tests.rig.plugins import SitePackages
from tests.rig.programs import SEGOPS, Run, unconfigured

Done = subprocess.CompletedProcess[str]

METHODS = methods_of(load_resources())

LAST = ("delete", "merge")
"""Verbs that take away what other commands need."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Done]]:
    """Run all commands, several at a time, and return what became of them."""
    with LocalSegOps() as local, LocalServer(local) as server:
        names = fill_segops(server, local, tmp_path_factory.mktemp("files"))
        environment = {**unconfigured(), "SEGOPS_API_URL": server.url, "SEGOPS_API_KEY": local.secret_key}

        def run(name: str) -> Done:
            words = [*SEGOPS, *name.split(), *(fill_in(word, names) for word in CASES[name])]
            return subprocess.run(
                words,
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
                stdin=subprocess.DEVNULL,
            )

        first = [name for name in CASES if not name.endswith(LAST)]
        last = [name for name in CASES if name.endswith(LAST)]
        with ThreadPoolExecutor(min(4, (os.cpu_count() or 1) + 1)) as pool:
            yield {name: done for part in (first, last) for name, done in zip(part, pool.map(run, part), strict=True)}


def test_each_method_has_a_command_and_each_command_a_test() -> None:
    methods = {f"{method.namespace.replace('_', '-')} {method.verb}" for method in METHODS}
    commands = {
        f"{node.name} {child.name}"
        for node in build_tree(namespace_commands(load_resources()))
        for child in node.children
    }
    assert commands == methods
    assert set(CASES) == methods
    assert len(methods) == len(METHODS) > 100


@pytest.mark.parametrize("name", CASES)
def test_a_command_runs(finished: dict[str, Done], name: str) -> None:
    done = finished[name]
    assert "Traceback" not in done.stderr
    if name in NOT_FOUND:
        assert (done.returncode, done.stdout) == (3, "")
        assert re.search(r"\b40[45]\b", done.stderr)
    else:
        assert (done.returncode, done.stderr) == (0, "")
        json.loads(done.stdout)


def test_what_they_print_is_what_the_server_says(finished: dict[str, Done]) -> None:
    printed = {name: json.loads(done.stdout) for name, done in finished.items() if name not in NOT_FOUND}
    assert printed["segments list"]["count"] >= 2
    assert len(printed["segments list"]["results"]) == 1
    assert {item["user_id"] for item in printed["segments members"]} == {"u-1", "u-2", "u-3"}
    assert printed["segments update"]["name"] == "Renamed"
    assert printed["segments delete"] == {"ok": True}
    assert printed["segments recompute"]["status"] == "queued"
    assert printed["segments recompute-and-wait"]["member_count"] == 3
    assert printed["products bulk-upsert"] == {"created": 1, "updated": 0, "errors": []}
    assert printed["products create"]["data"] == {"price": 3}
    assert printed["queries simulate"]["providers"] == ["claude", "gemini"]
    assert printed["activations create"]["connector_type"] == "klaviyo"
    assert Path(printed["segments export-to"]["file"]).stat().st_size == printed["segments export-to"]["bytes"] > 20


def test_a_third_party_namespace_gets_commands(ask: Run, site: SitePackages, tmp_path: Path) -> None:
    site.add("loyalty", THIRD_PARTY)
    assert "loyalty-points    A namespace of the API." in ask("help").stdout
    assert re.findall(r"^    (\w+)  ", ask("help", "loyalty-points").stdout, re.MULTILINE) == [
        "balance",
        "weigh",
        "guess",
    ]
    done = ask("loyalty-points", "balance", "7", "--since", "2027", "--no-such=1", "-o", "jsonl")
    assert (done.returncode, done.stdout) == (0, '{"id": "7", "since": 2027, "more": {"no-such": "1"}}\n')
    done = ask("loyalty-points", "weigh", "--heavy", "--factor=1.5", '{"a": [1]}')
    assert (done.returncode, json.loads(done.stdout)) == (0, {"thing": {"a": [1]}, "heavy": True, "factor": 1.5})
    (tmp_path / "thing.json").write_text('{"b": 2}')
    done = ask("loyalty-points", "guess", str(tmp_path / "thing.json"), "--option=7", "--words=a, b,,c")
    assert json.loads(done.stdout) == {"thing": {"b": 2}, "option": 7, "words": "a, b,,c"}
    for words, message in [
        (["weigh", "{}", "--heavy=perhaps"], "must be true or false"),
        (["weigh", "{}", "--factor=x"], "must be a number"),
        (["balance", "7", "--since=x"], "must be a whole number"),
        (["weigh"], "FILE is missing: pass it as an argument"),
    ]:
        done = ask("loyalty-points", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr


THIRD_PARTY = '''
from __future__ import annotations
from typing import TYPE_CHECKING, Any
from segops.core import hookimpl
from segops.plugins.admin import Record, Resource, endpoint, EndpointCall, composite
class Points(Resource):
    path = "/loyalty/points/"
    @composite()
    def balance(self, id: str, *, since: int = 0, **more: Any) -> Record:
        """Read 100 % of it."""
        return Record({"id": id, "since": since, "more": more})
    @composite()
    def weigh(self, thing: dict[str, Any], *, heavy: bool = False, factor: float = 1.0) -> Record:
        """Weigh it."""
        return Record({"thing": thing, "heavy": heavy, "factor": factor})
    @composite()
    def guess(self, thing: Unknown, *, option: Unknown = None, words: Unknown = None) -> Record:
        """Take what cannot be looked up at run time."""
        return Record({"thing": thing, "option": option, "words": words})
class Nothing: pass
@hookimpl
def segops_register_resources(): return {"loyalty_points": Points, "nothing": Nothing}
'''
