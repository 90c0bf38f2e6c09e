"""The engine: from `track()` to a settled event.

Its front door has what other packages need of it: the readers, checks and encoders of events and values, and the
enrichers of a bulk job.
"""

from segops.delivery.coercion import encode_json
from segops.delivery.enrichment import Enrichment
from segops.delivery.preparation import as_event_error, check_event, encode_checked
from segops.delivery.queue import IS_COMPILED
from segops.delivery.validation import read_event

__all__ = [
    "IS_COMPILED",
    "Enrichment",
    "as_event_error",
    "check_event",
    "encode_checked",
    "encode_json",
    "read_event",
]
