"""The building blocks of namespaces: methods that declare the endpoint they call.

    class Points(Resource):
        path = "/loyalty/points/"

        @endpoint("GET", "{collection}{user_id}/")
        def balance(self, call: EndpointCall, user_id: Id) -> Balance:
            '''Read the points of a user.'''
            return call.record(Balance, user_id=user_id)

    admin.resource(Points).balance("user-123")

The decorator passes the method its endpoint as `call`, which callers do not see. The command line, the reference
documentation, and the asyncio variant are built from the same declarations: see `segops.plugins.admin.methods`.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

import msgspec

from segops.core import Response, SegOpsArgumentError, SegOpsNotFoundError
from segops.plugins.admin.bodies import decode, unexpected
from segops.plugins.admin.fields import AllowedFields, merge_fields
from segops.plugins.admin.http import UNSET, HttpClient
from segops.plugins.admin.messages import printable, quoted
from segops.plugins.admin.pagination import PARAMETERS, SIZE_NAMES, Fetch, Page, Pagination
from segops.plugins.admin.paths import PREFIX, Id, fill
from segops.plugins.admin.records import R, Receipt
from segops.plugins.admin.sinks import Sink

S = TypeVar("S", bound="Resource")
P = ParamSpec("P")
T = TypeVar("T")

HttpMethod = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

Fields = Mapping[str, Any]
"""A body or filters, with the names of the product documentation."""

FieldNames = tuple[str, ...] | Literal["record", "filters"]
"""Documented names: these, the fields of the record, or the filters of its lists."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What a method declares.

    Attributes:
        method: The HTTP method; empty for a composite method.
        path: The path template, relative to the base URL. "{collection}" stands for the path of the resource, and
            "{exports}" for the path of its exported files.
        verb: The word on the command line.
        pagination: How to ask for pages, if the endpoint returns a list.
        uses: The methods that a composite method calls.
        fields: The names of the body or query; None for any.
    """

    method: HttpMethod | Literal[""] = ""
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
        unlisted: Methods that the SDK documentation promises but the API documentation has no endpoint for.
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
        """Return a path template with the paths of this resource filled in."""
        return template.replace("{collection}", cls.path).replace("{exports}", cls.exports)

    @classmethod
    def allowed_fields(cls, endpoint: Endpoint) -> AllowedFields | None:
        """Return the names that the body or the query of an endpoint may contain; None for any."""
        if not isinstance(endpoint.fields, tuple):
            return None
        paging = PARAMETERS[endpoint.pagination] if endpoint.pagination is not None else frozenset()
        return AllowedFields(frozenset(endpoint.fields) | paging)

    @classmethod
    def noun(cls, placeholder: str) -> str:
        """Return what a placeholder of a path identifies, for messages: "segment" for `segment_id`."""
        return placeholder.removesuffix("_id").replace("_", " ")

    def check_params(
        self, method: str, params: Fields | None, filters: Mapping[str, Any], extra_fields: Fields | None
    ) -> dict[str, Any]:
        """Check the query of a method that lists, before anything is sent, and return it.

        Args:
            method: The name of the method to call with it, as its `extra_fields`.
            params: The parameters as a mapping.
            filters: The parameters as keywords; None means not given.
            extra_fields: Undocumented parameters.

        Raises:
            SegOpsArgumentError: A name is not documented, or is given twice.
        """
        return EndpointCall(self, vars(getattr(type(self), method))["endpoint"]).params(params, filters, extra_fields)


class EndpointCall:
    """An endpoint of a resource, ready to be called."""

    def __init__(self, resource: Resource, endpoint: Endpoint) -> None:
        self._resource = resource
        self._endpoint = endpoint

    def with_method(self, method: HttpMethod, *allowed: HttpMethod) -> EndpointCall:
        """Return the same call with another HTTP method.

        Raises:
            SegOpsArgumentError: The method is not one of `allowed`.
        """
        name = method.upper() if isinstance(method, str) else method
        chosen = next((each for each in allowed if each == name), None)
        if chosen is None:
            raise SegOpsArgumentError(f"method must be {' or '.join(allowed)}, got {quoted(method)}")
        return EndpointCall(self._resource, msgspec.structs.replace(self._endpoint, method=chosen))

    def fields(self, body: Fields | None, fields: Fields, extra_fields: Fields | None = None) -> dict[str, Any]:
        """Return the body for what the caller passed.

        Args:
            body: The fields as a mapping.
            fields: The fields as keywords.
            extra_fields: Undocumented fields.

        Raises:
            SegOpsArgumentError: A name is not documented, or is given twice.
        """
        return merge_fields(body, fields, extra_fields, self._allowed)

    def params(
        self, params: Fields | None, filters: Mapping[str, Any], extra_fields: Fields | None = None
    ) -> dict[str, Any]:
        """Return the query for what the caller passed; None means not given.

        Raises:
            SegOpsArgumentError: A name is not documented, or is given twice.
        """
        query = merge_fields(params, filters, extra_fields, self._allowed, name="params", keep_none=False)
        size = SIZE_NAMES.get(self._endpoint.pagination or "array", "page_size")
        if size != "page_size" and "page_size" in query:
            if size in query:
                raise SegOpsArgumentError(f"given twice: page_size and {size}: leave one out")
            query[size] = query.pop("page_size")
        return query

    def send(
        self, *, body: Any = UNSET, query: Mapping[str, Any] | None = None, at: Mapping[str, Id] | None = None
    ) -> Response:
        """Call the endpoint and return the response.

        Args:
            body: The body. Default: none.
            query: The parameters of the query.
            at: The values of the placeholders in the path.
        """
        headers = {}
        if isinstance(body, tuple):
            body, headers["Content-Type"] = body
        path = self._path(at or {})
        try:
            return self._resource.http.send(self._endpoint.method, path, query=query, body=body, headers=headers)
        except SegOpsNotFoundError as error:
            if at and self._names_missing_record(error):
                records = " or ".join(f"{self._resource.noun(name)} {printable(value)}" for name, value in at.items())
                error.args = (f"{records} not found (404)",)
            raise

    def json(self, *, body: Any = UNSET, query: Mapping[str, Any] | None = None, **at: Id) -> Any:
        """Call the endpoint and return the decoded body; None if it is empty."""
        return decode(self._what(at), self.send(body=body, query=query, at=at))

    def record(self, cls: type[R], *, body: Any = UNSET, query: Mapping[str, Any] | None = None, **at: Id) -> R:
        """Call the endpoint and return the object in the response.

        Args:
            cls: What the endpoint returns.
            body: The body. Default: none.
            query: The parameters of the query.
            at: The values of the placeholders in the path.

        Raises:
            SegOpsResponseError: The response contains no object.
        """
        response = self.send(body=body, query=query, at=at)
        data = decode(self._what(at), response)
        if not isinstance(data, dict):
            raise unexpected(self._what(at), response, "a JSON object", "nothing" if data is None else "other JSON")
        return cls(data)

    def receipt(self, *, body: Any = UNSET, query: Mapping[str, Any] | None = None, **at: Id) -> Receipt:
        """Call the endpoint and return what the server says it did; an empty receipt if it says nothing."""
        data = self.json(body=body, query=query, **at)
        return Receipt(data if isinstance(data, dict) else {} if data is None else {"status": data})

    def page(
        self,
        cls: type[R],
        params: Fields | None = None,
        filters: Mapping[str, Any] | None = None,
        extra_fields: Fields | None = None,
        **at: Id,
    ) -> Page[R]:
        """Call the endpoint and return the page in the response.

        Args:
            cls: What the endpoint lists.
            params: The parameters of the query as a mapping.
            filters: The parameters of the query as keywords; None means not given.
            extra_fields: Undocumented parameters.
            at: The values of the placeholders in the path.
        """
        query = self.params(params, filters or {}, extra_fields)
        return Page(Fetch(lambda query: self.send(query=query, at=at), self._what(at)), cls, query)

    def fetch(self, url: str | None, sink: Sink, *, timeout: float, **at: Id) -> None:
        """Download a file into a sink.

        Args:
            url: Where the server said the file is; None for the path of this endpoint.
            sink: Receives the file.
            timeout: Seconds for the whole download.
            at: The values of the placeholders in the path.
        """
        self._resource.http.fetch(url or f"{PREFIX}{self._path(at)}", sink, timeout=timeout)

    @property
    def _allowed(self) -> AllowedFields | None:
        return self._resource.allowed_fields(self._endpoint)

    def _names_missing_record(self, error: SegOpsNotFoundError) -> bool:
        """Return whether a 404 is about a record: an unknown path and another server's page are not."""
        is_listed = self._endpoint.verb.replace("-", "_") not in self._resource.unlisted
        return error.status == 404 and is_listed and isinstance(error.body, dict)  # noqa: PLR2004 - not 405

    def _path(self, at: Mapping[str, Id]) -> str:
        return fill(self._resource.expand(self._endpoint.path), at)

    def _what(self, at: Mapping[str, Id]) -> str:
        return f"{self._endpoint.method} {PREFIX}{self._path(at)}"


