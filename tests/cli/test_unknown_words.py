"""Every command rejects unknown options, filters and keys of bodies, and sends nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from segops.cli.program import main
from segops.cli.tree import Node, build_tree, find_commands
from segops.emulator import LocalSegOps, LocalServer
from tests.cli.command_rig import CASES, NOT_FOUND, fill_in, fill_segops
from tests.rig.fault_server import FaultServer, respond

UNKNOWN = "nonsense_of_nobody"

NEEDED = {
    "api": ["GET", "/segments/"],
    "completion": ["bash"],
    "dev seed": ["cdnow"],
    "forward": ["redis+stream://127.0.0.1:9/0"],
    "send": ["/dev/null"],
}
"""Arguments of the commands that are not verbs."""

OPEN = {"products list", "products iterate"}
"""Filters by attributes, of which each tenant has its own; only misspellings of ours are refused."""

FREE_FORM = {"schemas validate", "products bulk-upsert"}
"""Their files hold properties of events, and columns of products, that each tenant has of its own."""


def leaves(nodes: list[Node], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    for node in nodes:
        if not node.children or node.name == "dev":
            yield (*above, node.name), node
        yield from leaves(node.children, (*above, node.name))


LEAVES = dict(leaves(build_tree(find_commands())))
VERBS = {f"{words[0]} {words[1]}" for words in LEAVES if len(words) == 2 and f"{words[0]} {words[1]}" in CASES}


def attempt(*words: str) -> tuple[int, str]:
    """Run a command in this process."""
    with redirect_stdout(io.StringIO()) as shown, redirect_stderr(io.StringIO()) as complaint:
        code = main(words)
    assert not shown.getvalue()
    assert "unexpected" not in complaint.getvalue()
    return code, complaint.getvalue()


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with LocalSegOps() as local, LocalServer(local) as server, pytest.MonkeyPatch.context() as patch:
        names = fill_segops(server, local, tmp_path_factory.mktemp("files"))
        patch.setenv("SEGOPS_API_URL", server.url)
        patch.setenv("SEGOPS_API_KEY", local.secret_key)
        yield names


def test_the_walk_sees_all_commands() -> None:
    assert set(CASES) == {" ".join(words) for words in LEAVES} - {
        "api", "completion", "demo", "dev", "doctor", "forward", "plugins", "send", "whoami",
        *(f"dev {action}" for action in ("run", "seed", "listen", "trigger")),
        *(f"spool {action}" for action in ("inspect", "send", "export", "purge")),
    }  # fmt: skip


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
@pytest.mark.parametrize("flag", [f"--{UNKNOWN}", f"--{UNKNOWN}=1", "-Z"])
def test_an_unknown_option(names: Mapping[str, str], words: tuple[str, ...], flag: str) -> None:
    verb = " ".join(words)
    if verb in OPEN and flag.startswith("--"):
        pytest.skip("a filter by an attribute")
    case = CASES.get(verb, NEEDED.get(verb, []))
    given = [fill_in(word, names) for word in case if verb not in NOT_FOUND or not word.startswith("--")]
    code, complaint = attempt(*words, *given, flag)
    assert code == 2, complaint
    assert flag.lstrip("-").partition("=")[0].replace("-", "_") in complaint.replace("-", "_")


@pytest.mark.parametrize("verb", sorted(VERBS - OPEN))
def test_an_unknown_field_or_filter_is_refused_and_nothing_is_sent(names: Mapping[str, str], verb: str) -> None:
    given = [fill_in(word, names) for word in CASES[verb] if verb not in NOT_FOUND or not word.startswith("--")]
    code, complaint = attempt(*verb.split(), *given, f"--{UNKNOWN}", "1")
    assert (code, UNKNOWN in complaint.replace("-", "_")) == (2, True), complaint


BODIES = sorted(verb for verb in VERBS - FREE_FORM if "--file" in LEAVES[tuple(verb.split())].flags)


@pytest.mark.parametrize("verb", BODIES)
def test_an_unknown_key_of_a_body(names: Mapping[str, str], verb: str, tmp_path: Path) -> None:
    given = [fill_in(word, names) for word in CASES[verb] if verb not in NOT_FOUND or not word.startswith("--")]
    files = [word for word in given if word.endswith(".json")]
    content = json.loads(Path(files[0]).read_text()) if files else {}
    bad = [{**content[0], UNKNOWN: 1}] if isinstance(content, list) else {**content, UNKNOWN: 1}
    (tmp_path / "bad.json").write_text(json.dumps(bad))
    words = [word for word in given if not word.endswith(".json") and word != "-f"]
    code, complaint = attempt(*verb.split(), *words, "-f", str(tmp_path / "bad.json"))
    assert (code, UNKNOWN in complaint) == (2, True), complaint


@pytest.mark.usefixtures("names")
def test_misspelt_words_get_a_hint() -> None:
    for words, likely in (
        (["products", "list", "--pagesize=1"], "page_size"),
        (["segments", "create", "--name=x", "--definiton={}"], "definition"),
        (["segments", "list", "--body=x"], "body"),
    ):
        code, complaint = attempt(*words)
        assert (code, likely in complaint) == (2, True), complaint


def test_what_nobody_documented_can_be_sent_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """To a server that takes it: the local SegOps takes what is documented, so that misspellings show."""
    with FaultServer(respond(201, b'{"id": 1}')) as server, redirect_stdout(io.StringIO()):
        monkeypatch.setenv("SEGOPS_API_URL", server.url)
        monkeypatch.setenv("SEGOPS_API_KEY", "sk_test")
        assert main(["competitors", "create", "--name=Other", f'--extra-fields={{"{UNKNOWN}": 1}}']) == 0
    assert json.loads(server.journal[0].body) == {"name": "Other", UNKNOWN: 1}


@pytest.mark.usefixtures("names")
def test_chosen_fields_that_nothing_has_are_told() -> None:
    for form in ("json", "jsonl", "csv", "table"):
        for words in (["segments", "list"], ["api", "GET", "/segments/"], ["segments", "list", "--all"]):
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as complaint:
                assert main([*words, "-o", form, "--fields=name,naem"]) == 0
            assert "--fields: 'naem' not found in 2 item(s)" in complaint.getvalue()


@pytest.mark.parametrize(
    "words",
    [
        ["--port=0", "run", "--", "true"],
        ["--enrich", "seed", "/dev/null"],
        ["--ignore-key=x", "seed", "/dev/null"],
        ["--db=x", "listen"],
        ["--fault=x", "trigger"],
        ["trigger", "--user-id=x"],
        ["trigger", "--url=http://127.0.0.1:1"],
        ["run", "--join", "--port=1", "--", "true"],
    ],
    ids=" ".join,
)
def test_options_of_dev_without_effect_are_refused(words: list[str]) -> None:
    code, complaint = attempt("dev", *words)
    assert (code, "--" in complaint) == (2, True), complaint
