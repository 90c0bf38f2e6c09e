"""The engine: from `track()` to a settled event.

Its front door has what other packages need of it: the encoding of values, and the reader of events.
"""

from segops.delivery.coercion import encode_json
from segops.delivery.queue import IS_COMPILED
from segops.delivery.validation import read_event

__all__ = ["IS_COMPILED", "encode_json", "read_event"]
