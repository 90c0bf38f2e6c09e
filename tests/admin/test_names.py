"""Every method rejects undocumented names before it sends anything."""

from __future__ import annotations

import asyncio
import inspect
import io
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from segops import AsyncSegOpsAdmin, SegOpsAdmin, SegOpsArgumentError
from segops.core import Request, Response
from segops.plugins.admin import Crud, EndpointCall, Method, Record, endpoint, load_resources, methods_of
from segops.transports.memory import MemoryTransport
from tests.admin.admin_rig import KEY, ok, scripted, targets

METHODS = {f"{method.namespace}.{method.name}": method for method in methods_of(load_resources())}
DEFINITION = {"logic": "AND", "conditions": []}
EVENT = {"user_id": "u-1", "event_type": "order_placed"}
REQUIRED: dict[str, Any] = {
    "id": 1,
    "user_id": "u-1",
    "segment_id": 1,
    "job_id": 1,
    "export": 1,
    "definition": DEFINITION,
    "rows": [{"sku": "A"}],
    "file": b"sku,name\nA,x\n",
    "events": [EVENT],
    "event": EVENT,
    "event_type": "order_placed",
    "payload": {},
    "anonymous_id": "a",
    "from_user_id": "a",
    "into_user_id": "b",
    "q": "shoes",
}
MAPPINGS = {name for name in METHODS if {"body", "params"} & set(METHODS[name].signature.parameters)}
NESTED: dict[str, Callable[[str], dict[str, Any]]] = {
    "segments.preview": lambda key: {"definition": {**DEFINITION, key: 1}},
    "schemas.infer": lambda key: {"events": [EVENT, {**EVENT, key: 1}]},
    "users.publish_sandbox": lambda key: {"event": {**EVENT, key: 1}},
}


def required(method: Method) -> dict[str, Any]:
    """Arguments that a method cannot do without."""
    wanted = [each.name for each in method.signature.parameters.values() if is_required(each)]
    return {name: io.BytesIO() if name == "target" else REQUIRED[name] for name in wanted}


