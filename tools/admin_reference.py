"""Writes what follows from the declared admin methods: `python -m tools.admin_reference [FOLDER]`.

That is the reference documentation and the types of the asyncio variant. A test fails when they are not up to date.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segops.admin import SegOpsAdmin
from segops.plugins.admin import RESOURCES, Crud, Method, Resource, methods_of
from segops.plugins.admin import __all__ as public_names

REFERENCE = "docs/admin-reference.md"
STUB = "segops/async_admin.pyi"

_REFERENCE_HEAD = """# Admin reference

Every method of `SegOpsAdmin`, made by `python -m tools.admin_reference`. [The guide](admin.md) explains them.

Paths are relative to the base URL. A method with several endpoints makes use of other methods. Bodies and filters can
be given as a mapping or as keywords; all methods raise `SegOpsArgumentError` for arguments that cannot be sent,
`SegOpsApiError` when the server refuses and `SegOpsTransportError` when no answer comes.
"""

_STUB_HEAD = """# Made by `python -m tools.admin_reference`: do not edit.
# fmt: off
# ruff: noqa: A002, E501
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from segops.admin import Raw
from segops.core import Clock, Response, RetryPolicy, Transport
from segops.plugins.admin import (
{names}
)

_P = ParamSpec("_P")
_T = TypeVar("_T")
"""

_STUB_CLASS = """
class AsyncHttpClient:
    async def request{request}: ...
    async def send{send}: ...

class AsyncSegOpsAdmin:
{namespaces}
    def __init__{init}: ...
    @property
    def http(self) -> AsyncHttpClient: ...
    @property
    def methods(self) -> tuple[Method, ...]: ...
    @property
    def transport(self) -> Transport: ...
    def resource(self, kind: type[Resource]) -> AsyncView: ...
    def with_options{with_options}: ...
    async def raw(
        self, method: Callable[_P, Awaitable[_T]], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Raw[_T]: ...
    async def close(self) -> None: ...
    async def __aenter__(self) -> AsyncSegOpsAdmin: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
"""


def make_reference() -> str:
    """Return the reference documentation of all methods, as Markdown."""
    return "\n".join([_REFERENCE_HEAD, *_sections()])


def make_stub() -> str:
    """Return the types of the asyncio variant, as a stub file."""
    classes = "\n".join(_stub_classes())
    tail = _STUB_CLASS.format(
        request=_asynchronous(SegOpsAdmin(base_url="memory:").http.request, with_self=True),
        send=_asynchronous(SegOpsAdmin(base_url="memory:").http.send, with_self=True),
        namespaces="\n".join(f"    {name}: Async{kind.__name__}" for name, kind in RESOURCES.items()),
        init=_asynchronous(SegOpsAdmin.__init__),
        with_options=_asynchronous(SegOpsAdmin.with_options),
    )
    used = set(re.findall(r"\w+", classes + tail))
    names = sorted(used.intersection(public_names))
    return _STUB_HEAD.format(names="\n".join(f"    {name}," for name in names)) + f"\n{classes}\n{tail}"


def main(folder: Path) -> None:
    """Write both files into a checkout."""
    (folder / REFERENCE).write_text(make_reference(), "utf-8")
    (folder / STUB).write_text(make_stub(), "utf-8")


def _sections() -> Iterator[str]:
    methods = methods_of(RESOURCES)
    for namespace, kind in RESOURCES.items():
        yield f"## {namespace}\n\n{(inspect.getdoc(kind) or '').partition(chr(10))[0]}\n"
        for method in methods:
            if method.namespace == namespace:
                yield _entry(method, {each.name: each for each in methods if each.namespace == namespace})


def _entry(method: Method, others: dict[str, Method]) -> str:
    endpoints = [method] if method.http_method else [others[name] for name in method.uses]
    lines = [f"`{each.http_method} {each.path}`" for each in _leaves(endpoints, others)]
    notes = [] if method.is_listed else ["The API's documentation has no such endpoint: expect `SegOpsNotFoundError`."]
    if method.pagination is not None:
        notes.append(f"Pages: {method.pagination}.")
    paragraphs = [
        f"### {method.namespace}.{method.name}",
        f"`{method.name}{_shown(method)}`",
        " · ".join(dict.fromkeys(lines)),
        method.summary,
        " ".join(notes),
        *_arguments(method),
        _names(method),
    ]
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def _names(method: Method) -> str:
    """Return the documented names of a body or a query, where there are any."""
    accepted = RESOURCES[method.namespace].allowed_fields(vars(method.function)["endpoint"])
    if accepted is None or not accepted.names:
        return ""
    what = "Fields" if method.is_mutation else "Parameters"
    more = ", and any attribute" if accepted.is_open else ""
    return f"{what}: {', '.join(f'`{name}`' for name in sorted(accepted.names))}{more}."


def _leaves(methods: list[Method], others: dict[str, Method]) -> Iterator[Method]:
    for method in methods:
        if method.http_method:
            yield method
        else:
            yield from _leaves([others[name] for name in method.uses], others)


def _arguments(method: Method) -> Iterator[str]:
    found = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", method.doc, re.MULTILINE | re.DOTALL)
    if found:
        pairs = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", found[1], re.MULTILINE)
        yield "\n".join(f"- `{name}`: {' '.join(text.split())}" for name, text in pairs)


def _shown(method: Method) -> str:
    record = _record(RESOURCES[method.namespace])
    return re.sub(r"\bR\b", record, str(method.signature)).replace("'", "")


def _record(kind: type[Resource]) -> str:
    crud: Any = kind
    return str(crud.record.__name__) if issubclass(kind, Crud) else ""


def _stub_classes() -> Iterator[str]:
    methods = methods_of(RESOURCES)
    for namespace, kind in RESOURCES.items():
        yield f"class Async{kind.__name__}:"
        for method in methods:
            if method.namespace == namespace:
                prefix = "async def" if method.http_method or method.pagination is None else "def"
                yield f"    {prefix} {method.name}{_asynchronous(method.function, _record(kind))}: ..."


def _asynchronous(function: object, record: str = "", *, with_self: bool = False) -> str:
    """Return the signature of a function as the asyncio variant has it."""
    text = str(inspect.signature(function))  # type: ignore[arg-type] # all of them can be called
    if with_self:
        text = text.replace("(", "(self, ", 1)
    text = re.sub(r"= '[^']*'", "= ...", text)
    text = re.sub(r"'([^']*)'", r"\1", text)
    text = re.sub(r"\bR\b", record, text)
    text = re.sub(r"\b(Page|Items)\[", r"Async\1[", text)
    text = text.replace("SegOpsAdmin", "AsyncSegOpsAdmin")
    return re.sub(r"= <[^>]*>|= UNSET", "= ...", text)  # what has no literal


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
