"""Find, order, select, and isolate installed plugins, with real entry points in a subprocess."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.plugins import SitePackages

MARK = """
from segops import hookimpl
from segops.core import Enricher

def _mark(event):
    event.payload["marks"] = event.payload.get("marks", "") + {mark!r}
    return event

@hookimpl
def segops_register_enrichers():
    return [Enricher(name={mark!r}, event_types=None, enrich=_mark)]
"""

TRACK = """
from segops import SegOpsClient
errors = []
client = SegOpsClient("memory:", worker="inline", on_error=errors.append)
client.track(user_id="u-1", event_type="order_placed")
client.flush()
[event] = client.transport.events
client.shutdown()
print(event.get("payload", {}).get("marks", ""))
for error in errors:
    print(type(error).__name__, error)
"""

LIST = """
from segops.composition import BUILT_IN_PLUGINS
from segops.composition import Plugins
for plugin in Plugins(BUILT_IN_PLUGINS, report=print).loaded:
    if plugin.name not in BUILT_IN_PLUGINS:
        print(plugin.name, plugin.origin)
"""


@pytest.fixture
def environment(tmp_path: Path) -> SitePackages:
    return SitePackages(tmp_path)


@pytest.fixture
def marked(environment: SitePackages) -> SitePackages:
    """Three distributions with a plugin each; their names are in another order than those of the plugins."""
    for distribution, name in [("dist-1", "c"), ("dist-2", "a"), ("dist-3", "b")]:
        environment.install(distribution, {name: f"module_{name}"}, {f"module_{name}": MARK.format(mark=name)})
    return environment


@pytest.mark.parametrize(
    ("selection", "marks"),
    [
        (None, "abc"),
        ("", "abc"),
        (" , ", "abc"),
        ("c,a", "ca"),
        ("c, a , c", "ca"),
        ("-b", "ac"),
        ("c,b,-b", "c"),
        ("none", ""),
        ("none,a", ""),
        ("ai_referrer,b", "b"),
        ("-ai_referrer", "abc"),
    ],
)
def test_the_environment_says_which_are_loaded_and_in_which_order(
    marked: SitePackages, selection: str | None, marks: str
) -> None:
    assert marked.run(TRACK, selection) == [marks]


@pytest.mark.parametrize("selection", ["a,bb", "a,-bb", "none,bb", "none,-bb"])
def test_a_name_that_nothing_has_is_reported(marked: SitePackages, selection: str) -> None:
    marks, error = marked.run(TRACK, selection)
    assert marks == ("" if "none" in selection else "a")
    assert error == "SegOpsPluginError SEGOPS_PLUGINS names 'bb', but no such plugin is installed"


def test_a_built_in_one_can_be_left_out(environment: SitePackages) -> None:
    program = """
