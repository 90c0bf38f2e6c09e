"""What `segops doctor` finds."""

from __future__ import annotations

from typing import Literal

import msgspec

from segops.cli.errors import ExitCode

Status = Literal["ok", "warning", "failed"]


class Finding(msgspec.Struct, frozen=True):
    """The result of one check.

    Attributes:
        check: What was checked.
        status: "ok"; "warning" for a possible problem; "failed" if nothing works like this.
        detail: What was found, and what to do about it.
        code: The exit code of a failure.
    """

    check: str
    status: Status
    detail: str
    code: ExitCode = ExitCode.FAILED
