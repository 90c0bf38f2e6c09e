"""`segops plugins`: loaded and broken plugins."""

from __future__ import annotations

import json
from typing import Any

from tests.rig.plugins import SitePackages
from tests.rig.programs import Run

GOOD = """
from segops.core import Enricher, Observer, hookimpl
class Counter(Observer): pass
class Things: pass
@hookimpl
def segops_register_enrichers():
    return [Enricher(name="all", event_types=None, enrich=lambda event: event),
            Enricher(name="two", event_types=frozenset({"b", "a"}), enrich=lambda event: event)]
@hookimpl
def segops_register_observers(): return [Counter()]
@hookimpl
def segops_register_transports(): return {"pigeon": lambda url: None}
@hookimpl
def segops_register_resources(): return {"things": Things}
"""

LATE = """
from segops.core import hookimpl
@hookimpl
def segops_register_transports(): raise RuntimeError("no pigeons today")
"""


def listing(run: Run, **environment: str) -> dict[str, Any]:
    done = run("plugins", **environment)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_built_ins_are_listed_as_json_when_piped(run: Run) -> None:
    found = listing(run)
    by_name = {plugin["name"]: plugin for plugin in found["plugins"]}
    assert by_name["demo"] == {
        "name": "demo",
        "origin": "built in",
        "hooks": ["segops_register_commands"],
        "provides": {"commands": ["demo"]},
    }
    assert by_name["ai_referrer"]["provides"] == {"enrichers": ["ai_referrer (page_viewed)"]}
    assert by_name["local"]["provides"] == {"transports": ["local:"]}
    assert "https:" in by_name["transports"]["provides"]["transports"]
    assert found["broken"] == []


def test_a_third_party_plugin_is_listed_with_its_origin_and_all_it_provides(run: Run, site: SitePackages) -> None:
    site.add("pigeons", GOOD)
    assert listing(run)["plugins"][-1] == {
        "name": "pigeons",
        "origin": "pigeons-dist",
        "hooks": [f"segops_register_{kind}" for kind in ("enrichers", "observers", "resources", "transports")],
        "provides": {
            "transports": ["pigeon:"],
            "enrichers": ["all (all events)", "two (a, b)"],
            "observers": ["Counter"],
            "resources": ["things"],
        },
    }


def test_broken_plugins_are_listed_with_the_reason(run: Run, site: SitePackages) -> None:
    site.add("absent", "import module_that_does_not_exist")
    site.add("late", LATE)
    found = listing(run)
    assert [message.partition(": ")[0] for message in found["broken"]] == [
        "cannot use plugin 'absent' (absent-dist)",
        "cannot use plugin 'late' (late-dist)",
    ]
    assert "No module named 'module_that_does_not_exist'" in found["broken"][0]
    assert "no pigeons today" in found["broken"][1]
    late = found["plugins"][-1]
    assert (late["name"], late["provides"]) == ("late", {})


def test_plugins_that_the_environment_turns_off_are_not_listed(run: Run, site: SitePackages) -> None:
    site.add("pigeons", GOOD)
    names = [plugin["name"] for plugin in listing(run, SEGOPS_PLUGINS="none,-ai_referrer")["plugins"]]
    assert "demo" in names
    assert not {"pigeons", "ai_referrer"} & set(names)


def test_the_table_comes_without_messages_if_nothing_is_broken(run: Run) -> None:
    assert run("plugins", "-o", "table").stderr == ""


def test_the_other_formats_have_a_row_for_each(run: Run) -> None:
    names = [plugin["name"] for plugin in listing(run)["plugins"]]
    assert run("plugins", "-o", "csv", "--fields=name").stdout.split() == ["name", *names]
    rows = [json.loads(line) for line in run("plugins", "-o", "jsonl").stdout.splitlines()]
    assert [row["name"] for row in rows] == names
    assert json.loads(run("plugins", "--fields=name").stdout) == [{"name": name} for name in names]


def test_the_table_has_a_line_for_each(run: Run, site: SitePackages) -> None:
    site.add("pigeons", GOOD)
    site.add("absent", "import module_that_does_not_exist")
    done = run("plugins", "-o", "table")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["NAME", "ORIGIN", "HOOKS", "PROVIDES"]
    pigeons = next(line for line in lines if line.startswith("pigeons"))
    assert "pigeons-dist  enrichers, observers, resources, transports  pigeon:; all (all events), two (a, b)" in pigeons
    assert done.stderr.startswith("segops: cannot use plugin 'absent' (absent-dist)")
