"""What `segops doctor` finds."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["ok", "warning", "failed"]


class Finding(msgspec.Struct, frozen=True):
    """What one check found.

    Attributes:
        check: What was looked at.
        status: "ok"; "warning" if it may do harm; "failed" if nothing will work like this.
        detail: What was found, and what to do about it.
        code: The exit code that a failure asks for.
    """

    check: str
    status: Status
    detail: str
    code: int = 0
