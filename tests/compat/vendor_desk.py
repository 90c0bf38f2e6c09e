"""A `segops dev` in its own process, and calls to it through the vendor's packages."""

from __future__ import annotations

import http.client
import itertools
import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.compat.programs import Program, run, start
from tests.rig.programs import DevProcess, alone

Case = Callable[["Desk"], None]

CASES: dict[str, dict[str, Case]] = {"segops": {}, "segops_admin": {}}
"""What is checked about each method, by package and by the method's name."""

MADE = {"segops": "SegOpsClient", "segops_admin": "SegOpsAdmin"}

THIS_MONTH = "SELECT count(*) FROM events WHERE occurred_at >= strftime('%Y-%m-01', 'now')"

_numbers = itertools.count(1)


def case(name: str, package: str = "segops_admin") -> Callable[[Case], Case]:
    """Note a function that calls one method of the vendor's and checks what the database holds then."""

    def note(function: Case) -> Case:
        assert name not in CASES[package]
        CASES[package][name] = function
        return function

    return note


def fresh(word: str = "x") -> str:
    """Return a name that no other case has."""
    return f"{word}-{next(_numbers)}"


class DevService(DevProcess):
    """A running `segops dev` with a database in a folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "segops.db"
        super().__init__(alone(folder), "--db", str(self.path))
        self.signing_secret = self.read_key("signing secret")


class Desk:
    """Calls a local SegOps with one of the vendor's packages, each time in a process of its own."""

    def __init__(self, service: DevService, program: Program, package: str = "segops_admin") -> None:
        self.service = service
        self.package = package
        self.asked: dict[str, list[dict[str, Any]]] = {}
        self.program = program
        self._id = 0
        self.requests()

    def call(self, name: str, *arguments: object, **keywords: object) -> Any:
        """Return what a method returned."""
        (outcome,) = self.calls((name, arguments, keywords))
        assert "error" not in outcome, outcome
        return outcome["result"]

    def fail(self, name: str, *arguments: object, **keywords: object) -> dict[str, Any]:
        """Return what a method raised."""
        (outcome,) = self.calls((name, arguments, keywords))
        error: dict[str, Any] = outcome["error"]
        return error

    def calls(self, *calls: tuple[str, tuple[object, ...], dict[str, object]], **options: object) -> list[Any]:
        """Return what came of several calls of one object; what they asked for is in `asked`, by method."""
        standard = {"api_key": self.service.secret_key}
        base = (
            {"base_url": f"{self.service.url}/api"} if self.package == "segops_admin" else {"api_url": self.service.url}
        )
        asked = {"package": self.package, "make": MADE[self.package], "options": {**standard, **base, **options}}
        self.requests()
        outcomes: list[Any] = run(self.program, "vendor_call.py", given=json.dumps({**asked, "calls": calls}))
        self.asked |= dict.fromkeys({name for name, _, _ in calls}, self.requests())
        return outcomes

    def start(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the vendor's program `segops-admin`."""
        folder = Path(self.program[1]["PYTHONPATH"])
        standard = {"SEGOPS_API_KEY": self.service.secret_key, "SEGOPS_API_URL": f"{self.service.url}/api"}
        return start(self.program, str(folder / "bin" / "segops-admin"), *words, **{**standard, **environment})

    def command(self, *words: str) -> Any:
        """Return what the vendor's program printed."""
        done = self.start(*words)
        assert (done.returncode, done.stderr) == (0, ""), done
        return json.loads(done.stdout)

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Prepare something, or look at it, over plain HTTP."""
        with closing(http.client.HTTPConnection(urlsplit(self.service.url).netloc, timeout=10)) as connection:
            headers = {"Authorization": f"ApiKey {self.service.secret_key}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
        assert 200 <= response.status < 300, text
        return json.loads(text) if text else None

    def requests(self) -> list[dict[str, Any]]:
        """Return what the vendor's packages asked for since the last look, as the journal has it."""
        records: list[dict[str, Any]] = self.api("GET", f"/_dev/requests?after={self._id}")
        self._id = records[-1]["id"] if records else self._id
        return [record for record in records if record["agent"]]  # ours name no agent

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Read the database file."""
        with closing(sqlite3.connect(f"{self.service.path.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(sql, values).fetchall()

    def column(self, sql: str, *values: object) -> list[Any]:
        return [value for (value,) in self.rows(sql, *values)]

    def stored(self, table: str, number: int) -> dict[str, Any]:
        """Return one row of a table, nothing if it is not there."""
        names = self.column("SELECT name FROM pragma_table_info(?)", table)
        return next(
            (dict(zip(names, row, strict=True)) for row in self.rows(f"SELECT * FROM {table} WHERE id = ?", number)), {}
        )

    def track(self, user_id: str, event_type: str, **payload: object) -> str:
        self.api("POST", "/api/ingestion/track/", {"user_id": user_id, "event_type": event_type, "payload": payload})
        return user_id

    def segment(self, event_type: str, *users: str, **fields: object) -> int:
        """Make and compute a segment of users who did something."""
        for user in users:
            self.track(user, event_type)
        number: int = self.api(
            "POST", "/api/segments/", {"name": fresh("Did"), "definition": did(event_type), **fields}
        )["id"]
        self.api("POST", f"/api/segments/{number}/compute/")
        return number

    def product(self, **data: object) -> dict[str, Any]:
        made: dict[str, Any] = self.api(
            "POST", "/api/pim/products/", {"sku": fresh("SKU"), "name": "Lamp", "data": data}
        )
        return made


def did(event_type: str) -> dict[str, Any]:
    """Return the definition of the users who did something."""
    return {
        "logic": "AND",
        "conditions": [{"type": "event_count", "event_type": event_type, "operator": "gte", "value": 1}],
    }


def holds(stored: dict[str, Any], sent: dict[str, Any]) -> bool:
    """Tell whether a row holds what was sent: objects and lists as JSON, truth as 0 and 1."""
    read = {
        name: json.loads(stored[name]) if isinstance(value, dict | list) else stored[name]
        for name, value in sent.items()
    }
    return read == sent
