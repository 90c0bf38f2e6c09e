"""Who may import whom, and what `import segops` loads.

Source: ARCHITECTURE.md.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

import segops
from tests.rig.programs import unmeasured

PACKAGE = Path(segops.__file__).parent
PROJECT = PACKAGE.parent

FRONT_DOORS = (
    "segops",
    "segops.brokers",
    "segops.bulk",
    "segops.cli",
    "segops.composition",
    "segops.core",
    "segops.emulator",
    "segops.forward",
    "segops.integrations",
    "segops.plugins.admin",
    "segops.plugins.ai_crawler",
    "segops.plugins.ai_referrer",
    "segops.spool",
    "segops.testing",
)
"""Packages with `__all__`: what is in it is public, and nothing else is."""


class Rule(NamedTuple):
    """What a part of the package may import besides itself and the standard library.

    Attributes:
        doors: Modules whose public names (`__all__`) it may import.
        inside: Parts of which it may import any module.
        third_party: Third-party packages.
    """

    doors: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    third_party: tuple[str, ...] = ()


CORE = ("segops.core",)
UTILS = ("segops.utils",)
SHARED = (*CORE, *UTILS)
PUBLIC = (
    "segops",
    "segops.emulator",
    "segops.plugins.admin",
    "segops.plugins.ai_crawler",
    "segops.plugins.ai_referrer",
    *SHARED,
)

RULES = {
    # What applications see knows the engine from inside.
    "segops": Rule(
        doors=("segops.plugins.ai_crawler", "segops.plugins.ai_referrer", "segops.signing", "segops.webhooks"),
        inside=("segops.admin", "segops.async_admin", "segops.client", "segops.plugins", "segops.delivery", *CORE),
    ),
    "segops.client": Rule(
        doors=("segops.composition", "segops.guard", *UTILS), inside=("segops.environment", "segops.delivery", *CORE)
    ),
    "segops.admin": Rule(
        doors=("segops.composition", "segops.guard", "segops.plugins.admin", *UTILS),
        inside=("segops.environment", "segops.delivery.keys", *CORE),
        third_party=("msgspec",),
    ),
    "segops.async_admin": Rule(doors=("segops.plugins.admin",), inside=("segops.admin", *CORE)),
    "segops.environment": Rule(third_party=("msgspec",)),
    "segops.guard": Rule(doors=("segops.environment",), inside=CORE),
    "segops.__pyinstaller": Rule(third_party=("PyInstaller",)),
    "segops.__main__": Rule(inside=("segops.cli.program",)),
    "segops.composition": Rule(doors=UTILS, inside=("segops.environment", *CORE), third_party=("msgspec", "pluggy")),
    "segops.composition.built_in": Rule(  # imports all that is built in
        inside=tuple(
            f"segops.{name}"
            for name in ("brokers", "cli", "demo", "devserver", "emulator", "forward", "plugins", "spool", "transports")
        ),
    ),
    # Contracts, and the engine.
    "segops.core": Rule(third_party=("msgspec", "pluggy")),
    "segops.utils": Rule(inside=CORE, third_party=("msgspec",)),
    "segops.utils.logger": Rule(third_party=("structlog",)),
    "segops.delivery": Rule(inside=SHARED, third_party=("msgspec",)),
    "segops.delivery.process": Rule(inside=SHARED, third_party=("uwsgidecorators",)),
    # What is built in uses what a third party's plugin uses: the front door of the core; and never each other.
    "segops.transports": Rule(doors=SHARED, third_party=("msgspec",)),
    "segops.transports.http": Rule(doors=("segops", "segops.guard", *SHARED), third_party=("msgspec", "urllib3")),
    "segops.transports.http.socks": Rule(inside=("segops.transports.http",), third_party=("socks",)),
    "segops.plugins": Rule(),
    "segops.plugins.ai_crawler": Rule(third_party=("msgspec",)),
    "segops.plugins.ai_referrer": Rule(doors=SHARED, third_party=("msgspec",)),
    # Requests carry values as payloads do: delivery encodes them.
    "segops.plugins.admin": Rule(doors=(*SHARED, "segops.delivery"), third_party=("msgspec",)),
    "segops.plugins.logging": Rule(doors=SHARED),
    "segops.plugins.otel": Rule(doors=SHARED, third_party=("opentelemetry",)),
    "segops.emulator": Rule(doors=SHARED, third_party=("msgspec", "re2")),  # re2: the extra `dev`
    "segops.emulator.resources.segment_exports": Rule(inside=("segops.emulator",), third_party=("msgspec", "pyarrow")),
    "segops.emulator.resources.webhooks": Rule(  # webhooks go over the network
        doors=("segops.guard", *SHARED), inside=("segops.emulator",), third_party=("msgspec", "urllib3")
    ),
    "segops.spool": Rule(doors=(*SHARED, "segops.delivery"), third_party=("msgspec",)),
    "segops.spool.plugin": Rule(doors=("segops.cli", *SHARED), inside=("segops.spool",)),
    "segops.spool.command": Rule(doors=("segops.cli", "segops.environment", *PUBLIC), inside=("segops.spool",)),
    "segops.brokers": Rule(doors=SHARED, third_party=("msgspec",)),
    "segops.brokers.redis_streams": Rule(
        doors=SHARED,
        inside=("segops.brokers",),
        third_party=("msgspec", "redis"),  # the extra `redis`
    ),
    "segops.brokers.kafka": Rule(
        doors=SHARED,
        inside=("segops.brokers",),
        third_party=("msgspec", "confluent_kafka"),  # the extra `kafka`
    ),
    "segops.forward": Rule(
        doors=("segops.brokers", "segops.cli", *PUBLIC), inside=("segops.environment",), third_party=("msgspec",)
    ),
    "segops.signing": Rule(doors=CORE),
    "segops.webhooks": Rule(inside=CORE, third_party=("msgspec",)),
    "segops.testing": Rule(
        doors=("segops.environment", *PUBLIC), inside=("segops.transports.memory",), third_party=("msgspec", "pytest")
    ),
    "segops.integrations": Rule(doors=PUBLIC, third_party=("msgspec",)),
    "segops.integrations.django": Rule(
        doors=PUBLIC, inside=("segops.integrations",), third_party=("asgiref", "django")
    ),
    "segops.integrations.flask": Rule(
        doors=PUBLIC, inside=("segops.integrations",), third_party=("flask", "flask_login")
    ),
    "segops.integrations.celery": Rule(doors=PUBLIC, inside=("segops.integrations",), third_party=("celery",)),
    "segops.bulk": Rule(
        doors=("segops", "segops.composition", "segops.delivery", *SHARED),
        inside=("segops.environment",),
        third_party=("msgspec",),
    ),
    "segops.integrations.spark": Rule(doors=("segops", "segops.bulk", *UTILS), third_party=("msgspec", "pyspark")),
    # Programs.
    "segops.demo": Rule(doors=("segops.cli", *PUBLIC), third_party=("msgspec",)),
    "segops.devserver": Rule(
        doors=("segops.cli", "segops.cli.event_files", "segops.forward", *PUBLIC),
        inside=("segops.environment", "segops.demo"),  # the same purchases, sent in the same way
        third_party=("h11", "msgspec", "starlette", "uvicorn"),  # the extra `dev`; h11 comes with uvicorn
    ),
    "segops.cli": Rule(
        doors=(*PUBLIC, "segops.composition", "segops.delivery", "segops.transports.http"),
        inside=("segops.bulk", "segops.environment"),
        third_party=("msgspec", "rich"),  # the extra `cli`
    ),
    "segops.cli.parquet": Rule(
        doors=SHARED, inside=("segops.cli.errors",), third_party=("pyarrow",)
    ),  # the extra `parquet`
    "segops.cli.zstd": Rule(doors=SHARED, third_party=("zstandard",)),  # the extra `zstd`
}

READERS_OF_THE_ENVIRONMENT = {
    ("segops.environment", "environ"),
    # The proxy variables are everybody's; the standard library reads them, on Windows and macOS from the system, too.
    ("segops.transports.http.addresses", "getproxies"),
    ("segops.transports.http.addresses", "proxy_bypass"),
    # Those of TLS are OpenSSL's, which reads them itself: this one only names them in messages.
    ("segops.transports.http.tls", "environ"),
}

NOT_LOADED_BY_IMPORT = {
    "argparse",
    "asyncio",
    "confluent_kafka",
    "base64",
    "difflib",
    "email",
    "http",
    "importlib.metadata",
    "ipaddress",
    "logging",
    "redis",
    "segops.admin",
    "segops.emulator.service",
    "segops.plugins.admin",
    "segops.plugins.ai_crawler",
    "segops.plugins.ai_referrer",
    "segops.spool",
    "sqlite3",
    "ssl",
    "structlog",
    "urllib.parse",
    "urllib3",
}

SOURCES = {
    ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__"): path.read_text("utf-8")
    for path in sorted(PACKAGE.rglob("*.py"))
}


def is_in(module: str, part: str) -> bool:
    return module == part or (part != "segops" and module.startswith(f"{part}."))


def rule_of(module: str) -> str | None:
    """Return the most special part that has a rule."""
    return max((part for part in RULES if is_in(module, part)), key=len, default=None)


def imports(source: str) -> Iterator[tuple[str, str | None]]:
    """Yield each module that is imported, wherever in the source, with the name taken from it or None for itself."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (("." * node.level + (node.module or ""), alias.name) for alias in node.names)


