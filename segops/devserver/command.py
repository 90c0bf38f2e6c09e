"""Does what `segops dev` is asked for."""

from __future__ import annotations

import argparse
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

from segops import SegOpsConfigError
from segops.cli.terminal import report, tell, write
from segops.devserver import discovery
from segops.devserver.arguments import BEFORE, SERVER_OPTIONS
from segops.devserver.listen import listen
from segops.devserver.samples import SAMPLES
from segops.devserver.seeding import CDNOW, seed
from segops.devserver.trigger import trigger
from segops.emulator import LocalSegOps, parse_fault
from segops.environment import make_child_environment
from segops.utils import escape

if TYPE_CHECKING:
    from segops.devserver.server import DevServer

_NOT_FOUND = 127
_NOT_STARTED = 126
_BY_SIGNAL = 128
_TICK = 0.2
_HOST = "127.0.0.1"
_PORT = 8000
_USER = "ada@example.com"


def run(arguments: argparse.Namespace) -> int:
    """Do it and return the exit code.

    Raises:
        SegOpsConfigError: An argument cannot be used, the extra is not installed, or no server runs.
        SegOpsError: SegOps refuses what it is sent.
    """
    before = {name: getattr(arguments, f"{BEFORE}{name}") for name in SERVER_OPTIONS}
    if arguments.action is None:
        vars(arguments).update(before)
    elif given := _flags(before):
        raise SegOpsConfigError(f"{given} before {arguments.action!r} has no effect: write it after, or leave it out")
    actions = {None: _serve, "run": _run_command, "seed": _seed, "listen": _listen, "trigger": _trigger}
    return actions[arguments.action](arguments)


def _serve(arguments: argparse.Namespace) -> int:
    with _until_stopped() as is_stopped, _serving(arguments) as server, _announced(server.info):
        _print(_describe(server.info, arguments.fault or []))
        while not is_stopped.wait(_TICK):
            pass
    _say("stopped")
    return 0


def _run_command(arguments: argparse.Namespace) -> int:
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        raise SegOpsConfigError("there is no command to run: write `segops dev run -- COMMAND`")
    if arguments.join is not None:
        _check_join(arguments)
        return _run_child(words, discovery.find_running(arguments.join))
    with _serving(arguments) as server:
        return _run_child(words, server.info)


def _check_join(arguments: argparse.Namespace) -> None:
    """Refuse the options for a server of its own where there is none."""
    if given := _flags({name: getattr(arguments, name) for name in SERVER_OPTIONS}):
        raise SegOpsConfigError(f"--join uses a server that runs already, which {given} cannot change: leave one out")


def _flags(values: Mapping[str, object]) -> str:
    """Return the flags that were given, as text."""
    return ", ".join(f"--{name.replace('_', '-')}" for name, value in values.items() if value is not None)


def _seed(arguments: argparse.Namespace) -> int:
    _print(_load(arguments.what, discovery.find_running(arguments.join), arguments))
    return 0


def _listen(arguments: argparse.Namespace) -> int:
    listen(discovery.find_running(arguments.join), arguments.after, arguments.count, as_json=arguments.json)
    return 0


def _trigger(arguments: argparse.Namespace) -> int:
    if arguments.event_type is not None:
        info = discovery.find_running(arguments.join)
        _print(trigger(arguments.event_type, arguments.user_id or _USER, info))
    elif given := _flags({"user_id": arguments.user_id, "url": arguments.join}):
        raise SegOpsConfigError(f"{given} needs the type of an event: `segops dev trigger` alone lists them")
    else:
        write("".join(f"{name}\n" for name in SAMPLES))
    return 0


