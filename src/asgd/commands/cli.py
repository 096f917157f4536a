"""The ``asgd`` command: its subcommands are the files of this folder that declare one (``asgd.commands.command``)."""

import argparse
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from asgd import __version__
from asgd.commands.command import Command
from asgd.errors import AsgdError
from asgd.extras import explain_missing
from asgd.logs import discard_output, print_error, show_warning, tolerate_output
from asgd.members import find_members, load_member

_ROOM = "asgd.commands"


class _Parser(argparse.ArgumentParser):
    """Reports a wrong flag in one line, like every other error."""

    def _print_message(self, message: str, file: Any = None) -> None:
        # The library's own passes over a disk that is full.
        target = file or sys.stderr
        if message and target is not None:
            target.write(message)

    def error(self, message: str) -> NoReturn:
        shown = message if len(message) <= 300 else f"{message[:300]}..."
        self.exit(2, f"{self.prog}: error: {' '.join(shown.splitlines())} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    parser = _Parser(prog="asgd", description="Simulate asynchronous SGD and judge the paper's claims.")
    parser.add_argument("--version", action="version", version=f"asgd {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for name, command in find_members(_ROOM, Command).items():
        module = load_member(_ROOM, name)
        added = commands.add_parser(name.replace("_", "-"), help=command.help, description=command.description)
        added.set_defaults(run=module.run)
        module.add_flags(added)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit status: 0, 1 after a one-line error, 2 for wrong flags, 130 after Ctrl-C.

    SIGTERM, which schedulers send before they kill, ends the process as Ctrl-C does, with status 143: files in the
    making are removed. Where nobody reads the output any more (``asgd claims | head -1``) the status is 141.
    """
    tolerate_output()
    warnings.showwarning = show_warning
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        try:
            with explain_missing():
                options = build_parser().parse_args(arguments)
                options.run(options)
        finally:
            sys.stdout.flush()
    except AsgdError as error:
        print_error(error)
        return 1
    except BrokenPipeError:
        discard_output()
        return 128 + signal.SIGPIPE
    except OSError as error:
        discard_output()
        print_error(f"{error.filename or 'standard output'}: {error.strerror or error}")
        return 1
    except MemoryError as error:
        print_error(f"the memory does not suffice: {error or 'no more is free'}")
        return 1
    except KeyboardInterrupt:
        print("asgd: interrupted", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _terminate(number: int, frame: object) -> NoReturn:
    print("asgd: terminated", file=sys.stderr)
    sys.exit(128 + number)
