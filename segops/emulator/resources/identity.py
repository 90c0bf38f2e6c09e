"""Who is who: visitors become users, and users are merged.

Edges are kept flat: none leads to an id that has an edge itself, so one look-up resolves any id, and no cycle can be.
Source: wire-protocol.md, sections 6.7 and 8.3.
"""

from __future__ import annotations

from segops.emulator import aliases, times
from segops.emulator.answers import Answer, invalid
from segops.emulator.call import Call
from segops.emulator.resources.bodies import Field, Name, read_fields

_ALIAS = {"anonymous_id": Field(Name), "user_id": Field(Name)}
_MERGE = {"from_user_id": Field(Name), "into_user_id": Field(Name)}


def alias(call: Call) -> Answer:
    """Record that a visitor is a user; if the visitor was somebody before, the first identification stays."""
    given = read_fields(call, _ALIAS)
    visitor = aliases.PREFIX + given["anonymous_id"].removeprefix(aliases.PREFIX)
    if not aliases.is_identity(given["user_id"]):
        raise invalid({"user_id": ["This id stands for nobody."]})
    with call.database.transaction() as connection:
        created = aliases.link(connection, visitor, given["user_id"], times.from_unix(call.now))
        resolved = aliases.resolve(connection, visitor)
    return Answer(200, {"alias": visitor, "user_id": resolved, "created": created})


def merge(call: Call) -> Answer:
    """Make all that one user did another user's; replaces what was recorded about the first one before."""
    given = read_fields(call, _MERGE)
    source, target = given["from_user_id"], given["into_user_id"]
    for name, user_id in given.items():
        if not aliases.is_identity(user_id):
            raise invalid({name: ["This id stands for nobody."]})
    with call.database.transaction() as connection:
        resolved = aliases.resolve(connection, target)
        if source in {target, resolved}:
            raise invalid({"into_user_id": ["This would merge a user into itself."]})
        aliases.override(connection, source, resolved, times.from_unix(call.now))
    return Answer(200, {"from_user_id": source, "into_user_id": resolved, "merged": True})
