"""List the methods of all namespaces: the source of the command line, the reference, and the asyncio types."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from segops.plugins.admin.http import MUTATIONS
from segops.plugins.admin.pagination import Pagination
from segops.plugins.admin.resource import Endpoint, Resource


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """A method of a namespace.

    Attributes:
        namespace: The name of the namespace, such as "product_segments".
        name: The name of the method.
        verb: The word on the command line.
        http_method: The HTTP method; empty for a composite method.
        path: The path template, relative to the base URL, with the names of arguments in braces.
        pagination: How to ask for pages, if the method returns a list or its items.
        uses: The names of the methods that a composite method calls.
        is_listed: Whether the API documents its endpoint.
        signature: Its signature, without `self`.
        function: The function in the class.
    """

    namespace: str
    name: str
    verb: str
    http_method: str
    path: str
    pagination: Pagination | None
    uses: tuple[str, ...]
    is_listed: bool
    signature: inspect.Signature
    function: Callable[..., Any]

    @property
    def doc(self) -> str:
        """The docstring, dedented."""
        return inspect.getdoc(self.function) or ""

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return self.doc.partition("\n")[0]

    @property
    def argument_docs(self) -> dict[str, str]:
        """The descriptions of the arguments in the docstring, by name."""
        section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", self.doc, re.MULTILINE | re.DOTALL)
        found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section[1], re.MULTILINE) if section else []
        return {name: " ".join(text.split()) for name, text in found}

    @property
    def is_mutation(self) -> bool:
        """Whether its HTTP method changes something."""
        return self.http_method in MUTATIONS


def methods_of(resources: Mapping[str, type[Resource]]) -> tuple[Method, ...]:
    """Return the methods of all namespaces in the order of the classes, inherited ones first."""
    return tuple(method for namespace, cls in resources.items() for method in _methods(namespace, cls))


def _methods(namespace: str, cls: type[Resource]) -> Iterator[Method]:
    names = dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base))
    for name in names:
        function = getattr(cls, name)
        declared = getattr(function, "endpoint", None)
        if not isinstance(declared, Endpoint):
            continue
        signature = inspect.signature(function)
        parameters = list(signature.parameters.values())[1:]
        yield Method(
            namespace=namespace,
            name=name,
            verb=declared.verb,
            http_method=declared.method,
            path=cls.expand(declared.path),
            pagination=_pagination(cls, declared),
            uses=declared.uses,
            is_listed=name not in cls.unlisted,
            signature=signature.replace(parameters=parameters),
            function=function,
        )


def _pagination(cls: type[Resource], declared: Endpoint) -> Pagination | None:
    """Return how to ask for pages: a composite method asks as the first method that it calls."""
    if declared.pagination is None or not declared.uses:
        return declared.pagination
    used: Endpoint = vars(getattr(cls, declared.uses[0]))["endpoint"]
    return used.pagination
