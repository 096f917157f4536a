"""The parser of the command line, and how it shows help."""

import argparse
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from asgd import __version__
from asgd.commands.command import PURPOSES, Command
from asgd.members import find_members, load_member
from asgd.terminal import open_console

_ROOM = "asgd.commands"
_WIDEST = 100  #: characters in a line of help
_MOST_SHOWN = 6  #: flags in the line of usage


class _Format(argparse.HelpFormatter):
    """Help that fits the terminal. The line of usage leaves out flags where there are many."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=min(open_console().width, _WIDEST) - 1)

    def add_usage(self, usage: str | None, actions: Iterable[argparse.Action], *others: Any) -> None:
        """As the library's."""
        actions = list(actions)
        places = [action for action in actions if not action.option_strings]
        if usage is None and len(actions) - len(places) > _MOST_SHOWN:
            usage = " ".join([self._prog, "[FLAGS]", *(str(action.metavar or action.dest) for action in places)])
        super().add_usage(usage, actions, *others)


class Parser(argparse.ArgumentParser):
    """Shows ``examples`` below the flags, and reports a wrong flag in one line, like every other error."""

    def __init__(self, examples: Iterable[str] = (), **settings: Any) -> None:
        super().__init__(formatter_class=_Format, **settings)
        self._examples = tuple(examples)

    def format_help(self) -> str:
        """As the library's, with the examples."""
        shown = [f"  {line}\n" for line in self._examples]
        return "".join([super().format_help(), *(["\nexamples:\n"] if shown else []), *shown])

    def _print_message(self, message: str, file: Any = None) -> None:
        # The library's own passes over a disk that is full.
        target = file or sys.stderr
        if message and target is not None:
            target.write(message)

    def error(self, message: str) -> NoReturn:
        """End with status 2 after one line."""
        shown = message if len(message) <= 300 else f"{message[:300]}..."
        self.exit(2, f"{self.prog}: error: {' '.join(shown.splitlines())} (see {self.prog} --help)\n")


class _Entrance(Parser):
    """The parser of ``asgd`` itself: its help lists the commands by purpose."""

    def format_help(self) -> str:
        """What one can do."""
        commands = list_commands()
        width = max(map(len, commands)) + 2
        lines = [f"usage: {self.prog} COMMAND [FLAGS]", "", self.description or ""]
        for purpose, heading in PURPOSES.items():
            lines += ["", heading]
            lines += [f"  {name:{width}}{one.help}" for name, one in commands.items() if one.purpose == purpose]
        begin = [f"To begin: {line}" for line in commands["train"].examples[:1]]
        end = f"`{self.prog} COMMAND --help` explains a command and its flags."
        return "\n".join([*lines, "", *begin, end, ""])


def list_commands() -> dict[str, Command]:
    """All commands, by the name that users type."""
    return {name.replace("_", "-"): command for name, command in find_members(_ROOM, Command).items()}


def build_parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    about = "Simulate asynchronous SGD, and test the claims of a paper about it."
    parser = _Entrance(prog="asgd", description=about)
    parser.add_argument("--version", action="version", version=f"asgd {__version__}")
    parser.set_defaults(run=lambda options: parser.print_help())
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser)
    for name, command in list_commands().items():
        module = load_member(_ROOM, name.replace("-", "_"))
        added = commands.add_parser(name, description=command.description, examples=command.examples)
        added.set_defaults(run=module.run)
        module.add_flags(added)
    return parser
