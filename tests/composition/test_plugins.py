"""Plugins passed as an argument: hooks, order, and broken plugins."""

import argparse
from collections.abc import Callable, Generator
from typing import Any

import pytest

from segops import Event, Observer, SegOpsClient, SegOpsConfigError, SegOpsPluginError, hookimpl
from segops.composition import Plugins
from segops.core import Command, Enricher, Request, Response, Spool, Transport
from segops.transports.memory import MemoryTransport
from tests.rig.plugins import Enriching, marking


def plugins_of(*given: object, selection: str = "none") -> Plugins:
    def fail(error: Exception) -> None:
        raise error

    return Plugins({}, given=given, selection=selection, report=fail)


def tracked(*plugins: object, **fields: Any) -> list[dict[str, Any]]:
    transport = MemoryTransport()
    with SegOpsClient(transport=transport, worker="inline", plugins=plugins) as client:
        client.track(**{"user_id": "u-1", "event_type": "order_placed", **fields})
    return transport.events


class Wrapping:
    name = "wrapping"

    @hookimpl(wrapper=True)
    def segops_register_enrichers(self) -> Generator[None, Any, Any]:
        return (yield)


class OldWrapping:
    name = "wrapping"

    @hookimpl(hookwrapper=True)
    def segops_register_enrichers(self) -> Generator[None, Any, None]:
        yield


@pytest.mark.parametrize("plugin", [Wrapping(), OldWrapping()])
def test_a_wrapper_is_refused_by_name(plugin: object) -> None:
    with pytest.raises(SegOpsPluginError, match="segops_register_enrichers is a hook wrapper") as caught:
        SegOpsClient("memory:", plugins=[plugin])
    assert "cannot use plugin 'wrapping' (argument): " in str(caught.value)


class Everything:
    """Implements all hooks and counts how often each is called."""

    name = "everything"

    def __init__(self) -> None:
        self.asked: list[str] = []

    @hookimpl
    def segops_register_transports(self) -> dict[str, Callable[[str], Transport]]:
        self.asked.append("transports")
        return {"void": _void}

    @hookimpl
    def segops_register_spools(self) -> dict[str, Callable[[str], Spool]]:
        self.asked.append("spools")
        return {"void": _no_spool}

    @hookimpl
    def segops_register_enrichers(self) -> list[Enricher]:
        self.asked.append("enrichers")
        return [Enricher(name="mark", event_types=None, enrich=marking("everything"))]

    @hookimpl
    def segops_register_observers(self) -> list[Observer]:
        self.asked.append("observers")
        return [Observer()]

    @hookimpl
    def segops_register_resources(self) -> dict[str, type[Any]]:
        self.asked.append("resources")
        return {"coupons": Everything}

    @hookimpl
    def segops_register_commands(self) -> list[Command]:
        self.asked.append("commands")
        return [Command(name="hello", help="Say hello.", configure=_configure, run=_run)]


def _void(url: str) -> Transport:
    transport = MemoryTransport()
    transport.url = url
    return transport


def _no_spool(url: str) -> Spool:
    raise SegOpsConfigError(url)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--loud", action="store_true")


def _run(_arguments: argparse.Namespace) -> int:
    return 0


def test_all_hooks_are_called_and_their_results_kept() -> None:
    plugin = Everything()
    plugins = plugins_of(plugin)
    assert plugins.transports() == {"void": _void}
    assert plugins.spools() == {"void": _no_spool}
    assert [enricher.name for enricher in plugins.enrichers()] == ["mark"]
    assert [type(observer) for observer in plugins.observers()] == [Observer]
    assert plugins.resources() == {"coupons": Everything}
    assert plugins.commands()["hello"].help == "Say hello."
    [loaded] = plugins.loaded
    assert (loaded.name, loaded.origin) == ("everything", "argument")
    assert plugins.hooks_of(loaded) == [f"segops_register_{name}" for name in sorted(plugin.asked)]


