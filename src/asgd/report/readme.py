"""The README's table of claims, kept in step with the results that it shows."""

from collections.abc import Sequence
from pathlib import Path

from asgd.claims import Verdict, format_effect
from asgd.errors import AsgdError
from asgd.files import write_text

_BEGIN, _END = "<!-- claims: begin -->\n", "<!-- claims: end -->\n"


def make_claims_markdown(verdicts: Sequence[Verdict]) -> str:
    """A Markdown table: the paper's claim, the verdict, the effect with its interval, and the reason.

    Verdicts that are not applicable are named in a line below it.
    """
    rows = ["| | the paper | here | effect | why |", "|---|---|---|---|---|"]
    absent = [verdict.id for verdict in verdicts if verdict.verdict == "not applicable"]
    for verdict in verdicts:
        if verdict.id in absent:
            continue
        cells = [verdict.id, verdict.claim, f"**{verdict.verdict}**", format_effect(verdict), verdict.reason]
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    if absent:
        rows += ["", f"Not applicable, for want of runs: {', '.join(absent)}."]
    return "\n".join(rows) + "\n"


def update_readme(readme: Path, verdicts: Sequence[Verdict]) -> None:
    """Replace what stands between the README's two claims comments. Raises AsgdError where they are missing."""
    text = readme.read_text()
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise AsgdError(f"{readme}: the comments {_BEGIN.strip()} and {_END.strip()} are missing; put them back")
    write_text(readme, f"{before}{begin}{make_claims_markdown(verdicts)}{end}{after}")
