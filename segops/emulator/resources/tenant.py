"""Settings of the only tenant of a local SegOps."""

from __future__ import annotations

from typing import Annotated

import msgspec

from segops.emulator.bodies import Field, Name, Text, read_fields
from segops.emulator.database import Database
from segops.emulator.responses import ApiResponse
from segops.emulator.routing import SECRET, RequestContext, Route

SLUG = "local"
BRAND = "Your brand"
MASK = "***"

_SLUG = Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
_SHOPIFY = "shopify_webhook_secret"
_FIELDS = {"tenant_slug": Field(_SLUG), "brand_name": Field(Name), _SHOPIFY: Field(Text)}
_DEFAULTS = {"tenant_slug": SLUG, "brand_name": BRAND, _SHOPIFY: ""}


def tenant_slug(database: Database) -> str:
    """Return the slug of the tenant."""
    return setting(database, "tenant_slug")


def setting(database: Database, name: str) -> str:
    """Return a setting of the tenant."""
    return database.setting(name, lambda: _DEFAULTS[name])


def get_settings(request: RequestContext) -> ApiResponse:
    """Read the settings of the tenant."""
    return ApiResponse(200, _shown(request.database))


def put_settings(request: RequestContext) -> ApiResponse:
    """Change the slug of the tenant, the name of its brand, or its Shopify webhook secret."""
    values = read_fields(request, _FIELDS, partial=True)
    if values.get(_SHOPIFY) == MASK:  # sent back as shown
        del values[_SHOPIFY]
    with request.database.transaction() as connection:
        connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", values.items())
    return ApiResponse(200, _shown(request.database))


def _shown(database: Database) -> dict[str, str]:
    values = {name: setting(database, name) for name in _FIELDS}
    return {**values, _SHOPIFY: MASK if values[_SHOPIFY] else ""}


TABLES = ()
ROUTES = (
    Route("GET", "/api/settings/", SECRET, get_settings),
    Route("PUT", "/api/settings/", SECRET, put_settings),
    Route("PATCH", "/api/settings/", SECRET, put_settings),
)
