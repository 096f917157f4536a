"""The table of verdicts for the terminal."""

import io

from rich.console import Console
from rich.table import Table

from asgd.claims.verdict import Verdicts
from asgd.claims.wording import Row, tabulate_verdicts


def format_claims(verdicts: Verdicts, width: int = 140) -> str:
    """A table ``width`` characters wide, without colours."""
    table = Table(show_lines=True)
    for heading in ("claim", "verdict", "effect", "p (Holm)", "n"):
        table.add_column(heading, overflow="fold")
    table.add_column("reason", overflow="fold", ratio=1)
    for row in tabulate_verdicts(verdicts):
        cells = (row.verdict, row.size or "-", _format_p(row), str(row.n), row.reason)
        table.add_row(f"{row.id}\n{row.statement}", *cells)
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(table, markup=False)
    return capture.get()


def _format_p(row: Row) -> str:
    return "-" if row.p_value is None else f"{row.p_value:.2g} ({row.p_adjusted:.2g})"