def test_a_client_asks_each_hook_that_concerns_it_exactly_once() -> None:
    plugin = Everything()
    with SegOpsClient("void:somewhere", worker="inline", plugins=[plugin]) as client:
        for _ in range(3):
            client.track(user_id="u-1", event_type="order_placed")
        client.flush()
        assert sorted(plugin.asked) == ["enrichers", "observers", "transports"]
        assert client.transport.url == "void:somewhere"
        assert isinstance(client.transport, MemoryTransport)
        assert [event["payload"]["marks"] for event in client.transport.events] == [["everything"]] * 3
    with SegOpsClient("VOID:x", plugins=[plugin]) as client:
        assert client.transport.url == "VOID:x"
    assert len(plugin.asked) == 6


def test_enrichers_run_in_the_order_of_the_plugins() -> None:
    given = [Enriching(marking(name), name) for name in ("b", "a", "c")]
    assert tracked(*given)[0]["payload"]["marks"] == ["b", "a", "c"]


def test_tryfirst_and_trylast_work_within_that_order() -> None:
    class Last(Enriching):
        @hookimpl(trylast=True)
        def segops_register_enrichers(self) -> list[Enricher]:
            return [Enricher(name="last", event_types=None, enrich=marking("last"))]

    class First(Enriching):
        @hookimpl(tryfirst=True)
        def segops_register_enrichers(self) -> list[Enricher]:
            return [Enricher(name="first", event_types=None, enrich=marking("first"))]

    given = [
        Last(marking(""), "x"),
        Enriching(marking("a"), "a"),
        First(marking(""), "y"),
        Enriching(marking("b"), "b"),
    ]
    assert tracked(*given)[0]["payload"]["marks"] == ["first", "a", "b", "last"]


def test_one_plugin_may_have_several_enrichers_in_its_own_order() -> None:
    class Two:
        @hookimpl
        def segops_register_enrichers(self) -> list[Enricher]:
            return [Enricher(name=mark, event_types=None, enrich=marking(mark)) for mark in ("1", "2")]

    assert tracked(Two())[0]["payload"]["marks"] == ["1", "2"]


def test_the_later_of_two_plugins_of_one_name_takes_the_place_of_the_earlier() -> None:
    given = [Enriching(marking("old"), "same"), Enriching(marking("b"), "b"), Enriching(marking("new"), "same")]
    assert tracked(*given)[0]["payload"]["marks"] == ["new", "b"]


def test_a_given_plugin_replaces_a_built_in_one_of_its_name() -> None:
    transport = MemoryTransport()
    with SegOpsClient(
        transport=transport, worker="inline", plugins=[Enriching(marking("mine"), "ai_referrer")]
    ) as client:
        client.track_page_view("u-1", url="https://shop.example.org/", referrer="https://chatgpt.com/")
    assert [event["payload"]["marks"] for event in transport.events] == [["mine"]]


def test_the_later_of_two_plugins_has_a_scheme_that_both_know() -> None:
    class Mine:
        @hookimpl
        def segops_register_transports(self) -> dict[str, Callable[[str], Transport]]:
            return {"memory": _void}

    with SegOpsClient("memory:mine", plugins=[Mine()]) as client:
        assert client.transport.url == "memory:mine"


def test_a_plugin_is_called_by_its_name_or_that_of_its_module_or_class() -> None:
    plugins = plugins_of(Everything(), argparse, Observer())
    assert [plugin.name for plugin in plugins.loaded] == ["everything", "argparse", "Observer"]
    assert plugins_of(Observer).loaded[0].name == "Observer"


def test_a_namespace_a_class_and_a_module_are_plugins_alike() -> None:
    from segops.plugins import ai_referrer  # noqa: PLC0415 - only here

    class Static:
        @staticmethod
        @hookimpl
        def segops_register_observers() -> list[Observer]:
            return [Observer()]

    assert len(plugins_of(Static).observers()) == 1
    assert len(plugins_of(ai_referrer).enrichers()) == 1


def _gives(hook: str, result: Any) -> object:
    def implementation() -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    implementation.__name__ = hook
    return type("Broken", (), {"name": "broken", hook: staticmethod(hookimpl(implementation))})()


def _enricher(**wrong: Any) -> Callable[[], Enricher]:
    return lambda: Enricher(**{"name": "a", "event_types": None, "enrich": marking("a"), **wrong})


