"""Read files uploaded as multipart/form-data (RFC 7578)."""

from __future__ import annotations

from email.message import Message
from email.parser import BytesHeaderParser

import msgspec

from segops.emulator.responses import HTTPError
from segops.emulator.routing import RequestContext


class Upload(msgspec.Struct, frozen=True):
    """An uploaded file."""

    filename: str
    content: bytes

    def __repr__(self) -> str:
        """Omit the content."""
        return f"Upload({self.filename!r}, {len(self.content)} bytes)"


def read_upload(request: RequestContext, name: str) -> Upload:
    """Return the file in the part named `name`.

    Raises:
        HTTPError: 400; the body is not multipart/form-data, or does not contain the file.
    """
    header = _header("content-type", request.headers.get("content-type", ""))
    boundary = header.get_param("boundary")
    if header.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise HTTPError(400, "Send the file as multipart/form-data with a boundary.")
    delimiter = b"\r\n--" + boundary.encode(errors="replace")
    for part in (b"\r\n" + request.body).split(delimiter)[1:]:
        head, separator, content = part.partition(b"\r\n\r\n")
        disposition = BytesHeaderParser().parsebytes(head.lstrip(b"\r\n"))
        if separator and disposition.get_param("name", header="content-disposition") == name:
            return Upload(disposition.get_filename() or "", content)
    raise HTTPError(400, {name: ["No file was submitted."]})


def _header(name: str, value: str) -> Message:
    message = Message()
    message[name] = value.replace("\r", "").replace("\n", "")
    return message
