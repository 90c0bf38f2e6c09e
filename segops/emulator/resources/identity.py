"""Identity: link anonymous visitors to users, and merge users."""

from __future__ import annotations

from segops.emulator import aliases, times
from segops.emulator.bodies import Field, Name, read_fields
from segops.emulator.responses import ApiResponse, HTTPError
from segops.emulator.routing import SECRET, RequestContext, Route

_ALIAS = {"anonymous_id": Field(Name), "user_id": Field(Name)}
_MERGE = {"from_user_id": Field(Name), "into_user_id": Field(Name)}


def alias(request: RequestContext) -> ApiResponse:
    """Link a visitor to a user. An earlier identification of the visitor stays."""
    body = read_fields(request, _ALIAS)
    visitor = aliases.PREFIX + body["anonymous_id"].removeprefix(aliases.PREFIX)
    if not aliases.is_identity(body["user_id"]):
        raise HTTPError(400, {"user_id": ["This id identifies nobody."]})
    with request.database.transaction() as connection:
        created = aliases.link(connection, visitor, body["user_id"], times.from_unix(request.now))
        resolved = aliases.resolve(connection, visitor)
    return ApiResponse(200, {"alias": visitor, "user_id": resolved, "created": created})


def merge(request: RequestContext) -> ApiResponse:
    """Merge a user into another, replacing an earlier link of the former."""
    body = read_fields(request, _MERGE)
    source, target = body["from_user_id"], body["into_user_id"]
    for name, user_id in body.items():
        if not aliases.is_identity(user_id):
            raise HTTPError(400, {name: ["This id identifies nobody."]})
    with request.database.transaction() as connection:
        resolved = aliases.resolve(connection, target)
        if source in {target, resolved}:
            raise HTTPError(400, {"into_user_id": ["This would merge a user into itself."]})
        aliases.override(connection, source, resolved, times.from_unix(request.now))
    return ApiResponse(200, {"from_user_id": source, "into_user_id": resolved, "merged": True})


TABLES = ()
ROUTES = (
    Route("POST", "/api/identity/alias/", SECRET, alias),
    Route("POST", "/api/identity/merge/", SECRET, merge),
)