class Unspeakable(Exception):  # noqa: N818 - a third party's name
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("hook", "result", "words"),
    [
        ("segops_register_enrichers", RuntimeError("no licence"), "RuntimeError: no licence"),
        ("segops_register_enrichers", Unspeakable(), "Unspeakable"),
        ("segops_register_enrichers", None, "its hook must return an iterable, got NoneType"),
        ("segops_register_enrichers", [None], "expected Enricher, got NoneType"),
        ("segops_register_enrichers", [marking("a")], "expected Enricher, got function"),
        ("segops_register_enrichers", [Enricher], "expected Enricher, got StructMeta"),
        ("segops_register_observers", 7, "its hook must return an iterable, got int"),
        ("segops_register_observers", [Observer], "expected Observer, got type"),
        ("segops_register_transports", None, "its hook must return a mapping, got NoneType"),
        ("segops_register_transports", ["udp"], "its hook must return a mapping, got list"),
        ("segops_register_transports", iter({"udp": _void}), "its hook must return a mapping, got dict_keyiterator"),
        ("segops_register_transports", {"UDP": _void}, "invalid URL scheme 'UDP'"),
        ("segops_register_transports", {"udp:": _void}, "invalid URL scheme 'udp:'"),
        ("segops_register_transports", {7: _void}, "invalid URL scheme 7"),
        ("segops_register_transports", {"udp": "here"}, "the factory for udp: must be callable, got str"),
    ],
)
def test_a_given_plugin_that_is_broken_raises(hook: str, result: Any, words: str) -> None:
    with pytest.raises(SegOpsPluginError, match=r"cannot use plugin 'broken' \(argument\): ") as caught:
        SegOpsClient("memory:", plugins=[_gives(hook, result)])
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_enricher(event_types="page_viewed"), "event_types must be a frozenset of str or None"),
        (_enricher(event_types=["page_viewed"]), "event_types must be a frozenset of str or None"),
        (_enricher(event_types=frozenset({7})), "event_types must be a frozenset of str or None"),
        (_enricher(enrich=None), "enrich must be callable, got NoneType"),
    ],
)
def test_an_enricher_of_the_wrong_types_cannot_be_made(make: Callable[[], Enricher], words: str) -> None:
    with pytest.raises(SegOpsPluginError, match=words):
        make()


def test_an_unknown_hook_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(
        SegOpsPluginError, match=r"unknown hook segops_register_enricher: did you mean segops_register_enrichers\?"
    ):
        plugins_of(_gives("segops_register_enricher", []))


def test_a_hook_that_is_not_marked_is_an_error() -> None:
    class Unmarked:
        def segops_register_observers(self) -> list[Observer]:
            return [Observer()]

    with pytest.raises(
        SegOpsPluginError, match="segops_register_observers is not marked as a hook: decorate it with @hookimpl"
    ):
        plugins_of(Unmarked())


def test_a_hook_that_wants_arguments_is_an_error() -> None:
    class Greedy:
        @hookimpl
        def segops_register_observers(self, client: object) -> list[Observer]:
            raise AssertionError(client)

    with pytest.raises(SegOpsPluginError, match="plugin 'Greedy'"):
        plugins_of(Greedy())


def test_properties_of_a_plugin_are_not_touched() -> None:
    class Thorny(Everything):
        @property
        def thorn(self) -> None:
            raise RuntimeError

    assert len(plugins_of(Thorny()).observers()) == 1


def test_a_factory_that_makes_no_transport_is_an_error_at_construction() -> None:
    plugin = _gives("segops_register_transports", {"odd": lambda url: url})
    with pytest.raises(SegOpsPluginError, match="odd"):
        SegOpsClient("odd:x", plugins=[plugin])


def test_a_scheme_that_nobody_knows_names_those_that_are_known() -> None:
    with pytest.raises(SegOpsConfigError, match=r"void:.*") as caught:
        SegOpsClient("viod:x", plugins=[Everything()])
    assert "memory:" in str(caught.value)


class Refusing(Transport):
    offline = True

    def send(self, request: Request, *, timeout: float) -> Response:  # noqa: ARG002 - as the base class has it
        return Response(202)


def test_a_plugin_may_bring_a_transport_that_is_passed_as_an_object() -> None:
    with SegOpsClient(transport=Refusing(), worker="inline") as client:
        client.track(Event("u-1", "order_placed"))
    assert client.stats().delivered == 1
