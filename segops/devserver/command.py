"""Run the actions of `segops dev`."""

from __future__ import annotations

import argparse
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

from segops import SegOpsConfigError
from segops.cli import fail, print_message, print_report, until_stopped, write
from segops.devserver import discovery
from segops.devserver.arguments import BEFORE, SERVER_OPTIONS
from segops.devserver.listen import listen
from segops.devserver.samples import SAMPLES
from segops.devserver.seeding import CDNOW, seed
from segops.devserver.trigger import trigger
from segops.emulator import LocalSegOps, parse_fault
from segops.environment import make_child_environment
from segops.forward import StreamWatch

if TYPE_CHECKING:
    from segops.devserver.server import DevServer

_NOT_FOUND = 127
_NOT_STARTED = 126
_KILLED_BY_SIGNAL = 128
_TICK = 0.2
_HOST = "127.0.0.1"
_PORT = 8000
_USER = "ada@example.com"


def run(args: argparse.Namespace) -> int:
    """Run an action and return the exit code.

    Raises:
        SegOpsConfigError: An argument is invalid, the extra is not installed, or no server is running.
        SegOpsError: SegOps refuses the events.
    """
    before = {name: getattr(args, f"{BEFORE}{name}") for name in SERVER_OPTIONS}
    if args.action is None:
        vars(args).update(before)
    elif passed := _join_flags(before):
        raise SegOpsConfigError(f"{passed} has no effect before {args.action!r}: put it after, or leave it out")
    actions = {None: _serve, "run": _run_command, "seed": _seed, "listen": _listen, "trigger": _trigger}
    return actions[args.action](args)


def _serve(args: argparse.Namespace) -> int:
    with until_stopped() as is_stopped, _serving(args) as server, _announced(server.info):
        print_report(_describe(server.info, args.fault or []))
        while not is_stopped.wait(_TICK):
            pass
    print_message("segops: stopped")
    return 0


def _run_command(args: argparse.Namespace) -> int:
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise SegOpsConfigError("no command to run: write `segops dev run -- COMMAND`")
    if args.join is not None:
        _check_join(args)
        return _run_child(command, discovery.find_running(args.join))
    with _serving(args) as server:
        return _run_child(command, server.info)


def _check_join(args: argparse.Namespace) -> None:
    """Reject options that configure a new server."""
    if passed := _join_flags({name: getattr(args, name) for name in SERVER_OPTIONS}):
        raise SegOpsConfigError(f"--join uses a running server, which {passed} cannot configure: leave one out")


def _join_flags(values: Mapping[str, object]) -> str:
    """Return the flags that were passed, as text."""
    return ", ".join(f"--{name.replace('_', '-')}" for name, value in values.items() if value is not None)


def _seed(args: argparse.Namespace) -> int:
    print_report(_load(args.source, discovery.find_running(args.join), args))
    return 0


def _listen(args: argparse.Namespace) -> int:
    listen(discovery.find_running(args.join), args.after, args.count, as_json=args.json)
    return 0


def _trigger(args: argparse.Namespace) -> int:
    if args.event_type is not None:
        info = discovery.find_running(args.join)
        print_report(trigger(args.event_type, args.user_id or _USER, info))
    elif passed := _join_flags({"user_id": args.user_id, "url": args.join}):
        raise SegOpsConfigError(f"{passed} needs an event type: run `segops dev trigger` to list them")
    else:
        write("".join(f"{name}\n" for name in SAMPLES))
    return 0


@contextmanager
def _serving(args: argparse.Namespace) -> Iterator[DevServer]:
    try:
        from segops.devserver.server import DevServer  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise SegOpsConfigError(
            f"`segops dev` needs {error.name}, which is not installed: pip install 'segops-sdk[dev]'"
        ) from error
    _check_seed(args.seed, args)
    faults = args.fault or []
    for line in faults:
        parse_fault(line)  # reports mistakes before anything is loaded
    watch = None if args.watch is None else StreamWatch(args.watch)
    if watch is not None:
        watch.look()
    with (
        LocalSegOps(*([] if args.db is None else [args.db])) as local,
        DevServer(local, args.host or _HOST, _port(args), watch) as server,
    ):
        if args.seed is not None:
            print_message(f"segops: {_load(args.seed, server.info, args)}")
        local.faults.add(*faults)  # they are meant for the user's program, not for the seed
        yield server


def _port(args: argparse.Namespace) -> int:
    default = _PORT if args.action is None else 0
    return default if args.port is None else int(args.port)


def _load(source: str, info: discovery.Info, args: argparse.Namespace) -> str:
    _check_seed(source, args)
    return seed(source, info, ignored=args.ignore_key or (), enrich=bool(args.enrich))


def _check_seed(source: str | None, args: argparse.Namespace) -> None:
    """Reject options for a file of events where there is none."""
    if source in {None, CDNOW} and (args.ignore_key or args.enrich):
        raise SegOpsConfigError("--ignore-key and --enrich apply to a file of events: pass one, or leave them out")


@contextmanager
def _announced(info: discovery.Info) -> Iterator[None]:
    try:
        discovery.announce(info)
    except OSError as error:
        print_message(f"segops: other commands cannot find this server without --url {info.url} ({error})")
    try:
        yield
    finally:
        discovery.withdraw(info)


def _describe(info: discovery.Info, faults: list[str]) -> str:
    database = "in memory, lost on exit" if info.database == ":memory:" else info.database
    lines = [
        f"Local SegOps is running at {info.url}",
        "",
        f"  page            {info.url}/",
        f"  secret key      {info.secret_key}",
        f"  public key      {info.public_key}",
        f"  signing secret  {info.signing_secret}",
        f"  database        {database}",
        *(f"  fault           {fault}" for fault in faults),
        *([] if info.stream is None else [f"  broker          {info.stream}"]),
        "",
        "To send events to it from another terminal:",
        "",
        f"  export SEGOPS_API_URL={info.url} SEGOPS_API_KEY={info.secret_key}",
        "",
        "Press Ctrl-C to stop.",
    ]
    return "\n".join(lines)


def _run_child(command: list[str], info: discovery.Info) -> int:
    environment = make_child_environment(SEGOPS_API_URL=info.url, SEGOPS_API_KEY=info.secret_key)
    waiting: list[int] = []
    children: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        waiting.append(number)
        _deliver(waiting, children)

    numbers = [signal.SIGTERM, *(number for name in ("SIGHUP", "SIGQUIT") if (number := getattr(signal, name, None)))]
    before = [(number, signal.signal(number, forward)) for number in numbers]
    # The terminal sends Ctrl-C to the command, too: the command decides what to do, and we wait.
    before.append((signal.SIGINT, signal.signal(signal.SIGINT, lambda _number, _frame: None)))
    try:
        children.append(subprocess.Popen(command, env=environment))  # noqa: S603 - the user asked to run it
        _deliver(waiting, children)
        code = children[0].wait()
    except FileNotFoundError:
        return fail(f"command not found: {command[0]!r}", _NOT_FOUND)
    except OSError as error:
        return fail(f"cannot run {command[0]!r} ({error.strerror})", _NOT_STARTED)
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    return code if code >= 0 else _KILLED_BY_SIGNAL - code


def _deliver(waiting: list[int], children: list[subprocess.Popen[bytes]]) -> None:
    while waiting and children:
        with suppress(ProcessLookupError):
            children[0].send_signal(waiting.pop(0))