def violations(module: str, source: str) -> list[str]:
    part = rule_of(module)
    assert part is not None
    return [
        f"{module} imports {name or ''} from {origin}"
        for origin, name in imports(source)
        if not may_import(part, origin, name)
    ]


def may_import(part: str, origin: str, name: str | None) -> bool:
    rule = RULES[part]
    top = origin.partition(".")[0]
    if top != "segops":
        # _typeshed exists for type checkers only
        return top in sys.stdlib_module_names or top in (*rule.third_party, "_typeshed")
    module = f"{origin}.{name}" if f"{origin}.{name}" in SOURCES else origin
    if any(is_in(origin, tree) or is_in(module, tree) for tree in (part, *rule.inside)):
        return True
    return origin in rule.doors and name is not None and is_public(origin, name)


def is_public(origin: str, name: str) -> bool:
    if f"{origin}.{name}" in SOURCES:  # a module
        return False
    names = getattr(importlib.import_module(origin), "__all__", None)
    return not name.startswith("_") if names is None else name in names


def test_every_module_has_a_rule() -> None:
    assert [module for module in SOURCES if rule_of(module) is None] == []
    assert rule_of("segops.no_such_part") is None
    assert rule_of("segops.utils.logger") == "segops.utils.logger"
    assert rule_of("segops.core.logs") == "segops.core"
    assert len(SOURCES) > 40


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_imports_only_what_its_part_may(module: str) -> None:
    assert violations(module, SOURCES[module]) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("segops.core.events", "import urllib3"),
        ("segops.core.events", "import structlog"),
        ("segops.core.events", "from segops.client import SegOpsClient"),
        ("segops.core.events", "from segops import Event"),
        ("segops.core.events", "from . import errors"),
        ("segops.core.events", "def f():\n    from segops.emulator import LocalSegOps"),
        ("segops.client", "from segops.transports.memory import MemoryTransport"),
        ("segops.environment", "from segops.core import Event"),
        ("segops.transports.memory", "from segops.core.http import Request"),
        ("segops.transports.memory", "from segops.core import http"),
        ("segops.transports.memory", "import segops.core"),
        ("segops.transports.memory", "from segops.emulator import LocalSegOps"),
        ("segops.transports.memory", "import urllib3"),
        ("segops.emulator.server", "from segops.transports.memory import MemoryTransport"),
        ("segops.plugins.ai_referrer", "from segops.demo import run"),
        ("segops.demo", "from segops.emulator.service import LocalSegOps"),
        ("segops.signing", "from segops.webhooks import verify_webhook"),
        ("segops", "from segops.signing import _key"),
        ("segops.testing", "from segops import client"),
        ("segops.cli.program", "from segops.delivery.ledger import Ledger"),
        ("segops.cli.program", "import requests"),
    ],
)
def test_a_forbidden_import_is_seen(module: str, line: str) -> None:
    assert len(violations(module, line)) == 1


