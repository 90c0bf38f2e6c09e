"""What namespaces are made of: methods that declare the endpoint that they call.

    class Points(Resource):
        path = "/loyalty/points/"

        @endpoint("GET", "{collection}{user_id}/")
        def balance(self, call: EndpointCall, user_id: Id) -> Balance:
            '''Read how many points a user has.'''
            return call.record(Balance, user_id=user_id)

    admin.resource(Points).balance("user-123")

The decorator hands the method its endpoint as `call`, which its callers do not see. The command line, the reference
documentation and the asyncio variant are made from the same declarations; see `segops.plugins.admin.methods`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

import msgspec

from segops.core import Response, SegOpsArgumentError
from segops.plugins.admin.bodies import decode, unexpected
from segops.plugins.admin.fields import AllowedFields, merge_fields
from segops.plugins.admin.http import UNSET, HttpClient
from segops.plugins.admin.messages import quoted
from segops.plugins.admin.pagination import PARAMETERS, SIZE_NAMES, Fetch, Page, Pagination
from segops.plugins.admin.paths import PREFIX, Id, fill
from segops.plugins.admin.records import R, Receipt
from segops.plugins.admin.sinks import Sink

S = TypeVar("S", bound="Resource")
P = ParamSpec("P")
T = TypeVar("T")

Fields = Mapping[str, Any]
"""A body or filters, with the names of the product documentation."""

FieldNames = tuple[str, ...] | Literal["record", "filters"]
"""Documented names: these, those of the record, or those by which lists of the record are filtered."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What a method declares.

    Attributes:
        method: The HTTP method; empty if the method only makes use of others.
        path: The path template, relative to the base URL; "{collection}" stands for the path of the resource, and
            "{exports}" for that of its exported files.
        verb: The word on the command line.
        pagination: How pages are asked for, if it answers with a list.
        uses: The methods that a composed method makes use of.
        fields: The names of its body or query; None if any will do.
    """

    method: str = ""
    path: str = ""
    verb: str
    pagination: Pagination | None = None
    uses: tuple[str, ...] = ()
    fields: FieldNames | None = None


class Resource:
    """A namespace of the API.

    Attributes:
        path: The path of the collection, relative to the base URL, such as "/segments/".
        exports: The path of its exported files, if it has any.
        unlisted: Methods that the documentation of the SDK promises, but for which that of the API has no endpoint.
        http: Makes the calls.
    """

    path: str = ""
    exports: str = ""
    unlisted: frozenset[str] = frozenset()

    def __init__(self, http: HttpClient) -> None:
        self.http = http

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.http!r}>"

    @classmethod
    def expand(cls, template: str) -> str:
        """Return a path template with the paths of this resource in it."""
        return template.replace("{collection}", cls.path).replace("{exports}", cls.exports)

    @classmethod
    def allowed_fields(cls, endpoint: Endpoint) -> AllowedFields | None:
        """Return the names that the body or the query of an endpoint may have; None if any will do."""
        if not isinstance(endpoint.fields, tuple):
            return None
        paging = PARAMETERS[endpoint.pagination] if endpoint.pagination is not None else frozenset()
        return AllowedFields(frozenset(endpoint.fields) | paging)

    def check_params(
        self, method: str, params: Fields | None, filters: Mapping[str, Any], extra_fields: Fields | None
    ) -> dict[str, Any]:
        """Return the query of a method that lists, checked before anything is sent.

        Args:
            method: The name of the method that will be called with it, as its `extra_fields`.
            params: The parameters as a mapping.
            filters: The parameters as keywords; None counts as not given.
            extra_fields: Parameters that are not documented.

        Raises:
            SegOpsArgumentError: A name is not documented, or one is given twice.
        """
        return EndpointCall(self, vars(getattr(type(self), method))["endpoint"]).params(params, filters, extra_fields)


class EndpointCall:
    """An endpoint, ready to be called for a resource."""

    def __init__(self, resource: Resource, endpoint: Endpoint) -> None:
        self._resource = resource
        self._endpoint = endpoint

    def with_method(self, method: str, *allowed: str) -> EndpointCall:
        """Return the same with another HTTP method.

        Raises:
            SegOpsArgumentError: It is not one of those that are allowed.
        """
        name = method.upper() if isinstance(method, str) else method
        if name not in allowed:
            raise SegOpsArgumentError(f"method must be {' or '.join(allowed)}, got {quoted(method)}")
        return EndpointCall(self._resource, msgspec.structs.replace(self._endpoint, method=name))

    def fields(self, body: Fields | None, fields: Fields, extra_fields: Fields | None = None) -> dict[str, Any]:
        """Return a body from what the caller gave.

        Args:
            body: The fields as a mapping.
            fields: The fields as keywords.
            extra_fields: Fields that are not documented.

        Raises:
            SegOpsArgumentError: A name is not documented, or one is given twice.
        """
        return merge_fields(body, fields, extra_fields, self._resource.allowed_fields(self._endpoint))

    def params(
        self, params: Fields | None, filters: Mapping[str, Any], extra_fields: Fields | None = None
    ) -> dict[str, Any]:
        """Return a query from what the caller gave; None counts as not given.

        Raises:
            SegOpsArgumentError: A name is not documented, or one is given twice.
        """
        accepted = self._resource.allowed_fields(self._endpoint)
        return self._named(merge_fields(params, filters, extra_fields, accepted, what="params", keeps_none=False))

    def send(
        self, *, body: Any = UNSET, query: Mapping[str, Any] | None = None, at: Mapping[str, Id] | None = None
    ) -> Response:
        """Call it and return the answer as it is.

        Args:
            body: The body; left out if it is not given.
            query: The parameters of the query.
            at: What the placeholders of the path stand for.
        """
        headers = {}
        if isinstance(body, tuple):
            body, headers["Content-Type"] = body
        return self._resource.http.send(
            self._endpoint.method, self._path(at or {}), query=query, body=body, headers=headers
        )

    def json(self, *, body: Any = UNSET, query: Mapping[str, Any] | None = None, **at: Id) -> Any:
        """Call it and return the decoded answer; None if it is empty."""
        return decode(self._what(at), self.send(body=body, query=query, at=at))

    def record(self, kind: type[R], *, body: Any = UNSET, query: Mapping[str, Any] | None = None, **at: Id) -> R:
        """Call it and return the object that it answers with.

        Raises:
            SegOpsResponseError: The answer is no object.
        """
        response = self.send(body=body, query=query, at=at)
        data = decode(self._what(at), response)
        if not isinstance(data, dict):
            raise unexpected(self._what(at), response, "empty" if data is None else "no object")
        return kind(data)

    def receipt(self, *, body: Any = UNSET, query: Mapping[str, Any] | None = None, **at: Id) -> Receipt:
        """Call it and return what the server says it does; nothing said is an empty receipt."""
        data = self.json(body=body, query=query, **at)
        return Receipt(data if isinstance(data, dict) else {} if data is None else {"status": data})

    def page(
        self,
        kind: type[R],
        params: Fields | None = None,
        filters: Mapping[str, Any] | None = None,
        extra_fields: Fields | None = None,
        **at: Id,
    ) -> Page[R]:
        """Call it and return the page that it answers with.

        Args:
            kind: What is listed.
            params: The parameters of the query as a mapping.
            filters: The parameters of the query as keywords; None counts as not given.
            extra_fields: Parameters that are not documented.
            at: What the placeholders of the path stand for.
        """
        query = self.params(params, filters or {}, extra_fields)
        return Page(Fetch(lambda query: self.send(query=query, at=at), self._what(at)), kind, query)

    def fetch(self, url: str | None, sink: Sink, *, timeout: float, **at: Id) -> None:
        """Hand a file to a sink.

        Args:
            url: Where the server said that it is; None for the path of this endpoint.
            sink: Takes it.
            timeout: Seconds that it may take in all.
            at: What the placeholders of the path stand for.
        """
        self._resource.http.fetch(url or f"{PREFIX}{self._path(at)}", sink, timeout=timeout)

    def _named(self, query: dict[str, Any]) -> dict[str, Any]:
        size = SIZE_NAMES.get(self._endpoint.pagination or "array", "page_size")
        if size != "page_size" and "page_size" in query:
            if size in query:
                raise SegOpsArgumentError(f"given twice: page_size and {size}: leave one out")
            query[size] = query.pop("page_size")
        return query

    def _path(self, at: Mapping[str, Id]) -> str:
        return fill(self._resource.expand(self._endpoint.path), at)

    def _what(self, at: Mapping[str, Id]) -> str:
        return f"{self._endpoint.method} {PREFIX}{self._path(at)}"


def endpoint(
    method: str,
    path: str,
    *,
    verb: str | None = None,
    pagination: Pagination | None = None,
    fields: FieldNames | None = None,
) -> Callable[[Callable[Concatenate[S, EndpointCall, P], T]], Callable[Concatenate[S, P], T]]:
    """Declare the endpoint that a method calls, and hand it to the method as its first argument.

    Args:
        method: The HTTP method.
        path: The path template, relative to the base URL: "{collection}" is the path of the resource, other names in
            braces are arguments of the method.
        verb: The word on the command line. Default: the name of the method, with hyphens.
        pagination: How pages are asked for, if it answers with a list.
        fields: The names that `call.fields`, `call.params` and `call.page` accept. Default: any.
    """

    def declare(function: Callable[Concatenate[S, EndpointCall, P], T]) -> Callable[Concatenate[S, P], T]:
        declared = Endpoint(
            method=method,
            path=path,
            verb=verb or function.__name__.replace("_", "-"),
            pagination=pagination,
            fields=fields,
        )

        @functools.wraps(function)
        def calling(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            return function(self, EndpointCall(self, declared), *args, **kwargs)

        signature = inspect.signature(function)
        seen = [parameter for name, parameter in signature.parameters.items() if name != "call"]
        vars(calling).update(__signature__=signature.replace(parameters=seen), endpoint=declared)
        return calling

    return declare


def composite(
    *uses: str, verb: str | None = None, pagination: Pagination | None = None
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Declare a method that makes use of other methods of the same resource.

    Args:
        uses: The names of those methods.
        verb: The word on the command line. Default: the name of the method, with hyphens.
        pagination: How pages are asked for, if it gives the items of a list.
    """

    def declare(function: Callable[P, T]) -> Callable[P, T]:
        vars(function)["endpoint"] = Endpoint(
            verb=verb or function.__name__.replace("_", "-"), uses=uses, pagination=pagination
        )
        return function

    return declare
