"""How commands show things: one style for tables, texts and durations. Plain text where the output is no terminal.

Rich leaves out colours where ``NO_COLOR`` is set.
"""

import io
import os
from typing import TextIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table

#: Characters in a line where the output is no terminal and COLUMNS is not set.
_PIPED_WIDTH = 120

_UNITS = {"day": 86_400, "h": 3600, "min": 60, "s": 1}  #: seconds


def open_console(file: TextIO | None = None, width: int | None = None, as_text: bool = False) -> Console:
    """A console on ``file`` (default: standard output) that takes texts as they are, without markup.

    ``as_text``: in a notebook too, where a console writes HTML by default and takes the page for a terminal.
    """
    never = False if as_text and Console().is_jupyter else None
    console = Console(
        file=file,
        width=width,
        markup=False,
        highlight=False,
        emoji=False,
        force_terminal=never,
        force_jupyter=never,
    )
    if width is None and not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPED_WIDTH
    return console


def show(*parts: RenderableType) -> None:
    """Write ``parts`` to standard output. A terminal gets lines broken between words, a file gets them whole."""
    console = open_console(as_text=True)
    console.print(*parts, sep="\n", soft_wrap=not console.is_terminal)


def render(part: RenderableType, width: int | None = None) -> str:
    """``part`` as plain text, ``width`` characters wide."""
    file = io.StringIO()
    open_console(file, width or _PIPED_WIDTH).print(part)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def make_table(*columns: str, numbers: tuple[str, ...] = ()) -> Table:
    """An empty table with a head; the columns ``numbers`` are aligned to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return table


def stack(*parts: RenderableType) -> Group:
    """``parts`` below one another, with an empty line between them."""
    return Group(*[line for part in parts for line in ("", part)][1:])


def approximate(seconds: float) -> str:
    """A duration as exactly as it is known: ``about 3 h``."""
    for unit, length in _UNITS.items():
        if seconds >= 0.95 * length:
            number = seconds / length
            shown = f"{number:.0f}" if number >= 3 or unit == "s" else f"{number:.1f}".removesuffix(".0")
            plural = "s" if unit == "day" and shown != "1" else ""
            return f"about {shown} {unit}{plural}"
    return "about 1 s"
