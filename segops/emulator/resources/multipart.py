"""Files uploaded as multipart/form-data (RFC 7578)."""

from __future__ import annotations

from email.message import Message
from email.parser import BytesHeaderParser

import msgspec

from segops.emulator.answers import invalid, refuse
from segops.emulator.call import Call


class Upload(msgspec.Struct, frozen=True):
    """One uploaded file."""

    filename: str
    content: bytes

    def __repr__(self) -> str:
        """Show no content."""
        return f"Upload({self.filename!r}, {len(self.content)} bytes)"


def read_upload(call: Call, name: str) -> Upload:
    """Return the file in the part called `name`.

    Raises:
        Refusal: 400; the body is no multipart/form-data, or has no such file.
    """
    kind = _header("content-type", call.headers.get("content-type", ""))
    boundary = kind.get_param("boundary")
    if kind.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise refuse(400, "Send the file as multipart/form-data with a boundary.")
    delimiter = b"\r\n--" + boundary.encode(errors="replace")
    for part in (b"\r\n" + call.body).split(delimiter)[1:]:
        head, separator, content = part.partition(b"\r\n\r\n")
        disposition = BytesHeaderParser().parsebytes(head.lstrip(b"\r\n"))
        if separator and disposition.get_param("name", header="content-disposition") == name:
            return Upload(disposition.get_filename() or "", content)
    raise invalid({name: ["No file was submitted."]})


def _header(name: str, value: str) -> Message:
    message = Message()
    message[name] = value.replace("\r", "").replace("\n", "")
    return message