@contextmanager
def _serving(arguments: argparse.Namespace) -> Iterator[DevServer]:
    try:
        from segops.devserver.server import DevServer  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise SegOpsConfigError(
            f"`segops dev` needs {error.name}, which is not installed: pip install 'segops-sdk[dev]'"
        ) from error
    _check_seed(arguments.seed, arguments)
    faults = arguments.fault or []
    for line in faults:
        parse_fault(line)  # a mistake is told before anything is loaded
    with (
        LocalSegOps(*([] if arguments.db is None else [arguments.db])) as local,
        DevServer(local, arguments.host or _HOST, _port(arguments)) as server,
    ):
        if arguments.seed is not None:
            _say(_load(arguments.seed, server.info, arguments))
        local.faults.add(*faults)  # they are meant for the user's program
        yield server


def _port(arguments: argparse.Namespace) -> int:
    default = _PORT if arguments.action is None else 0
    return default if arguments.port is None else int(arguments.port)


def _load(what: str, info: discovery.Info, arguments: argparse.Namespace) -> str:
    _check_seed(what, arguments)
    return seed(what, info, ignored=arguments.ignore_key or (), enrich=bool(arguments.enrich))


def _check_seed(what: str | None, arguments: argparse.Namespace) -> None:
    """Refuse the options that are for files where there is none."""
    if what in {None, CDNOW} and (arguments.ignore_key or arguments.enrich):
        raise SegOpsConfigError("--ignore-key and --enrich apply to a file of events: name one, or leave them out")


@contextmanager
def _announced(info: discovery.Info) -> Iterator[None]:
    try:
        discovery.announce(info)
    except OSError as error:
        _say(f"other commands will not find it without --url {info.url} ({error})")
    try:
        yield
    finally:
        discovery.withdraw(info)


def _describe(info: discovery.Info, faults: list[str]) -> str:
    lines = [
        f"SegOps runs on this machine: {info.url}",
        "",
        f"  page            {info.url}/",
        f"  secret key      {info.secret_key}",
        f"  public key      {info.public_key}",
        f"  signing secret  {info.signing_secret}",
        f"  database        {'in memory: gone when it stops' if info.database == ':memory:' else info.database}",
        *(f"  fault           {fault}" for fault in faults),
        "",
        f"  export SEGOPS_API_URL={info.url} SEGOPS_API_KEY={info.secret_key}",
        "",
        "Press Ctrl-C to stop.",
    ]
    return "\n".join(lines)


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """Yield what is set by Ctrl-C or SIGTERM, instead of what these would do otherwise."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    before = [(number, signal.signal(number, stop)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield stopped
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _run_child(words: list[str], info: discovery.Info) -> int:
    environment = make_child_environment(SEGOPS_API_URL=info.url, SEGOPS_API_KEY=info.secret_key)
    waiting: list[int] = []
    children: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        waiting.append(number)
        _deliver(waiting, children)

    numbers = [signal.SIGTERM, *(number for name in ("SIGHUP", "SIGQUIT") if (number := getattr(signal, name, None)))]
    before = [(number, signal.signal(number, forward)) for number in numbers]
    # The terminal sends Ctrl-C to the command as well: it decides what becomes of it, and we wait.
    before.append((signal.SIGINT, signal.signal(signal.SIGINT, lambda _number, _frame: None)))
    try:
        children.append(subprocess.Popen(words, env=environment))  # noqa: S603 - to run it is what was asked for
        _deliver(waiting, children)
        code = children[0].wait()
    except FileNotFoundError:
        return _complain(f"there is no command {words[0]!r}", _NOT_FOUND)
    except OSError as error:
        return _complain(f"cannot run {words[0]!r} ({error.strerror})", _NOT_STARTED)
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    return code if code >= 0 else _BY_SIGNAL - code


def _deliver(waiting: list[int], children: list[subprocess.Popen[bytes]]) -> None:
    while waiting and children:
        with suppress(ProcessLookupError):
            children[0].send_signal(waiting.pop(0))


def _complain(message: str, code: int) -> int:
    _say(message)
    return code


def _say(message: str) -> None:
    tell(f"segops: {message}")


def _print(text: str) -> None:
    report(escape(f"{text}\n", keep="\n"))
