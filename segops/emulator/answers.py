"""What an endpoint answers, and how it refuses.

Source: wire-protocol.md, section 1.7.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from segops.core import Response

MAX_BODY = 10 * 1024 * 1024
"""The longest request body that is read, in bytes."""

_encoder = msgspec.json.Encoder()


class Answer(msgspec.Struct, frozen=True):
    """The answer of one endpoint.

    Attributes:
        status: The HTTP status.
        body: What becomes its JSON body; bytes are the body as it is, of the type that `headers` tell.
        headers: Further headers, names in lower case.
        count: How many events were stored; for the journal.
        skipped: How many events were not; for the journal.
    """

    status: int
    body: object
    headers: Mapping[str, str] = {}
    count: int = 0
    skipped: int = 0

    def response(self) -> Response:
        """Return it as an HTTP response."""
        headers = {"content-type": "application/json", **self.headers}
        body = self.body if isinstance(self.body, bytes) else _encoder.encode(self.body)
        return Response(self.status, headers, body)


class Refusal(Exception):  # noqa: N818 - an answer that leaves an endpoint early, not a fault of the program
    """The request is refused, with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def no_content() -> Answer:
    """Return the answer to a deletion."""
    return Answer(204, b"")


def refuse(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Refusal:
    """Return a refusal with a general error body."""
    return Refusal(Answer(status, {"detail": detail}, headers or {}))


def invalid(errors: Mapping[str, list[str]]) -> Refusal:
    """Return a refusal that names what is wrong with each field."""
    return Refusal(Answer(400, errors))


def too_large() -> Refusal:
    """Return the refusal of a body above `MAX_BODY`."""
    return refuse(413, f"The request body is larger than {MAX_BODY} bytes.")
