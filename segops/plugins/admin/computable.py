"""Resources that the server computes: start a computation, and wait for it."""

from __future__ import annotations

from segops.plugins.admin.crud import Crud
from segops.plugins.admin.paths import Id
from segops.plugins.admin.records import R, Receipt
from segops.plugins.admin.resource import EndpointCall, composite, endpoint, words_of
from segops.plugins.admin.waiting import wait_for_computation


class Computable(Crud[R]):
    """A resource with records that the server computes and stamps with `last_computed_at`."""

    @endpoint("POST", "{collection}{id}/compute/")
    def recompute(self, call: EndpointCall, id: Id) -> Receipt:
        """Queue a recomputation without waiting for it.

        Args:
            id: The id.
        """
        return call.receipt(id=id)

    @composite("get", "recompute")
    def recompute_and_wait(self, id: Id, *, timeout: float = 300.0) -> R:
        """Recompute and return the record once it is done, with its new count.

        Done means that `last_computed_at` has changed, which an earlier computation may cause as well.

        Args:
            id: The id.
            timeout: Seconds to wait at most; the computation continues.

        Raises:
            SegOpsTimeoutError: It does not finish in time.
        """
        return wait_for_computation(
            self.http,
            lambda: self.get(id),
            lambda: self.recompute(id),
            timeout=timeout,
            what=f"the computation of the {words_of(self.record.__name__)}",
        )