COMPOSITION_ROOT = "segops.composition.built_in"
"""Imports the built-in plugins, which use the SDK, in functions that run when a plugin is first asked for."""


def import_graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the modules that each module imports, wherever in its source, for type checkers too."""
    graph = {}
    for module, source in sources.items():
        tree = ast.parse(source)
        if module == COMPOSITION_ROOT:
            tree.body = [node for node in tree.body if not isinstance(node, ast.FunctionDef)]
        found = imports(ast.unparse(tree))
        graph[module] = {f"{origin}.{name}" if f"{origin}.{name}" in sources else origin for origin, name in found}
    return {module: origins & sources.keys() - {module} for module, origins in graph.items()}


def import_circles(graph: Mapping[str, set[str]]) -> set[frozenset[str]]:
    """Return the strongly connected components of more than one module."""
    reached = {module: _reachable(graph, module) for module in graph}
    return {
        frozenset(each for each in reached[module] if module in reached[each])
        for module in graph
        if module in reached[module]
    }


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def test_no_imports_form_a_circle() -> None:
    assert import_circles(import_graph(SOURCES)) == set()


def test_a_circle_of_imports_is_seen() -> None:
    sources = {
        "p": "from p.a import x",
        "p.a": "def f():\n    from p import b",
        "p.b": "import p.c",
        "p.c": "if TYPE_CHECKING:\n    from p.a import x",
        "p.d": "import p.a",
    }
    assert import_circles(import_graph(sources)) == {frozenset({"p.a", "p.b", "p.c"})}


def readers(module: str, source: str) -> set[tuple[str, str]]:
    """Return each name in `source` through which the environment is read or written."""
    suspicious = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv", "getproxies", "proxy_bypass"}
    named = set()
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        names += [node.attr] if isinstance(node, ast.Attribute) else []
        named |= {(module, name) for name in suspicious.intersection(names)}
    return named


def test_one_module_reads_the_environment() -> None:
    found = {reader for module, source in SOURCES.items() for reader in readers(module, source)}
    assert found == READERS_OF_THE_ENVIRONMENT


def test_a_reader_of_the_environment_is_seen() -> None:
    assert readers("m", "import os\nx = os.environ['A']") == {("m", "environ")}
    assert readers("m", "from os import getenv as g") == {("m", "getenv")}


def test_importing_segops_loads_nothing_heavy() -> None:
    program = (
        "import json, sys; before = set(sys.modules); import segops; print(json.dumps([*set(sys.modules) - before]))"
    )
    done = subprocess.run([sys.executable, "-c", program], env=unmeasured(), capture_output=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "segops.client" in loaded
    assert loaded & NOT_LOADED_BY_IMPORT == set()


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_says_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(ast.parse(SOURCES[module]))


@pytest.mark.parametrize("door", FRONT_DOORS)
def test_a_front_door_has_all_that_it_names(door: str) -> None:
    module = importlib.import_module(door)
    assert len(set(module.__all__)) == len(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name  # noqa: B018 - the look-up is what is tested


def test_the_runtime_dependencies_are_the_four() -> None:
    table = re.search(
        r"^dependencies = \[\n(.*?)^\]", (PROJECT / "pyproject.toml").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert table is not None
    names = re.findall(r'^ *"([\w.-]+)', table[1], re.MULTILINE)
    assert names == ["msgspec", "pluggy", "structlog", "urllib3"]
    assert len(names) == len(table[1].splitlines())


def test_development_requirements_are_pinned_with_hashes_and_name_no_index() -> None:
    text = (PROJECT / "requirements" / "dev.txt").read_text("utf-8")
    requirements = text.replace("\\\n", " ").splitlines()
    assert len(requirements) > 20
    pinned = re.compile(r"[\w.-]+(\[[\w,-]+\])?==\S+( ; [^#]*?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*")
    assert [line for line in requirements if not pinned.fullmatch(line)] == []
    assert "://" not in text
