"""Identity: anonymous visitors and the users they turn out to be."""

from __future__ import annotations

from segops.plugins.admin.records import Receipt
from segops.plugins.admin.resource import EndpointCall, Resource, endpoint


class Identity(Resource):
    """Link anonymous visitors to users and merge users."""

    path = "/identity/"

    @endpoint("POST", "{collection}alias/")
    def alias(self, call: EndpointCall, anonymous_id: str, user_id: str) -> Receipt:
        """Link an anonymous visitor to a user. Earlier links of the visitor stay.

        Args:
            anonymous_id: The anonymous id of the visitor.
            user_id: The id of the user.
        """
        return call.receipt(body={"anonymous_id": anonymous_id, "user_id": user_id})

    @endpoint("POST", "{collection}merge/")
    def merge(self, call: EndpointCall, from_user_id: str, into_user_id: str) -> Receipt:
        """Merge one user into another. This replaces an earlier merge of the same user.

        Args:
            from_user_id: The user to merge.
            into_user_id: The user to keep.
        """
        return call.receipt(body={"from_user_id": from_user_id, "into_user_id": into_user_id})
