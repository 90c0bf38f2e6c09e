"""Identity: who is who.

Source: wire-protocol.md, sections 6.7 and 8.3.
"""

from __future__ import annotations

from segops.plugins.admin.records import Receipt
from segops.plugins.admin.resource import EndpointCall, Resource, endpoint


class Identity(Resource):
    """Who is who: visitors become users, and users are merged."""

    path = "/identity/"

    @endpoint("POST", "{collection}alias/")
    def alias(self, call: EndpointCall, anonymous_id: str, user_id: str) -> Receipt:
        """Record that a visitor is a user; what was recorded about the visitor before stays.

        Args:
            anonymous_id: The visitor.
            user_id: The user.
        """
        return call.receipt(body={"anonymous_id": anonymous_id, "user_id": user_id})

    @endpoint("POST", "{collection}merge/")
    def merge(self, call: EndpointCall, from_user_id: str, into_user_id: str) -> Receipt:
        """Make all that one user did another user's; this replaces what was recorded before.

        Args:
            from_user_id: The user that ends.
            into_user_id: The user that stays.
        """
        return call.receipt(body={"from_user_id": from_user_id, "into_user_id": into_user_id})
