"""Calls that worked with the vendor's `segops` 0.2.2 work unchanged, and store the same.

The vendor's package has our import name, so each of the two runs in a process of its own: theirs sees nothing but the
standard library and the vendor's package, which is taken from the package index into a temporary folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from segops import sign_user_id
from segops.emulator import LocalSegOps, LocalServer, StoredEvent
from segops.transports.http import HttpTransport
from tests.compat.programs import Program, run


class Outcome(msgspec.Struct, frozen=True):
    """What a run of vendor_calls.py left behind."""

    said: Any
    stored: list[tuple[Any, ...]]
    aliases: dict[str, str]
    paths: set[str]


def call(program: Program) -> Outcome:
    segops = LocalSegOps()
    key = segops.create_key("public", signing_secret=segops.signing_secret, require_signature=True)
    start = datetime.now(timezone.utc)
    with LocalServer(segops) as server:
        said = run(program, "vendor_calls.py", server.url, segops.secret_key, key.key, key.signing_secret)
    window = (start - timedelta(seconds=1), datetime.now(timezone.utc))
    stored = [comparable(event, window) for event in segops.events()]
    return Outcome(unsigned(said, segops), stored, segops.aliases(), {record.path for record in segops.requests()})


def comparable(event: StoredEvent, window: tuple[datetime, datetime]) -> tuple[Any, ...]:
    occurred_at = datetime.fromisoformat(event.occurred_at.replace("Z", "+00:00"))
    when = "at the call" if window[0] <= occurred_at <= window[1] else event.occurred_at
    return event.user_id, event.event_type, when, event.anonymous_id, event.bot_class, event.payload


def unsigned(said: dict[str, Any], segops: LocalSegOps) -> dict[str, Any]:
    """The secret is random: put its own signatures beside those of the run, so that they compare as true or false."""
    secret = segops.signing_secret
    expected = [sign_user_id(secret, "u-1", 1767225600), sign_user_id(secret, "ü-1", 1767225600)]
    expected.append(sign_user_id(secret, "u-1", 0))
    return {**said, "signatures": [said["signatures"][:3] == expected, *said["signatures"][3:]]}


def test_the_vendor_package_is_the_vendor_s(vendor: Program) -> None:
    theirs = run(vendor, "vendor_names.py")
    assert theirs["names"] == ["SegOpsClient", "Event", "Context", "UserContext", "sign_user_id", "__version__"]


def test_the_same_calls_store_the_same(vendor: Program, ours: Program) -> None:
    theirs, mine = call(vendor), call(ours)
    assert len(theirs.stored) > 100
    assert theirs.said["reported"] == [True, True]
    assert theirs.said["signatures"][0] is True
    assert mine.stored == theirs.stored
    assert mine.said == theirs.said
    assert mine.aliases == theirs.aliases
    assert mine.paths == theirs.paths


def test_every_name_of_the_vendor_is_here(vendor: Program, ours: Program) -> None:
    theirs, mine = run(vendor, "vendor_names.py"), run(ours, "vendor_names.py")
    assert set(theirs["names"]) <= set(mine["names"])
    assert set(theirs["members"]) <= set(mine["members"])


def test_every_signature_takes_what_the_vendor_s_takes(vendor: Program, ours: Program) -> None:
    theirs, mine = run(vendor, "vendor_names.py")["signatures"], run(ours, "vendor_names.py")["signatures"]
    problems = [f"{name}: {problem}" for name in theirs for problem in differences(theirs[name], mine[name])]
    assert problems == ["SegOpsClient: batch_size defaults to None, not 20"]
    assert HttpTransport("http://127.0.0.1:9").batch_size == 20, "the transport says what None means"


def differences(theirs: Sequence[Mapping[str, Any]], mine: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return where a call that fits `theirs` does not fit `mine`, or means something else."""
    problems = []
    here = {parameter["name"]: parameter for parameter in mine}
    for index, wanted in enumerate(theirs):
        name = wanted["name"]
        if name not in here:
            problems.append(f"{name} is missing")
            continue
        if wanted["positional"] and (mine[index]["name"] != name or not mine[index]["positional"]):
            problems.append(f"{name} is not argument {index}")
        if here[name]["required"] and not wanted["required"]:
            problems.append(f"{name} has no default")
        if wanted["default"] is not None and here[name]["default"] != wanted["default"]:
            problems.append(f"{name} defaults to {here[name]['default']!r}, not {wanted['default']!r}")
    known = {wanted["name"] for wanted in theirs}
    problems += [f"{name} must be given" for name, own in here.items() if own["required"] and name not in known]
    return problems


def test_differences_are_seen() -> None:
    def parameter(name: str, *, positional: bool = True, required: bool = False, default: object = 1) -> dict[str, Any]:
        return {"name": name, "positional": positional, "required": required, "default": default}

    theirs = [parameter("a", required=True, default=None), parameter("b"), parameter("c", positional=False)]
    assert differences(theirs, theirs) == []
    assert differences(theirs, [theirs[1], theirs[0], theirs[2]]) == ["a is not argument 0", "b is not argument 1"]
    mine = [parameter("a"), parameter("b", required=True), parameter("d", required=True)]
    assert differences(theirs, mine) == ["b has no default", "c is missing", "d must be given"]
    assert differences(theirs[1:2], [parameter("b", default=2)]) == ["b defaults to 2, not 1"]