from segops import SegOpsClient
client = SegOpsClient("memory:", worker="inline")
client.track_page_view("u-1", url="https://shop.example.org/", referrer="https://chatgpt.com/")
client.flush()
print(len(client.transport.events))
"""
    assert environment.run(program) == ["2"]
    assert environment.run(program, "-ai_referrer") == ["1"]


def test_plugins_given_as_an_argument_come_last_and_built_ins_first(marked: SitePackages) -> None:
    marked.install("dist-4", {"transports": "module_t"}, {"module_t": MARK.format(mark="t")})
    program = MARK.format(mark="z") + TRACK.replace('"memory:",', '"memory:", plugins=[sys.modules["__main__"]],')
    with_import = "import sys\n" + program
    # An entry point named as a built-in takes its place, and with it the scheme memory: is gone.
    assert marked.run(with_import, "c,a") == ["caz"]
    known = (
        "from segops import SegOpsClient\ntry:\n SegOpsClient('memory:')\nexcept ValueError as error:\n print(error)"
    )
    assert marked.run(known) == [
        "transport: unknown URL scheme 'memory': expected one of kafka:, local:, redis+stream:, rediss+stream:",
    ]


def test_where_each_is_from_is_known(marked: SitePackages) -> None:
    assert marked.run(LIST) == ["a dist-2", "b dist-3", "c dist-1"]


def test_an_attribute_of_a_module_may_be_the_plugin(environment: SitePackages) -> None:
    source = MARK.format(mark="i") + "\nclass Inner:\n    segops_register_enrichers = segops_register_enrichers\n"
    environment.install("dist-1", {"inner": "module_i:Inner"}, {"module_i": source})
    assert environment.run(TRACK) == ["i"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("import sys; sys.exit('wrong Python')", "SystemExit: wrong Python"),
        ("not Python at all", "SyntaxError"),
        (
            "from segops import hookimpl\n@hookimpl\ndef segops_register_enricher(): return []",
            "unknown hook segops_register_enricher: did you mean segops_register_enrichers?",
        ),
        ("def segops_register_enrichers(): return []", "is not marked as a hook: decorate it with @hookimpl"),
        (
            "from segops import hookimpl\n@hookimpl\ndef segops_register_enrichers(): raise OSError('no disk')",
            "OSError: no disk",
        ),
        ("from segops import hookimpl\n@hookimpl\ndef segops_register_observers(): return 7", "return an iterable"),
        ("from segops import hookimpl\n@hookimpl\ndef segops_register_transports(): return 7", "return a mapping"),
        (
            MARK.format(mark="x").replace("event_types=None", "event_types='page_viewed'"),
            "enricher 'x': event_types must be a frozenset of str or None, got str",
        ),
    ],
)
def test_a_broken_one_is_reported_and_skipped_and_the_others_work(
    marked: SitePackages, source: str, words: str
) -> None:
    marked.install("dist-4", {"bad": "module_bad"}, {"module_bad": source})
    marks, error = marked.run(TRACK)
    assert marks == "abc"
    assert error.startswith("SegOpsPluginError cannot use plugin 'bad' (dist-4): ")
    assert words in error


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("class Panic(BaseException): pass\nraise Panic('in Rust')", "Panic: in Rust"),
        ("raise GeneratorExit", "GeneratorExit"),
        (
            "import sys\nfrom segops import hookimpl\n@hookimpl\ndef segops_register_enrichers(): sys.exit(3)",
            "SystemExit: 3",
        ),
        *[
            (
                f"from segops import hookimpl\n@hookimpl({how}=True)\ndef segops_register_transports(): yield",
                "segops_register_transports is a hook wrapper",
            )
            for how in ("wrapper", "hookwrapper")
        ],
    ],
)
def test_one_that_exits_or_wraps_is_reported_and_skipped_too(marked: SitePackages, source: str, words: str) -> None:
    test_a_broken_one_is_reported_and_skipped_and_the_others_work(marked, source, words)


def empty_line(info: Path) -> None:
    (info / "entry_points.txt").write_text("[console_scripts]\nno equals sign here\n")


def latin_1(info: Path) -> None:
    (info / "entry_points.txt").write_bytes("[console_scripts]\nb\u00fccher = books:main\n".encode("latin-1"))


def loop(info: Path) -> None:
    (info / "entry_points.txt").unlink()
    (info / "entry_points.txt").symlink_to("entry_points.txt")


@pytest.mark.parametrize("spoil", [empty_line, latin_1, loop])
@pytest.mark.parametrize("group", ["console_scripts", "segops"])
def test_broken_metadata_of_another_package_is_reported_and_left_out(
    marked: SitePackages, spoil: Callable[[Path], None], group: str
) -> None:
    marked.install("dist-0", {"left_out": "module_0"}, {"module_0": MARK.format(mark="0")})
    info = marked.folder / "dist_0-1.0.dist-info"
    spoil(info)
    if group == "segops" and not (info / "entry_points.txt").is_symlink():
        content = (info / "entry_points.txt").read_bytes().replace(b"console_scripts", b"segops")
        (info / "entry_points.txt").write_bytes(content)
    marks, *errors = marked.run(TRACK)
    assert marks == "abc"
    assert len(errors) == 1
    assert errors[0].startswith("SegOpsPluginError cannot read the metadata of ")
    assert "dist_0-1.0.dist-info, so its plugins are not loaded" in errors[0]


EVERYTHING = """
from segops import SegOpsAdmin, SegOpsClient
from segops.cli.program import main
SegOpsClient("memory:").shutdown()
SegOpsAdmin(base_url="local:").close()
main(["--version"])
main(["plugins"])
"""


def test_an_empty_folder_of_metadata_does_no_harm(marked: SitePackages) -> None:
    for name in ("empty-1.0", "", "~mpty-1.0", "empty"):
        (marked.folder / f"{name}.dist-info").mkdir()
        (marked.folder / f"{name}.egg-info").mkdir()
    assert marked.run(TRACK)[0] == "abc"
    assert "segops 0.1.0" in marked.run(EVERYTHING)


@pytest.mark.parametrize("content", [None, b"", b"Name\n", "Name: b\u00fccher\n".encode("latin-1")])
def test_a_plugin_without_a_readable_name_of_its_distribution_works(
    marked: SitePackages, content: bytes | None
) -> None:
    marked.install("dist-4", {"d": "module_d"}, {"module_d": MARK.format(mark="d")})
    metadata = marked.folder / "dist_4-1.0.dist-info" / "METADATA"
    metadata.unlink()
    if content is not None:
        metadata.write_bytes(content)
    assert marked.run(TRACK)[0].startswith("abc")
    assert marked.run(EVERYTHING)


def test_with_broken_metadata_the_first_of_a_name_counts_as_ever(marked: SitePackages, tmp_path: Path) -> None:
    second = SitePackages(tmp_path / "later")
    second.folder.mkdir()
    second.install("Dist.1", {"c": "no_such_module", "z": "no_such_module"}, {})
    marked.install("dist-0", {}, {})
    empty_line(marked.folder / "dist_0-1.0.dist-info")
    program = f"import sys\nsys.path.append({str(second.folder)!r})\n{TRACK}"
    marks, *errors = marked.run(program)
    assert (marks, len(errors)) == ("abc", 1)


def test_an_entry_point_to_nothing_is_reported_and_skipped(marked: SitePackages) -> None:
    marked.install("dist-4", {"gone": "module_gone", "noattr": "module_a:Nothing"}, {})
    marks, *errors = marked.run(TRACK)
    assert marks == "abc"
    assert len(errors) == 2
    assert "plugin 'gone' (dist-4)" in errors[0]
    assert "plugin 'noattr' (dist-4)" in errors[1]


def test_one_that_is_left_out_is_not_even_imported(marked: SitePackages) -> None:
    marked.install("dist-4", {"bad": "module_bad"}, {"module_bad": "raise RuntimeError"})
    assert marked.run(TRACK, "-bad") == ["abc"]
    assert marked.run(TRACK, "a") == ["a"]
    assert marked.run(TRACK, "none") == [""]