def endpoint(
    method: HttpMethod,
    path: str,
    *,
    verb: str | None = None,
    pagination: Pagination | None = None,
    fields: FieldNames | None = None,
) -> Callable[[Callable[Concatenate[S, EndpointCall, P], T]], Callable[Concatenate[S, P], T]]:
    """Declare the endpoint that a method calls, and pass it to the method as its first argument.

    Args:
        method: The HTTP method.
        path: The path template, relative to the base URL. "{collection}" is the path of the resource; other names in
            braces are arguments of the method.
        verb: The word on the command line. Default: the name of the method, with hyphens.
        pagination: How to ask for pages, if the endpoint returns a list.
        fields: The names that `call.fields`, `call.params` and `call.page` accept, besides the keyword-only parameters
            of the method and those of its pagination. Default: any name.
    """

    def declare(function: Callable[Concatenate[S, EndpointCall, P], T]) -> Callable[Concatenate[S, P], T]:
        signature = inspect.signature(function)
        parameters = [parameter for name, parameter in signature.parameters.items() if name != "call"]
        keywords = (each.name for each in parameters if each.kind is each.KEYWORD_ONLY)
        named = tuple(name for name in keywords if name != "extra_fields")
        declared = Endpoint(
            method=method,
            path=path,
            verb=verb or function.__name__.replace("_", "-"),
            pagination=pagination,
            fields=(*fields, *named) if isinstance(fields, tuple) else fields,
        )

        @functools.wraps(function)
        def wrapper(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            return function(self, EndpointCall(self, declared), *args, **kwargs)

        vars(wrapper).update(__signature__=signature.replace(parameters=parameters), endpoint=declared)
        return wrapper

    return declare


def composite(
    *uses: str, verb: str | None = None, pagination: Pagination | None = None
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Declare a method that calls other methods of the same resource.

    Args:
        uses: The names of those methods.
        verb: The word on the command line. Default: the name of the method, with hyphens.
        pagination: How to ask for pages, if the method returns the items of a list.
    """

    def declare(function: Callable[P, T]) -> Callable[P, T]:
        vars(function)["endpoint"] = Endpoint(
            verb=verb or function.__name__.replace("_", "-"), uses=uses, pagination=pagination
        )
        return function

    return declare


def words_of(name: str) -> str:
    """Return a class name as words: "AI page" for AiPage."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower().replace("ai ", "AI ")
