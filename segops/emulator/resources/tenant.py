"""The one tenant of a local SegOps, and its settings.

Source: wire-protocol.md, sections 1.2 and 2.7; where the settings are changed is our choice.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from segops.emulator.answers import Answer
from segops.emulator.call import Call
from segops.emulator.database import Database
from segops.emulator.resources.bodies import Field, Name, Text, read_fields

SLUG = "local"
BRAND = "Your brand"
MASK = "***"

_SLUG = Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
_SHOPIFY = "shopify_webhook_secret"
_FIELDS = {"tenant_slug": Field(_SLUG), "brand_name": Field(Name), _SHOPIFY: Field(Text)}
_DEFAULTS = {"tenant_slug": SLUG, "brand_name": BRAND, _SHOPIFY: ""}


def tenant_slug(database: Database) -> str:
    """Return the short name of the tenant."""
    return setting(database, "tenant_slug")


def setting(database: Database, name: str) -> str:
    """Return a setting of the tenant."""
    return database.setting(name, lambda: _DEFAULTS[name])


def get_settings(call: Call) -> Answer:
    """Read the settings of the tenant."""
    return Answer(200, _shown(call.database))


def put_settings(call: Call) -> Answer:
    """Change some settings of the tenant: its slug, the name of its brand, the webhook secret of its Shopify shop."""
    values = read_fields(call, _FIELDS, partial=True)
    if values.get(_SHOPIFY) == MASK:  # sent back as it was shown
        del values[_SHOPIFY]
    with call.database.transaction() as connection:
        connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", values.items())
    return Answer(200, _shown(call.database))


def _shown(database: Database) -> dict[str, str]:
    values = {name: setting(database, name) for name in _FIELDS}
    return {**values, _SHOPIFY: MASK if values[_SHOPIFY] else ""}