def is_required(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD


def mapping_of(method: Method) -> str:
    return "body" if "body" in method.signature.parameters else "params"


def unknown(method: Method) -> str:
    """A name that is certainly wrong: lists of products take any attribute, but no misspelling."""
    return (
        "pageSize" if (method.namespace, method.name) in {("products", "list"), ("products", "iterate")} else "nonsense"
    )


def allowed_fields(method: Method) -> frozenset[str]:
    """The documented names of the body or query of a method."""
    kind = load_resources()[method.namespace]
    declared = vars(getattr(kind, method.uses[0] if method.uses else method.name))["endpoint"]
    found = kind.allowed_fields(declared)
    return frozenset() if found is None else found.names


def sync(transport: MemoryTransport) -> Callable[[str, dict[str, Any]], Any]:
    admin = SegOpsAdmin(KEY, transport=transport, max_retries=0)

    def call(name: str, arguments: dict[str, Any]) -> Any:
        namespace, _, method = name.partition(".")
        return getattr(getattr(admin, namespace), method)(**arguments)

    return call


def asynchronous(transport: MemoryTransport) -> Callable[[str, dict[str, Any]], Any]:
    admin = AsyncSegOpsAdmin(KEY, transport=transport, max_retries=0)

    def call(name: str, arguments: dict[str, Any]) -> Any:
        namespace, _, method = name.partition(".")

        async def work() -> Any:
            made = getattr(getattr(admin, namespace), method)(**arguments)
            return await made if isinstance(made, Awaitable) else made

        return asyncio.run(work())

    return call


FACADES = {"sync": sync, "asynchronous": asynchronous}


@pytest.mark.parametrize("facade", FACADES)
@pytest.mark.parametrize("name", METHODS)
def test_an_unknown_keyword_is_refused_by_name(name: str, facade: str) -> None:
    transport = MemoryTransport(offline=False)
    method = METHODS[name]
    word = unknown(method)
    with pytest.raises((SegOpsArgumentError, TypeError), match=word):
        FACADES[facade](transport)(name, {**required(method), word: 1})
    assert transport.requests == []


@pytest.mark.parametrize("facade", FACADES)
@pytest.mark.parametrize("name", [*sorted(MAPPINGS), *NESTED])
def test_an_unknown_key_of_a_mapping_is_refused_by_name(name: str, facade: str) -> None:
    transport = MemoryTransport(offline=False)
    method = METHODS[name]
    key = unknown(method)
    given = NESTED[name](key) if name in NESTED else {mapping_of(method): {key: 1}}
    with pytest.raises(SegOpsArgumentError, match=key):
        FACADES[facade](transport)(name, {**required(method), **given})
    assert transport.requests == []


@pytest.mark.parametrize("name", [name for name in METHODS if "extra_fields" in METHODS[name].signature.parameters])
def test_extra_fields_pass(name: str) -> None:
    transport = MemoryTransport(lambda _request: ok({"results": []}), offline=False)
    result = sync(transport)(name, {**required(METHODS[name]), "extra_fields": {"nonsense": "passed", "body": "x"}})
    if METHODS[name].pagination is not None:
        list(result)
    (request,) = transport.requests
    sent = f"{request.path} {request.body.decode()}"
    assert "nonsense" in sent
    assert "passed" in sent
    assert "extra_fields" not in sent


@pytest.mark.parametrize("name", sorted(MAPPINGS))
def test_each_documented_name_goes_by_mapping_and_by_keyword(name: str) -> None:
    method = METHODS[name]
    names = sorted(allowed_fields(method) - set(required(method)))
    alone = {each: [send(name, given) for given in ways(method, {each: 3})] for each in names}
    for each, requests in alone.items():
        assert len({(request.method, request.path, request.body) for request in requests}) == 1, each
        assert each in f"{requests[0].path}{requests[0].body!r}" or each == "page_size"
    sizes = {"page_size", "limit"}
    for first, second in itertools.pairwise(names):
        if {first, second} == sizes:
            continue
        mixed = send(name, {mapping_of(method): {first: 3}, second: "4"})
        together = send(name, {mapping_of(method): {first: 3, second: "4"}})
        assert (mixed.path, mixed.body) == (together.path, together.body)


def ways(method: Method, fields: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {mapping_of(method): fields},
        fields,
        {"extra_fields": fields},
        {mapping_of(method): fields, "extra_fields": {}},
    ]


def send(name: str, given: dict[str, Any]) -> Request:
    """Return what a method sends."""
    transport = MemoryTransport(lambda _request: ok({"results": []}), offline=False)
    result = sync(transport)(name, {**required(METHODS[name]), **given})
    if METHODS[name].pagination is not None:
        list(result)
    return transport.requests[0]


@pytest.mark.parametrize("name", sorted(MAPPINGS))
def test_a_name_that_is_given_twice_is_refused(name: str) -> None:
    method = METHODS[name]
    transport = MemoryTransport(offline=False)
    for each in sorted(allowed_fields(method) - set(required(method))):
        for given in ({each: 2}, {"extra_fields": {each: 2}}):
            with pytest.raises(SegOpsArgumentError, match=f"given twice.*{each}"):
                sync(transport)(name, {**required(method), mapping_of(method): {each: 1}, **given})
    assert transport.requests == []


def test_two_names_for_the_size_of_a_page_are_refused() -> None:
    admin, transport, _ = scripted()
    for given in ({"params": {"limit": 5}, "page_size": 3}, {"params": {"limit": 5, "page_size": 3}}):
        with pytest.raises(SegOpsArgumentError, match="given twice: page_size and limit"):
            admin.segments.members(1, **given)
    assert transport.requests == []


def test_the_documented_names_work_as_keywords() -> None:
    admin, transport, _ = scripted(*[ok({"id": 1, "results": []})] * 5)
    admin.segments.create(body={"name": "a"})
    admin.segments.update(1, body={"name": "b"})
    admin.pages.bulk_generate(body={"segment_id": 3})
    admin.segments.list(params={"page_size": 2})
    admin.segments.preview(definition=DEFINITION)
    assert [request.body for request in transport.requests] == [
        b'{"name":"a"}',
        b'{"name":"b"}',
        b'{"segment_id":3}',
        b"",
        b'{"definition":{"logic":"AND","conditions":[]}}',
    ]
    assert targets(transport)[3] == "GET /api/segments/?page_size=2"


@pytest.mark.parametrize("method", ["PUT", "put"])
def test_an_update_can_replace(method: Any, admin: SegOpsAdmin) -> None:
    made = admin.segments.create(name="a", description="old", definition=DEFINITION)
    replaced = admin.segments.update(made.id, {"name": "b", "definition": DEFINITION}, method=method)
    assert (replaced.name, replaced.description) == ("b", "")
    changed = admin.segments.update(made.id, description="new")
    assert (changed.name, changed.description) == ("b", "new")


@pytest.mark.parametrize("method", ["POST", "", None, 5, "PATCH\r\n", "DELETE"])
def test_an_update_has_two_methods(method: Any) -> None:
    admin, transport, _ = scripted()
    with pytest.raises(SegOpsArgumentError, match="method must be PATCH or PUT, got"):
        admin.segments.update(1, {"name": "a"}, method=method)
    assert transport.requests == []


@pytest.mark.parametrize(
    ("given", "likely"),
    [
        ({"nmae": "x"}, "name"),
        ({"segmentType": "rule"}, "segment_type"),
        ({"is-active": True}, "is_active"),
        ({"Definition": {}}, "definition"),
    ],
)
def test_a_misspelling_is_refused_with_the_likely_name(given: dict[str, Any], likely: str) -> None:
    both: tuple[dict[str, Any], ...] = ({"body": given}, given)
    for arguments in both:
        with pytest.raises(SegOpsArgumentError, match=f"{next(iter(given))}.*did you mean '{likely}'"):
            scripted()[0].segments.create(**arguments)


@pytest.mark.parametrize("word", ["params", "fields", "timeout", "idempotency_key", "method", "call", "self"])
def test_a_reserved_word_is_not_a_field(word: str) -> None:
    admin, transport, _ = scripted()
    fields: dict[str, Any] = {"name": "x", word: 1}
    with pytest.raises((SegOpsArgumentError, TypeError), match=word):
        admin.segments.create(**fields)
    with pytest.raises(SegOpsArgumentError, match=word):
        admin.segments.create(fields)
    assert transport.requests == []


@pytest.mark.parametrize("word", ["body", "pageSize", "page-size", "Q", "limit", "timeout", "method", "fields"])
def test_an_attribute_of_products_is_a_filter_but_a_word_of_ours_is_not(word: str) -> None:
    admin, transport, _ = scripted(ok([]), ok([]))
    for given in ({"params": {word: 1}}, {word: 1}):
        with pytest.raises(SegOpsArgumentError, match=word):
            admin.products.list(**given)
    admin.products.list(color="red", size=43, price=9)
    admin.products.list(extra_fields={word: "x"})
    assert targets(transport)[0] == "GET /api/pim/products/?color=red&size=43&price=9"
    assert targets(transport)[1].endswith(f"?{word}=x")


def test_a_value_that_is_not_a_mapping_is_rejected() -> None:
    admin, transport, _ = scripted()
    wrong: Any = ["name"]
    with pytest.raises(SegOpsArgumentError, match="body must be a mapping, got list"):
        admin.segments.create(wrong)
    with pytest.raises(SegOpsArgumentError, match="params must be a mapping, got list"):
        admin.segments.list(wrong)
    with pytest.raises(SegOpsArgumentError, match="extra_fields must be a mapping, got list"):
        admin.segments.create({"name": "x"}, extra_fields=wrong)
    with pytest.raises(SegOpsArgumentError, match="each event must be a mapping, got str"):
        admin.schemas.infer(wrong)
    with pytest.raises(SegOpsArgumentError, match="must be str, got 5"):
        admin.segments.create({5: "x"})  # type: ignore[dict-item]
    assert transport.requests == []


def test_a_record_that_was_read_can_be_sent_back(admin: SegOpsAdmin) -> None:
    made = admin.segments.create(name="a", definition=DEFINITION)
    assert admin.segments.update(made.id, {**made, "name": "b"}).name == "b"
    assert admin.segments.update(made.id, made, method="PUT").name == "a"


@pytest.mark.parametrize("facade", [SegOpsAdmin, AsyncSegOpsAdmin])
def test_unknown_options_are_refused_by_name(facade: Any) -> None:
    with pytest.raises(TypeError, match="nonsense"):
        facade(KEY, nonsense=1)
    transport = MemoryTransport(offline=False)
    with pytest.raises(TypeError, match="nonsense"):
        facade(KEY, transport=transport).with_options(nonsense=1)
    for method in ("request", "send"):
        with pytest.raises(TypeError, match="nonsense"):
            asyncio.run(getattr(facade(KEY, transport=transport).http, method)("GET", "/x/", nonsense=1))
    assert transport.requests == []


class Point(Record):
    """A record of somebody else."""

    __slots__ = ()
    user_id: str
    amount: int


class Points(Crud[Point]):
    """A namespace of somebody else."""

    path = "/points/"
    record = Point
    more_fields = frozenset({"reason"})
    more_filters = frozenset({"since"})


class Things(Crud[Record]):
    """A namespace whose fields nobody documented."""

    path = "/things/"
    record = Record

    @endpoint("POST", "{collection}go/")
    def go(self, call: EndpointCall, /, **fields: Any) -> Record:
        """Take anything."""
        return call.record(Record, body=call.fields(None, fields))


def test_a_namespace_of_a_plugin_says_what_it_accepts() -> None:
    admin, transport, _ = scripted(ok({}), ok([]), ok({}), ok([]), ok({}))
    points, things = admin.resource(Points), admin.resource(Things)
    points.create(user_id="u", amount=5, reason="gift")
    points.list(since="today", user_id="u")
    things.create(anything=1)
    things.list(anything=1)
    things.go(anything=1)
    assert len(transport.requests) == 5
    with pytest.raises(SegOpsArgumentError, match="did you mean 'amount'"):
        points.create(user_id="u", amounts=5)
    with pytest.raises(SegOpsArgumentError, match="'until': expected amount, page, page_size, since, user_id"):
        points.list(until="today")
    assert len(transport.requests) == 5


def test_a_message_shows_no_control_character() -> None:
    with pytest.raises(SegOpsArgumentError) as caught:
        scripted()[0].segments.create({"\x1b[2J\u202e\x9b": 1})
    assert str(caught.value).isprintable()
    assert "\\x1b[2J\\u202e\\x9b" in str(caught.value)


def test_a_response_is_not_needed_to_refuse() -> None:
    admin, transport, _ = scripted(Response(500))
    for lazy in (admin.segments.iterate, admin.products.iterate):
        with pytest.raises(SegOpsArgumentError, match="pagesize"):
            lazy(pagesize=3)
    with pytest.raises(SegOpsArgumentError, match="limitt"):
        admin.segments.iterate_members(1, {"limitt": 3})
    assert transport.requests == []


def test_none_in_a_query_counts_as_not_given() -> None:
    admin, transport, _ = scripted(ok([]), ok([]))
    admin.segments.members(1, {"limit": None}, limit=3)
    admin.segments.members(1, {"limit": 3, "cursor": None}, limit=None)
    assert targets(transport) == ["GET /api/segments/1/members/?limit=3"] * 2
    with pytest.raises(SegOpsArgumentError, match="nonsense"):
        admin.segments.list(nonsense=None)


def test_a_misspelt_field_of_a_row_is_reported() -> None:
    admin, transport, _ = scripted(ok({"created": 1, "updated": 0, "errors": []}))
    report = admin.products.bulk_upsert([{"sku": "A", "Name": "x"}, {"SKU": "B"}, {"sku": "C", "body": "steel"}])
    assert [(error["index"], error["errors"]["row"][0].partition("?")[0]) for error in report.errors] == [
        (0, "unknown field 'Name': did you mean 'name'"),
        (1, "unknown field 'SKU': did you mean 'sku'"),
    ]
    assert transport.requests[0].body == b'{"products":[{"sku":"C","body":"steel"}]}'


def test_what_other_services_call_a_field_of_an_event_is_known() -> None:
    admin, _, _ = scripted()
    for word, likely in {"properties": "payload", "timestamp": "occurred_at", "userId": "user_id"}.items():
        with pytest.raises(SegOpsArgumentError, match=f"'{word}': did you mean '{likely}'"):
            admin.users.publish_sandbox({**EVENT, word: 1})
