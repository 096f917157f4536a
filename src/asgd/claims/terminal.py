"""The verdicts for the terminal."""

from rich.console import RenderableType

from asgd.claims.verdict import Verdicts
from asgd.claims.wording import Row, tabulate_verdicts
from asgd.terminal import make_table, render, stack


def show_claims(verdicts: Verdicts) -> RenderableType:
    """A table with a line for each verdict, and below it each claim in words and the reason of its verdict."""
    found = make_table("claim", "verdict", "effect", "p (Holm)", "n", numbers=("p (Holm)", "n"))
    reasons = make_table("claim", "statement and reason")
    for row in tabulate_verdicts(verdicts):
        found.add_row(row.id, row.verdict, row.size or "-", _format_p(row), str(row.n))
        reasons.add_row(row.id, f"{row.statement}: {row.reason}")
    return stack(found, reasons)


def format_claims(verdicts: Verdicts, width: int | None = None) -> str:
    """The same as plain text, ``width`` characters wide."""
    return render(show_claims(verdicts), width)


def _format_p(row: Row) -> str:
    return "-" if row.p_adjusted is None else f"{row.p_adjusted:.2g}"
