"""Completion scripts for bash, zsh and fish, from the tree of commands."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence

from segops.cli.tree import Node

_BASH = """# Completion of segops for bash, made by `segops completion bash`.
_segops() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" command="${{COMP_WORDS[1]:-}}" verb="${{COMP_WORDS[2]:-}}" words=""
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        words={commands}
    elif [ "$COMP_CWORD" -eq 2 ]; then
        case "$command" in
{verbs}
        esac
    else
        case "$command $verb" in
{flags}
        esac
    fi
    case "$command ${{COMP_WORDS[COMP_CWORD - 1]}}" in
{values}
    esac
    local IFS=$' \\t\\n'
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    if [ "$COMP_CWORD" -gt 1 ] && [ "${{#COMPREPLY[@]}}" -eq 0 ]; then
        IFS=$'\\n'
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}}
complete -o filenames -F _segops segops
"""

_ZSH = """#compdef segops
# Completion of segops for zsh, made by `segops completion zsh`.
_segops() {{
    local -a names
    if (( CURRENT == 2 )); then
        names=({commands})
        _describe command names
        return
    fi
    if (( CURRENT == 3 )); then
        case "$words[2]" in
{verbs}
        esac
        if (( $#names )); then
            _describe verb names
            return
        fi
    fi
    case "$words[2] $words[3]" in
{flags}
    esac
    case "$words[2] $words[CURRENT-1]" in
{values}
    esac
    (( $#names )) && compadd -- $names
    _files
}}
if [ "$funcstack[1]" = "_segops" ]; then
    _segops "$@"
elif (( $+functions[compdef] )); then
    compdef _segops segops
fi
"""


_FISH = """# Completion of segops for fish, made by `segops completion fish`.
function __segops_after
    set -l words (commandline -opc)
    set -e words[1]
    test "$words" = "$argv"
end
function __segops_within
    set -l words (commandline -opc)
    set -e words[1]
    string match -q -- "$argv *" "$words "
end
complete -c segops -f
{lines}
"""


def make_bash(nodes: Sequence[Node]) -> str:
    """Return the script for bash."""
    return _BASH.format(
        commands=shlex.quote(" ".join(["help", *(node.name for node in nodes)])),
        verbs=_cases(((node.name, _bash_words(_second(node))) for node in nodes), 12),
        flags=_cases(((pattern, _bash_words(list(node.flags))) for pattern, node in _leaves(nodes)), 12),
        values=_cases(((pattern, _bash_words(values)) for pattern, values in _values(nodes)), 8),
    )


def make_zsh(nodes: Sequence[Node]) -> str:
    """Return the script for zsh."""
    return _ZSH.format(
        commands=_described({"help": "Show the help of a command", **{node.name: node.help for node in nodes}}),
        verbs=_cases(((node.name, _zsh_verbs(node)) for node in nodes if node.children), 12),
        flags=_cases(((pattern, f"names=({shlex.join(_second(node))})") for pattern, node in _leaves(nodes)), 8),
        values=_cases(((pattern, f"names=({shlex.join(values)})") for pattern, values in _values(nodes)), 8),
    )


def make_fish(nodes: Sequence[Node]) -> str:
    """Return the script for fish."""
    lines = [_fish_word("__segops_after", "help", "Show the help of a command")]
    for node in nodes:
        after = f"__segops_after {node.name}"
        lines.append(_fish_word("__segops_after", node.name, node.help))
        lines += [_fish_word(after, child.name, child.help) for child in node.children]
        lines += [_fish_word(after, value, "") for value in node.choices.get("", ())]
        for child in node.children:
            lines += _fish_flags(f"__segops_within {node.name} {child.name}", child)
        lines += _fish_flags(after if node.children else f"__segops_within {node.name}", node)
    return _FISH.format(lines="\n".join(lines))


SHELLS: Mapping[str, Callable[[Sequence[Node]], str]] = {"bash": make_bash, "zsh": make_zsh, "fish": make_fish}


def _second(node: Node) -> list[str]:
    """Return what can follow a command: its verbs, or its values and flags."""
    return [child.name for child in node.children] + node.choices.get("", []) + list(node.flags)


def _leaves(nodes: Sequence[Node]) -> Iterator[tuple[str, Node]]:
    """Yield what has flags of its own, with a pattern for the words that lead there."""
    for node in nodes:
        yield from ((f"{node.name} {child.name}", child) for child in node.children)
        yield f"{node.name} *", node


def _values(nodes: Sequence[Node]) -> Iterator[tuple[str, list[str]]]:
    """Yield the values that flags can have, with a pattern for the words before."""
    for node in nodes:
        choices = {**node.choices}
        for child in node.children:
            choices |= child.choices
        yield from ((f"{node.name} {flag}", values) for flag, values in choices.items() if flag)


def _cases(pairs: Iterator[tuple[str, str]], indent: int) -> str:
    lines = [f"{' ' * indent}{_pattern(words)}) {commands} ;;" for words, commands in pairs]
    return "\n".join(lines) or f"{' ' * indent}*) ;;"


def _pattern(words: str) -> str:
    fixed, star, _ = words.partition("*")
    return f"{shlex.quote(fixed)}{star}"


def _bash_words(words: Sequence[str]) -> str:
    return f"words={shlex.quote(' '.join(words))}"


def _zsh_verbs(node: Node) -> str:
    return f"names=({_described({child.name: child.help for child in node.children})})"


def _described(helps: Mapping[str, str]) -> str:
    return " ".join(shlex.quote(f"{name.replace(':', chr(92) + ':')}:{text}") for name, text in helps.items())


def _fish_word(where: str, word: str, text: str) -> str:
    return f"complete -c segops -n {_fish(where)} -a {_fish(word)} -d {_fish(text)}"


def _fish_flags(where: str, node: Node) -> Iterator[str]:
    for flag, text in node.flags.items():
        form = f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
        values = f" -x -a {_fish(' '.join(node.choices[flag]))}" if flag in node.choices else ""
        yield f"complete -c segops -n {_fish(where)} {form}{values} -d {_fish(text)}"
    if not (node.children or node.choices.get("")):
        yield f"complete -c segops -n {_fish(where)} -F"


def _fish(text: str) -> str:
    """Quote for fish, where only these two are special between single quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
