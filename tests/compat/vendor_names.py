"""Print the signatures of what the vendor's `segops` 0.2.2 makes public; run as a program by test_vendor.py."""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any

import segops
from segops import SegOpsClient


def describe(function: Any) -> list[dict[str, Any]]:
    return [
        {
            "name": parameter.name,
            "positional": parameter.kind is parameter.POSITIONAL_OR_KEYWORD,
            "required": parameter.default is parameter.empty,
            "default": parameter.default if isinstance(parameter.default, int | float | str) else None,
        }
        for parameter in inspect.signature(function).parameters.values()
    ]


methods = ("track", "identify", "flush", "shutdown", "close", "reset_session")
functions: dict[str, Any] = {
    name: getattr(segops, name) for name in ("Event", "Context", "UserContext", "sign_user_id")
}
functions |= {"SegOpsClient": SegOpsClient} | {name: getattr(SegOpsClient, name) for name in methods}
json.dump(
    {
        "names": segops.__all__,
        "members": [name for name in dir(SegOpsClient) if name[0] != "_" or name in ("__enter__", "__exit__")],
        "signatures": {name: describe(function) for name, function in functions.items()},
    },
    sys.stdout,
)
