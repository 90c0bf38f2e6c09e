"""Make one call, or a few, with a vendor's package, and print what came of each as JSON.

Run as a program; stdin holds {"package", "make", "options", "calls": [[name, arguments, keywords]]}. A name is a
method of the object made, such as "segments.create", or a function of a module, such as "webhook.verify_webhook".
An argument {"bytes": text} stands for bytes. What a generator yields is printed as a list.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import sys
from types import ModuleType
from typing import Any


def argument(value: Any) -> Any:
    return value["bytes"].encode() if isinstance(value, dict) and list(value) == ["bytes"] else value


def find(package: ModuleType, made: object, name: str) -> Any:
    module, _, function = name.rpartition(".")
    if not hasattr(made, name.partition(".")[0]):
        owner = importlib.import_module(f"{package.__name__}.{module}") if module else package
        return getattr(owner, function)
    return functools.reduce(getattr, name.split("."), made)


def make(package: ModuleType, options: dict[str, Any], name: str | None) -> object:
    if name is None:
        return None
    if "get_user" in options:
        user = package.UserContext(**options["get_user"])
        options["get_user"] = lambda: user
    return getattr(package, name)(**options)


def call(function: Any, arguments: list[Any], keywords: dict[str, Any]) -> dict[str, Any]:
    try:
        result = function(*map(argument, arguments), **keywords)
        return {"result": list(result) if inspect.isgenerator(result) else result}
    except Exception as error:  # noqa: BLE001 - whatever it raises is what was asked for
        status, body = getattr(error, "status", None), getattr(error, "body", None)
        return {"error": {"type": type(error).__name__, "text": str(error), "status": status, "body": body}}


def main() -> None:
    asked = json.load(sys.stdin)
    package = importlib.import_module(asked["package"])
    made = make(package, asked["options"], asked["make"])
    done = [call(find(package, made, name), arguments, keywords) for name, arguments, keywords in asked["calls"]]
    json.dump(done, sys.stdout)


if __name__ == "__main__":
    main()
